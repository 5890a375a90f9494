"""Fixtures of the attacks."""

from collections.abc import Iterator

import pytest
from api_server_proxy import ApiServerProxy
from cluster import LiveCluster


@pytest.fixture
def proxy(cluster: LiveCluster) -> Iterator[ApiServerProxy]:
    """A proxy in front of the shared API server; give a facade its `settings`."""
    made = ApiServerProxy(cluster.endpoint)
    yield made
    made.close()
