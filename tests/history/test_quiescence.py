"""When nothing changes any more, nothing is written any more but the Lease."""

import time

import pytest
from cluster import WRITES, AuditEvent, LiveCluster, Workspace, Workspaces, account
from ledger import Ledger
from oracles import check_history, is_quiet, records_of, settled
from services import Operators
from waiting import eventually

from moorage_dev import patience

#: Seconds of silence.
SILENCE = 60.0
OPERATOR = account("moorage-operator")


def _written(cluster: LiveCluster, mark: int, shop: Workspace) -> list[AuditEvent]:
    events = cluster.audit_since(mark, user=OPERATOR, verbs=WRITES)
    return [event for event in events if event.namespace == shop.namespace or event.resource == "leases"]


def _wait_for_the_last_write(cluster: LiveCluster, shop: Workspace) -> None:
    """The standby looks after what it has not seen recorded two seconds later; statuses come up to a second later.

    On a busy machine both are slower than that.
    """
    silence = min(patience.scaled(4), 30)
    seen: list[tuple[float, int]] = [(time.monotonic(), -1)]
    mark = cluster.audit_mark()

    def nothing_new() -> bool:
        count = sum(event.resource != "leases" for event in _written(cluster, mark, shop))
        if count != seen[-1][1]:
            seen.append((time.monotonic(), count))
        return time.monotonic() - seen[-1][0] > silence

    eventually(nothing_new, timeout=90, interval=0.5)


@pytest.mark.timeout(180)
def test_two_operators_fall_silent(operators: Operators, workspace: Workspaces, cluster: LiveCluster) -> None:
    operators.ensure(2)
    shop, ledger = workspace("production", "staging"), Ledger(cluster)
    for number in range(10):
        ledger.create(shop, ("production", "staging")[number % 2], f"app-{number}", "v1")
        ledger.insist(shop, f"{('production', 'staging')[number % 2]}.app-{number}", "v2", reason="second")
    ledger.insist(shop, "production.app-0", None, user="bob")
    ledger.delete(shop, "staging.app-1")
    # A binding of an Environment that is not there, and one that never was deployed: waiting states are silent, too.
    ledger.create(shop, "nowhere", "web", "v1")
    ledger.create(shop, "production", "idle", None)
    eventually(lambda: settled(shop) and len(records_of([shop])) >= ledger.count)
    _wait_for_the_last_write(cluster, shop)
    mark, until = cluster.audit_mark(), time.monotonic() + SILENCE
    eventually(lambda: time.monotonic() >= until, timeout=SILENCE + 5, interval=1.0)
    events = _written(cluster, mark, shop)
    is_quiet(events)
    assert any(event.resource == "leases" for event in events)
    check_history(ledger, records_of([shop]))
