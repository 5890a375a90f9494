"""Two operators; the one with the Lease stands still in the middle of two writes, and wakes when all is long done."""

import urllib.request

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from fault_proxy import FaultProxy
from ledger import Ledger
from oracles import check_history, records_of, settled
from services import Operators
from waiting import eventually

from moorage_dev import children, patience
from moorage_dev.processes import Service


def _holds_lease(service: Service) -> bool:
    with urllib.request.urlopen(service.metrics_url, timeout=patience.scaled(5)) as answer:  # noqa: S310 — a loopback address of our own
        return b"moorage_lease_held 1.0" in answer.read()


def _hold_two_writes(proxy: FaultProxy, ledger: Ledger, shop: Workspace) -> None:
    """A record and a status leave the first operator, and stay on their way."""
    where = f"in {shop.namespace}: hold"
    proxy.arm(f"POST deploymentrecords #1 {where}")
    ledger.insist(shop, "production.web", "v2", reason="held")
    eventually(lambda: proxy.unfired() == [])
    proxy.arm(f"PATCH deployments/status #1 {where}")
    ledger.insist(shop, "production.short", "v2", reason="held")
    eventually(lambda: proxy.unfired() == [])


def _go_on(ledger: Ledger, shop: Workspace) -> None:
    """What the second operator records; the Deployment of the held status gets a successor of its name."""
    for number in range(3, 6):
        ledger.insist(shop, "production.web", f"v{number}", user="bob", reason=f"{number}")
    ledger.delete(shop, "production.short")
    ledger.create(shop, "production", "short", "v7", user="bob")
    eventually(lambda: settled(shop) and len(records_of([shop])) >= ledger.count)


@pytest.mark.timeout(180)
def test_late_writes_of_a_paused_operator_change_nothing(
    proxy: FaultProxy, operators: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop, ledger = workspace("production"), Ledger(cluster)
    first = operators.start(proxy.settings(cluster))
    eventually(lambda: _holds_lease(first), timeout=30)
    second = operators.start()
    for app in ("web", "short"):
        ledger.create(shop, "production", app, "v1")
    eventually(lambda: settled(shop))

    _hold_two_writes(proxy, ledger, shop)
    children.pause(first.child)
    try:
        eventually(lambda: _holds_lease(second), timeout=40)
        _go_on(ledger, shop)
        before = records_of([shop])
        held = [call for call in proxy.calls if call.fault == "hold"]
        proxy.release()
        eventually(lambda: all(call.status for call in held))
    finally:
        children.resume(first.child)
    assert {(call.resource, call.status) for call in held} == {("deploymentrecords", 409), ("deployments/status", 422)}
    assert records_of([shop]) == before
    proxy.arm()
    ledger.insist(shop, "production.web", "v9", reason="both awake")
    eventually(lambda: settled(shop))
    check_history(ledger, records_of([shop]))
    assert proxy.problems == []
