"""One port, two stores: the stand-in of the unit tests, and the real API server."""

from collections.abc import AsyncIterator

import builders
import pytest
from cluster import LiveCluster, Workspaces
from fake_cluster import FakeCluster
from fixed_clock import FixedClock
from services import Operators
from store_place import Place

from moorage_crds.identifiers import NamespaceName
from moorage_crds.kube.client import Client
from moorage_crds.kube.paths import FACADE_CALLS, OPERATOR_CALLS
from moorage_crds.kube.session import connect


@pytest.fixture(params=["in memory", pytest.param("real", marks=pytest.mark.cluster)])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A workspace in each of the two."""
    if request.param == "in memory":
        yield _in_memory()
        return
    cluster: LiveCluster = request.getfixturevalue("cluster")
    workspaces: Workspaces = request.getfixturevalue("workspace")
    # One that an earlier test left running would write statuses, and with them versions, between two calls.
    operators: Operators = request.getfixturevalue("_operators")
    operators.stop()
    here = workspaces()
    # Naming gates to pass needs a verb of its own.
    cluster.grant(here.namespace, "alice", "moorage-release-manager")
    calls = FACADE_CALLS | OPERATOR_CALLS
    async with (
        connect(cluster.underlying.admin_kubeconfig) as connection,
        Client(connection, calls=calls, field_manager="contract") as client,
    ):
        alice = client.store.as_caller(cluster.token("alice"))
        yield Place(client.store, alice, cluster.username("alice"), NamespaceName.parse(here.namespace))


def _in_memory() -> Place:
    cluster = FakeCluster(FixedClock(), stamps=True)
    cluster.put(builders.namespace("shop"))
    return Place(cluster, cluster.as_caller("alice"), "alice", NamespaceName.parse("shop"))
