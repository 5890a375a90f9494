"""Without the change log's policy: everything is recorded, by nobody; and with the policy back, the chain continues."""

import urllib.request

from cluster import LiveCluster, Workspace, Workspaces
from policy_switch import without_change_log
from waiting import eventually

from moorage_dev import patience
from moorage_dev.processes import Service


def _recorded(workspace: Workspace, name: str) -> int:
    return int(((workspace.get("deployments", name) or {}).get("status") or {}).get("recordedSequence", 0))


def _history_complete(workspace: Workspace, name: str) -> tuple[str, str]:
    conditions = (workspace.get("deployments", name) or {})["status"]["conditions"]
    found = next(one for one in conditions if one["type"] == "HistoryComplete")
    return found["status"], found["reason"]


def _degraded(operator: Service) -> int:
    """The metric `moorage_degraded_bindings`: of the whole cluster, with what other tests left."""
    with urllib.request.urlopen(operator.metrics_url, timeout=patience.scaled(5)) as answer:  # noqa: S310 — a loopback address of our own
        text = answer.read().decode()
    return next(int(float(line.split()[1])) for line in text.splitlines() if line.startswith("moorage_degraded_"))


def _that_say_so(cluster: LiveCluster) -> set[str]:
    """Bindings of the whole cluster whose condition says that their history is not complete."""
    return {
        f"{one['metadata']['namespace']}/{one['metadata']['name']}"
        for one in cluster.raw("GET", "/apis/moorage.dev/v1/deployments").json()["items"]
        for condition in (one.get("status") or {}).get("conditions", ())
        if (condition["type"], condition["status"]) == ("HistoryComplete", "False")
    }


def test_changes_without_the_policy_are_adopted_and_the_chain_goes_on(
    operator: Service, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("production")
    shop.create_deployment("production", "web", "v1", user="alice")
    eventually(lambda: _recorded(shop, "production.web") == 1)
    with without_change_log(cluster, shop):
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
    ours = {f"{shop.namespace}/production.web", f"{shop.namespace}/production.old"}
    eventually(lambda: ours <= _that_say_so(cluster) and _degraded(operator) == len(_that_say_so(cluster)))
    assert cluster.raw("DELETE", shop.path("deployments", "production.web")).status == 200
    eventually(lambda: not ours <= _that_say_so(cluster) and _degraded(operator) == len(_that_say_so(cluster)))
