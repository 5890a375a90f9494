"""A watch of the operator expires or fails: it begins again, and what happened meanwhile is in no event."""

import json
from collections.abc import Iterator

import pytest
from api_server_proxy import ApiServerProxy, Fault, Seen, no_fault
from cluster import LiveCluster, Workspaces
from oracles import settled
from services import Operators
from waiting import eventually

from moorage_crds import names
from moorage_dev import children
from moorage_dev.installation import OPERATOR


def ending(code: int) -> bytes:
    """The line with which the API server ends a watch; 410: it no longer knows the version to resume from."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "x"}
    return json.dumps({"type": "ERROR", "object": status}).encode()


REFUSED = Fault(status=401, body=b'{"kind":"Status","apiVersion":"v1","status":"Failure","code":401,"message":"x"}')


@pytest.fixture
def proxy(cluster: LiveCluster, no_operator: Operators) -> Iterator[ApiServerProxy]:
    """No other operator runs beside the one that goes through it."""
    made = ApiServerProxy(cluster.endpoint)
    yield made
    made.close()


def test_a_delete_that_no_watch_delivers_is_recorded_long_before_the_next_sweep(
    proxy: ApiServerProxy, no_operator: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("production")
    # Sweeps are five minutes apart, so what is recorded sooner was noticed in another way.
    no_operator.start(proxy.settings(cluster, OPERATOR))
    for app in ("gone", "stays"):
        shop.create_deployment("production", app, "v1", user="alice")
    eventually(lambda: settled(shop))
    proxy.freeze()
    assert cluster.raw("DELETE", shop.path("deployments", "production.gone"), user="alice").status == 200
    # From here on the stream is as good as one of an API server that has compacted what it should bring.
    eventually(lambda: proxy.inject("deployments", ending(410)))
    eventually(lambda: [spec["action"] for spec in shop.records("production.gone")] == ["deploy", "undeploy"])


def test_watches_that_end_while_their_credentials_are_refused_begin_again(
    proxy: ApiServerProxy, no_operator: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("production")
    operator = no_operator.start(proxy.settings(cluster, OPERATOR))
    shop.create_deployment("production", "web", "v1", user="alice")
    eventually(lambda: settled(shop))
    refused: list[Seen] = []

    def refuse_watches(seen: Seen) -> Fault | None:
        if not seen.is_watch:
            return None
        refused.append(seen)
        return REFUSED

    proxy.fault = refuse_watches
    # This error ends a run of kopf. The other watches then meet the refusal.
    assert proxy.inject(names.ENVIRONMENTS, ending(500)) == 1
    for plural in set(proxy.streams()) - {names.ENVIRONMENTS}:
        proxy.inject(plural, ending(410))
    eventually(lambda: refused)
    proxy.fault = no_fault
    shop.set_release("production.web", "v2", user="alice")
    eventually(lambda: [spec["release"] for spec in shop.records("production.web")] == ["v1", "v2"], timeout=60)
    assert children.is_running(operator.child)
