"""A proxy that follows fault plans, closed after the test."""

from collections.abc import Iterator

import pytest
from cluster import LiveCluster
from fault_proxy import FaultProxy
from services import Operators


@pytest.fixture
def proxy(cluster: LiveCluster, no_operator: Operators) -> Iterator[FaultProxy]:
    """No other operator runs beside the one that goes through it, unless the test starts one."""
    made = FaultProxy(cluster.endpoint)
    yield made
    made.close()
