"""Deleting a Namespace or the installation never waits for an operator that is not there."""

from cluster import LiveCluster, Workspace, Workspaces
from ledger import Ledger
from oracles import settled
from services import Operators
from waiting import eventually

from moorage_dev import patience
from moorage_dev.installation import policies

#: Seconds that a Namespace may take to go.
LIMIT = 30


def _fill(ledger: Ledger, shop: Workspace, operators: Operators | None) -> None:
    """Recorded and unrecorded Deployments, a default Environment, a lock: everything that a policy protects."""
    if operators is not None:
        operators.ensure()
        ledger.create(shop, "production", "recorded", "v1")
        eventually(lambda: settled(shop))
        operators.stop()
    for app in ("web", "api"):
        ledger.create(shop, "production", app, "v1")
    shop.create_environment("staging", isDefault=True)
    lock = {
        "apiVersion": "moorage.dev/v1",
        "kind": "EnvironmentLock",
        "metadata": {"name": "production"},
        "spec": {"reason": "nobody touches this"},
    }
    assert ledger.refused == {}
    answer = shop.cluster.raw("POST", shop.path("environmentlocks"), body=lock)
    assert answer.status == 201, answer.body


def _goes(cluster: LiveCluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    assert cluster.raw("DELETE", path).status == 200
    eventually(lambda: cluster.raw("GET", path).status == 404, timeout=LIMIT, interval=0.2)


def test_a_namespace_goes_while_the_operator_is_down(
    no_operator: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("production", labels={"moorage.dev/attributed-deletes": "true"})
    _fill(Ledger(cluster), shop, no_operator)
    assert cluster.raw("DELETE", shop.path("deployments", "production.web")).status == 403
    assert cluster.raw("DELETE", shop.path("environments", "staging")).status == 403
    _goes(cluster, shop.namespace)


def test_after_an_uninstallation_everything_can_be_deleted(own_cluster: LiveCluster) -> None:
    """Policies go first and CRDs stay, as the chart does it; nothing that is left waits for anybody."""
    shop, ledger = Workspaces(own_cluster)("production"), Ledger(own_cluster)
    _fill(ledger, shop, None)
    kubectl = own_cluster.underlying.admin()
    for policy in policies():
        kubectl.ok("delete", policy["kind"], policy["metadata"]["name"], "--wait=false")
    eventually(lambda: own_cluster.raw("DELETE", shop.path("deployments", "production.web")).status == 200)
    assert shop.get("deployments", "production.web") is None
    eventually(lambda: own_cluster.raw("DELETE", shop.path("environments", "staging")).status == 200)
    _goes(own_cluster, "moorage-system")
    _goes(own_cluster, shop.namespace)
    kubectl.ok("delete", "crd", "--all", f"--timeout={patience.scaled(LIMIT):.0f}s")
