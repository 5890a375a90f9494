"""Objects, environments and namespaces go and come again under their old names while the operator cannot look."""

import time

import pytest
from cluster import LiveCluster, Workspace, Workspaces, account
from ledger import Ledger
from oracles import ANY_REQUEST_ID, check_history, records_of, settled
from services import Operators
from waiting import eventually

from moorage_dev import children


class Absence:
    """Takes all operators away and brings one back; `paused` ones remember what was there before."""

    def __init__(self, operators: Operators, how: str) -> None:
        self._operators = operators
        self._how = how

    def begin(self) -> None:
        if self._how == "stopped":
            self._operators.stop()
            return
        for service in self._operators.shared:
            children.pause(service.child)

    def end(self) -> None:
        if self._how == "paused":
            for service in self._operators.shared:
                children.resume(service.child)
        self._operators.ensure()


@pytest.fixture(params=["stopped", "paused"])
def absence(operators: Operators, request: pytest.FixtureRequest) -> Absence:
    operators.ensure()
    return Absence(operators, request.param)


def test_objects_that_went_and_came(absence: Absence, workspace: Workspaces, cluster: LiveCluster) -> None:
    shop, ledger = workspace("production"), Ledger(cluster)
    for app in ("stays", "goes", "comes-again", "comes-empty", "twice"):
        ledger.create(shop, "production", app, "v1")
    eventually(lambda: settled(shop))
    before = records_of([shop])
    absence.begin()
    ledger.insist(shop, "production.stays", "v2", user="bob", reason="in the dark")
    for app in ("goes", "comes-again", "comes-empty", "twice"):
        ledger.delete(shop, f"production.{app}")
    ledger.create(shop, "production", "comes-again", "v2", user="bob")
    ledger.create(shop, "production", "comes-empty", None, user="bob")
    ledger.create(shop, "production", "twice", None, user="bob")
    ledger.delete(shop, "production.twice")
    ledger.create(shop, "production", "twice", "v3", user="bob")
    ledger.create(shop, "production", "new", "v1", user="bob")
    absence.end()
    eventually(lambda: settled(shop) and len(records_of([shop])) >= ledger.count, timeout=30)
    check_history(ledger, records_of([shop]))
    assert len(before) == 5


def _delete_environment(shop: Workspace, name: str) -> None:
    assert shop.cluster.raw("DELETE", shop.path("environments", name)).status == 200


def test_environments_that_went_and_came(absence: Absence, workspace: Workspaces, cluster: LiveCluster) -> None:
    """An environment that is there again keeps its bindings; one that is not loses them, in the operator's name."""
    shop, ledger = workspace("preview", "production", "staging"), Ledger(cluster)
    uids = {name: ledger.create(shop, name, "web", "v1") for name in ("preview", "production", "staging")}
    eventually(lambda: settled(shop))
    absence.begin()
    started = time.time()
    for name in ("preview", "production", "staging"):
        _delete_environment(shop, name)
    for name in ("production", "staging"):
        shop.create_environment(name)
    ledger.insist(shop, "staging.web", "v2", user="bob", reason="in the dark")
    absence.end()
    eventually(lambda: shop.get("deployments", "preview.web") is None, timeout=30)
    ledger.ended(
        uids["preview"],
        started=started,
        by=account("moorage-operator"),
        reason="environment deleted",
        request_id=ANY_REQUEST_ID,
    )
    eventually(lambda: settled(shop), timeout=30)
    check_history(ledger, records_of([shop]))


def test_a_namespace_that_went_and_came(absence: Absence, workspace: Workspaces, cluster: LiveCluster) -> None:
    """Its history went along; nothing of it appears in the new one."""
    shop, ledger = workspace("production"), Ledger(cluster)
    for app in ("web", "api"):
        ledger.create(shop, "production", app, "v1")
    eventually(lambda: settled(shop))
    absence.begin()
    _recreate(cluster, shop)
    ledger.chains.clear()
    ledger.create(shop, "production", "web", "v7")
    ledger.insist(shop, "production.web", "v8", reason="in the dark")
    absence.end()
    eventually(lambda: settled(shop), timeout=30)
    # When a later change elsewhere has been recorded, whatever was remembered of the old one has been dealt with.
    other = workspace("production")
    Ledger(cluster).create(other, "production", "canary", "v1")
    eventually(lambda: settled(other), timeout=30)
    check_history(ledger, records_of([shop]))


def _recreate(cluster: LiveCluster, shop: Workspace) -> None:
    path = f"/api/v1/namespaces/{shop.namespace}"
    labels = cluster.raw("GET", path).json()["metadata"]["labels"]
    assert cluster.raw("DELETE", path).status == 200
    eventually(lambda: cluster.raw("GET", path).status == 404, timeout=30, interval=0.2)
    meta = {"name": shop.namespace, "labels": labels}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
    assert cluster.raw("POST", "/api/v1/namespaces", body=body).status == 201
    cluster.grant(shop.namespace, "alice", "moorage-edit")
    shop.create_environment("production")
