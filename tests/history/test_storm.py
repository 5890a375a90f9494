"""The storm: a long outage, then two replicas that are killed in turn while changes continue. Nothing is lost."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from cluster import LiveCluster, Workspace, Workspaces, account
from ledger import BACK_PRESSURE, Ledger
from oracles import check_history, in_parallel, records_of, settled
from services import Operators
from waiting import eventually

from moorage_dev import children
from moorage_dev.processes import Service

BINDINGS = 50
#: Of each binding while no operator runs.
CHANGES_IN_THE_OUTAGE = 12
#: Of all bindings together while replicas are killed.
CHANGES_IN_THE_STORM = 1000
KILLS = 10
THREADS = 8
#: Requests of one operator at once.
IN_FLIGHT = 32
OPERATOR = account("moorage-operator")


def _outage(ledger: Ledger, shop: Workspace) -> None:
    def binding(number: int) -> None:
        app = f"app-{number}"
        ledger.create(shop, "production", app, "v1", user="alice")
        for change in range(2, CHANGES_IN_THE_OUTAGE + 1):
            user = ("alice", "bob")[change % 2]
            assert ledger.change(shop, f"production.{app}", f"v{change}", user=user, reason=f"{change}").status == 200

    in_parallel(THREADS, [lambda number=number: binding(number) for number in range(BINDINGS)])


def _storm(ledger: Ledger, shop: Workspace, kills: list[int]) -> None:
    """Each tenth of it waits for the kill before it, so that a slow machine does not kill after the storm."""

    def change(number: int) -> None:
        eventually(lambda: len(kills) * CHANGES_IN_THE_STORM // KILLS + CHANGES_IN_THE_STORM // KILLS > number, 120)
        name = f"production.app-{number % BINDINGS}"
        ledger.insist(shop, name, f"s{number}", user=("alice", "bob")[number % 2], reason=f"storm {number}")

    in_parallel(THREADS, [lambda number=number: change(number) for number in range(CHANGES_IN_THE_STORM)])


def _kill_in_turn(ledger: Ledger, operators: Operators, pair: list[Service], kills: list[int]) -> None:
    """Kill the older one whenever a tenth of the storm has passed; `kills`: after how many changes that was done."""
    while len(kills) < KILLS:
        passed = BINDINGS * CHANGES_IN_THE_OUTAGE + CHANGES_IN_THE_STORM * len(kills) // KILLS
        eventually(lambda passed=passed: ledger.count >= passed, timeout=120)
        children.kill(pair.pop(0).child)
        pair.append(operators.start(wait=False))
        kills.append(ledger.count)


def _storm_and_kills(ledger: Ledger, shop: Workspace, operators: Operators) -> int:
    """How many operators were killed during the changes."""
    failures: list[BaseException] = []
    kills: list[int] = []

    def blow() -> None:
        try:
            _storm(ledger, shop, kills)
        except BaseException as error:
            failures.append(error)

    pair = [operators.start(), operators.start()]
    weather = threading.Thread(target=blow)
    weather.start()
    _kill_in_turn(ledger, operators, pair, kills)
    weather.join()
    assert failures == []
    return len(kills)


@pytest.mark.timeout(600)
def test_nothing_is_lost_in_a_storm(
    no_operator: Operators,
    workspace: Workspaces,
    cluster: LiveCluster,
    figures: Callable[[str], None],
) -> None:
    shop, ledger = workspace("production"), Ledger(cluster)
    _outage(ledger, shop)
    assert ledger.count == BINDINGS * CHANGES_IN_THE_OUTAGE
    assert records_of([shop]) == []

    mark = cluster.audit_mark()
    kills = _storm_and_kills(ledger, shop, no_operator)
    eventually(lambda: settled(shop), timeout=60, interval=0.3)

    total = BINDINGS * CHANGES_IN_THE_OUTAGE + CHANGES_IN_THE_STORM
    records = records_of([shop])
    assert ledger.count == len(records) == total
    assert kills == KILLS
    assert set(ledger.refused) <= {BACK_PRESSURE}
    check_history(ledger, records)

    written = _writes(cluster, mark, shop)
    # The answer to a killed operator goes nowhere, and the API server then may not note it as a 201.
    unheard = total - written["deploymentrecords", 201]
    assert 0 <= unheard <= KILLS * IN_FLIGHT
    statuses = written["deployments/status", 200]
    # One by one a change costs at most one status; each restart may have to repair every binding's.
    assert statuses <= total + BINDINGS * KILLS
    figures(
        f"{total} changes, {kills} kills ({unheard} answers unheard), {ledger.refused.total()} refused by "
        f"back-pressure; for each change 1 record, {written['deploymentrecords', 409] / total:.3f} posts that found "
        f"one, {statuses / total:.3f} statuses; {written['environments/status', 200]} statuses of the Environment"
    )


def _writes(cluster: LiveCluster, mark: int, shop: Workspace) -> Counter[tuple[str, int]]:
    events = cluster.audit_since(mark, user=OPERATOR, verbs={"create", "patch", "update", "delete"})
    return Counter((event.resource, event.code) for event in events if event.namespace == shop.namespace)
