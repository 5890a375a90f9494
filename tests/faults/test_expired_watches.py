"""A watch of the operator expires, and what happened meanwhile is in no event: the next list must show it at once."""

import json
from collections.abc import Iterator

import pytest
from api_server_proxy import ApiServerProxy
from cluster import LiveCluster, Workspaces
from oracles import settled
from services import Operators
from waiting import eventually

from moorage_dev.installation import OPERATOR

#: How a watch ends when the API server no longer knows the version from which it should resume.
EXPIRED = json.dumps(
    {
        "type": "ERROR",
        "object": {"kind": "Status", "apiVersion": "v1", "code": 410, "reason": "Expired", "message": "x"},
    }
).encode()


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
    eventually(lambda: proxy.inject("deployments", EXPIRED))
    eventually(lambda: [spec["action"] for spec in shop.records("production.gone")] == ["deploy", "undeploy"])
