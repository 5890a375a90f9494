"""Fixtures of the attacks."""

import gc
import warnings
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A connection that an attack tore is closed by the garbage collector, whenever that comes: shown, not failed."""
    for item in items:
        if "/tests/attacks/" in item.path.as_posix():
            item.add_marker(pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="module", autouse=True)
def _torn_connections() -> Iterator[None]:
    """What an attack tore is gone before the tests of others begin."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
