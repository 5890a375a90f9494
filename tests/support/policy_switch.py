"""Takes policies out of force for a while, as somebody with too many rights might."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from cluster import LiveCluster, Workspace
from waiting import eventually

_GROUP = "/apis/admissionregistration.k8s.io/v1"
_CHANGE_LOG, _STAMPS = "deployments-changelog.moorage.dev", "deployments-stamps.moorage.dev"


@contextmanager
def without_change_log(cluster: LiveCluster, workspace: Workspace) -> Iterator[None]:
    """Neither is a change stamped inside the block, nor is it asked whether it was; both are again after it."""
    body = _probe(workspace)

    def is_checked() -> bool:
        # What no policy has stamped is refused.
        return cluster.raw("POST", workspace.path("deployments") + "?dryRun=All", body=body).status == 403

    def is_stamped() -> bool:
        answer = cluster.raw("POST", workspace.path("deployments") + "?dryRun=All", body=body)
        return answer.status == 201 and "changeLog" in answer.json()

    with ExitStack() as stack:
        stack.enter_context(_removed(cluster, "mutating", _CHANGE_LOG))
        eventually(is_checked, timeout=30)
        stack.enter_context(_removed(cluster, "validating", _STAMPS))
        eventually(lambda: not is_checked(), timeout=30)
        yield
    eventually(is_stamped, timeout=30)


@contextmanager
def without(cluster: LiveCluster, family: str, policy: str, in_force: Callable[[], bool]) -> Iterator[None]:
    """The binding of a policy is gone inside the block, and back in force after it.

    Args:
        cluster: where.
        family: `mutating` or `validating`.
        policy: its name, which its binding has too.
        in_force: whether it is; asked again and again.
    """
    with _removed(cluster, family, policy):
        eventually(lambda: not in_force(), timeout=30)
        yield
    eventually(in_force, timeout=30)


@contextmanager
def _removed(cluster: LiveCluster, family: str, name: str) -> Iterator[None]:
    bindings = f"{_GROUP}/{family}admissionpolicybindings"
    stored: dict[str, Any] = cluster.raw("GET", f"{bindings}/{name}").json()
    assert cluster.raw("DELETE", f"{bindings}/{name}").status == 200
    try:
        yield
    finally:
        wanted = {key: stored[key] for key in ("apiVersion", "kind", "spec")}
        wanted["metadata"] = {"name": name, "labels": stored["metadata"].get("labels", {})}
        assert cluster.raw("POST", bindings, body=wanted).status == 201


def _probe(workspace: Workspace) -> dict[str, Any]:
    return {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": "probe.probe", "namespace": workspace.namespace},
        "spec": {"environment": "probe", "app": "probe", "release": "probe"},
    }
