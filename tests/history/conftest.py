"""A cluster of a module's own, for tests that tamper or take policies away."""

from collections.abc import Iterator

import pytest
from cluster import LiveCluster

from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.control_plane import ControlPlane
from moorage_dev.installation import install


@pytest.fixture(scope="module")
def own_cluster(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    """A second control plane with Moorage installed; only where the shared one is of the same kind."""
    folder = tmp_path_factory.mktemp("own")
    built = BuiltCluster(folder / "cluster")
    built.start()
    try:
        install(built)
        live = LiveCluster(built, folder)
        yield live
        live.client.close()
    finally:
        built.stop()
