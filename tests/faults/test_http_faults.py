"""Every kind of request meets every kind of failure once; the operator continues by itself and the history is right."""

import time
from collections.abc import Callable

import pytest
from cluster import LiveCluster, Workspace, Workspaces, account
from fault_proxy import FaultProxy
from ledger import Ledger
from oracles import ANY_REQUEST_ID, check_history, in_parallel, records_of, settled
from supervisor import Supervisor
from waiting import eventually

from moorage_dev import children

FAULTS = (
    "answer 401",
    "answer 409",
    "answer 422",
    "answer 429",
    "answer 500",
    "answer 503",
    "answer 504",
    "answer html",
    "drop",
    "commit, drop reply",
    "commit, garbage",
    "hang",
)
#: What an operator sends while a binding is deployed and its Environment is deleted.
REQUESTS = (
    "POST deploymentrecords",
    "PATCH deployments/status",
    "PATCH environments/status",
    "GET environments",
    "PATCH deployments",
    "DELETE deployments",
)
#: A hang costs the operator's whole timeout each time: once is enough.
HANGING = ("POST deploymentrecords",)
#: Seconds: a hang of 10, a sweep every 10, a retry of a refusal.
LIMIT = 60.0


def _plans(fault: str, namespace: str) -> list[str]:
    requests = HANGING if fault == "hang" else REQUESTS
    return [f"{request} #1 in {namespace}: {fault}" for request in requests]


def _live(shop: Workspace, ledger: Ledger) -> None:
    """A binding is deployed, and its Environment deleted; whatever fails on the way."""
    uid = ledger.create(shop, "preview", "web", "v1")
    eventually(lambda: settled(shop), timeout=LIMIT)
    started = time.time()
    assert shop.cluster.raw("DELETE", shop.path("environments", "preview")).status == 200
    eventually(lambda: shop.get("deployments", "preview.web") is None, timeout=LIMIT)
    who = account("moorage-operator")
    ledger.ended(uid, started=started, by=who, reason="environment deleted", request_id=ANY_REQUEST_ID)


@pytest.mark.timeout(240)
def test_the_operator_gets_over_every_failure(
    proxy: FaultProxy, cluster: LiveCluster, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    shops = {fault: workspace("preview") for fault in FAULTS}
    ledgers = {fault: Ledger(cluster) for fault in FAULTS}
    supervisor = Supervisor(cluster, "faulty", proxy.settings(cluster))
    try:
        proxy.arm(*(plan for fault in FAULTS for plan in _plans(fault, shops[fault].namespace)))
        in_parallel(len(FAULTS), [lambda fault=fault: _live(shops[fault], ledgers[fault]) for fault in FAULTS])
        lives, fired, unfired = supervisor.lives, proxy.fired, proxy.unfired()
    finally:
        proxy.arm()
        supervisor.stop()
    for fault in FAULTS:
        check_history(ledgers[fault], records_of([shops[fault]]))
    assert (proxy.problems, unfired) == ([], [])
    assert lives == 1, children.tail(supervisor.log)
    assert "Traceback" not in supervisor.log.read_text(encoding="utf-8")
    figures(f"{fired} faults of {len(FAULTS)} kinds at {len(REQUESTS)} requests")
