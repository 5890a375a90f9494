"""One binding, as many changes as the API server takes: back-pressure is the only refusal, and nothing is dropped."""

from cluster import LiveCluster, Workspaces
from ledger import BACK_PRESSURE, Ledger
from oracles import check_history, in_parallel, records_of, settled
from services import Operators
from waiting import eventually

from moorage_dev.processes import Service

CHANGES = 100
#: As many changes of one binding may be unrecorded.
ROOM = 16


def test_a_burst_is_recorded_completely(operator: Service, workspace: Workspaces, cluster: LiveCluster) -> None:
    shop, ledger = workspace("production"), Ledger(cluster)
    ledger.create(shop, "production", "web", "v0")

    def change(number: int) -> None:
        ledger.insist(shop, "production.web", f"v{number}", user=("alice", "bob")[number % 2], reason=f"burst {number}")

    in_parallel(4, [lambda number=number: change(number) for number in range(1, CHANGES + 1)])
    eventually(lambda: settled(shop), timeout=30)
    assert ledger.count == CHANGES + 1
    assert set(ledger.refused) <= {BACK_PRESSURE}
    check_history(ledger, records_of([shop]))


def test_exactly_sixteen_changes_are_taken_while_no_operator_runs(
    no_operator: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop, ledger = workspace("production"), Ledger(cluster)
    ledger.create(shop, "production", "web", "v1")
    # A note counts only in the write that changes it, so each has its own.
    answers = [ledger.change(shop, "production.web", f"v{one}", reason=f"burst {one}") for one in range(2, CHANGES + 2)]
    accepted = [answer.status for answer in answers].count(200)
    assert ledger.count == 1 + accepted == ROOM
    assert ledger.refused == {BACK_PRESSURE: CHANGES - accepted}
    # Undeploying is a change, too; a label edit is none, and a dry run leaves nothing behind.
    assert ledger.change(shop, "production.web", None).status == 422
    path = shop.path("deployments", "production.web")
    label = {"metadata": {"labels": {"tier": "front"}}}
    merge = "application/merge-patch+json"
    assert cluster.raw("PATCH", path, user="alice", body=label, content_type=merge).status == 200
    no_operator.ensure()
    eventually(lambda: settled(shop))
    dry = {"spec": {"release": "dry"}}
    assert cluster.raw("PATCH", f"{path}?dryRun=All", user="alice", body=dry, content_type=merge).status == 200
    ledger.insist(shop, "production.web", "after", reason="again")
    eventually(lambda: settled(shop))
    check_history(ledger, records_of([shop]))
