"""Without the change log's policy: everything is recorded, by nobody; and with the policy back, the chain goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cluster import LiveCluster, Workspace, Workspaces, eventually

from moorage_dev.processes import Service

BINDINGS = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings"
NAME = "deployments-changelog.moorage.dev"


def _is_stamped(cluster: LiveCluster, workspace: Workspace) -> bool:
    """Whether the policy is in force, asked by dry run."""
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": "probe.probe", "namespace": workspace.namespace},
        "spec": {"environment": "probe", "app": "probe", "release": "probe"},
    }
    answer = cluster.raw("POST", workspace.path("deployments") + "?dryRun=All", body=body)
    assert answer.status == 201, answer.body
    return "changeLog" in answer.json()


@contextmanager
def without_the_policy(cluster: LiveCluster, workspace: Workspace) -> Iterator[None]:
    """The binding of the policy is gone inside the block, and back in force after it."""
    stored: dict[str, Any] = cluster.raw("GET", f"{BINDINGS}/{NAME}").json()
    assert cluster.raw("DELETE", f"{BINDINGS}/{NAME}").status == 200
    try:
        eventually(lambda: not _is_stamped(cluster, workspace), timeout=30)
        yield
    finally:
        wanted = {key: stored[key] for key in ("apiVersion", "kind", "spec")}
        wanted["metadata"] = {"name": NAME, "labels": stored["metadata"].get("labels", {})}
        assert cluster.raw("POST", BINDINGS, body=wanted).status == 201
        eventually(lambda: _is_stamped(cluster, workspace), timeout=30)


def _recorded(workspace: Workspace, name: str) -> int:
    return int(((workspace.get("deployments", name) or {}).get("status") or {}).get("recordedSequence", 0))


def _history_complete(workspace: Workspace, name: str) -> tuple[str, str]:
    conditions = (workspace.get("deployments", name) or {})["status"]["conditions"]
    found = next(one for one in conditions if one["type"] == "HistoryComplete")
    return found["status"], found["reason"]


def test_changes_without_the_policy_are_adopted_and_the_chain_goes_on(
    operator: Service, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("production")
    shop.create_deployment("production", "web", "v1", user="alice")
    eventually(lambda: _recorded(shop, "production.web") == 1)
    with without_the_policy(cluster, shop):
        for number in (2, 3, 4):
            shop.set_release("production.web", f"v{number}", user="bob")
        shop.create_deployment("production", "old", "v1", user="bob")
        eventually(lambda: _recorded(shop, "production.web") == 4 and _recorded(shop, "production.old") == 1)
    shop.set_release("production.web", "v5", user="alice")
    shop.set_release("production.old", None, user="alice")
    eventually(lambda: _recorded(shop, "production.web") == 5 and _recorded(shop, "production.old") == 2)
    assert [(spec["action"], spec["release"], spec.get("by")) for spec in shop.records("production.web")] == [
        ("deploy", "v1", cluster.username("alice")),
        ("adopt", "v2", None),
        ("adopt", "v3", None),
        ("adopt", "v4", None),
        ("deploy", "v5", cluster.username("alice")),
    ]
    assert [spec["action"] for spec in shop.records("production.old")] == ["adopt", "undeploy"]
    assert _history_complete(shop, "production.web") == ("False", "ChangedWithoutPolicy")
