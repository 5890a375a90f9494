"""Takes the policy of the change log out of force for a while, as somebody with too many rights might."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cluster import LiveCluster, Workspace, eventually

_BINDINGS = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings"
_NAME = "deployments-changelog.moorage.dev"


@contextmanager
def without_change_log(cluster: LiveCluster, workspace: Workspace) -> Iterator[None]:
    """The binding of the policy is gone inside the block, and back in force after it."""
    stored: dict[str, Any] = cluster.raw("GET", f"{_BINDINGS}/{_NAME}").json()
    assert cluster.raw("DELETE", f"{_BINDINGS}/{_NAME}").status == 200
    try:
        eventually(lambda: not _is_stamped(cluster, workspace), timeout=30)
        yield
    finally:
        wanted = {key: stored[key] for key in ("apiVersion", "kind", "spec")}
        wanted["metadata"] = {"name": _NAME, "labels": stored["metadata"].get("labels", {})}
        assert cluster.raw("POST", _BINDINGS, body=wanted).status == 201
        eventually(lambda: _is_stamped(cluster, workspace), timeout=30)


def _is_stamped(cluster: LiveCluster, workspace: Workspace) -> bool:
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": "probe.probe", "namespace": workspace.namespace},
        "spec": {"environment": "probe", "app": "probe", "release": "probe"},
    }
    answer = cluster.raw("POST", workspace.path("deployments") + "?dryRun=All", body=body)
    assert answer.status == 201, answer.body
    return "changeLog" in answer.json()
