"""A cluster of one real node for all tests of this folder; they are skipped, loudly, where none can run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helm import Helm
from nodes import build_programs, load_image, running
from pods import Installation

from moorage_dev.node.cluster import NodeCluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder."""
    for item in items:
        if "/tests/node/" in item.path.as_posix():
            item.add_marker(pytest.mark.node)


@pytest.fixture(scope="session")
def node_programs(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> None:
    """All programs of such a cluster are built; the first time this takes minutes, so its progress is seen."""
    build_programs(tmp_path_factory.getbasetemp(), pytestconfig)


@pytest.fixture(scope="session")
def node_cluster(node_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeCluster]:
    """A control plane and a Ready node, with nothing of ours in them."""
    with running(tmp_path_factory.mktemp("node") / "cluster") as cluster:
        yield cluster


@pytest.fixture
def own_node_cluster(node_programs: None, tmp_path: Path) -> Iterator[NodeCluster]:
    """Another one, of one test alone."""
    with running(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def image(node_cluster: NodeCluster, pytestconfig: pytest.Config) -> str:
    """Name of the image of this checkout, which the node has."""
    return load_image(node_cluster, pytestconfig)


@pytest.fixture(scope="session")
def _installed(node_cluster: NodeCluster, image: str) -> tuple[Installation, str]:
    folder = node_cluster.folder
    helm = Helm(folder / "helm", node_cluster.admin_kubeconfig, timeout=240)
    installation = Installation(node_cluster, helm, image, folder)
    return installation, installation.install()


@pytest.fixture(scope="session")
def release(_installed: tuple[Installation, str]) -> Installation:
    """The chart, installed with the values that it has by itself."""
    return _installed[0]


@pytest.fixture(scope="session")
def said_at_installation(_installed: tuple[Installation, str]) -> str:
    """What `helm install` printed."""
    return _installed[1]


@pytest.fixture(scope="session")
def _prepared(release: Installation) -> None:
    release.prepare_workspace()


@pytest.fixture
def workspace(release: Installation, _prepared: None) -> Installation:
    """The same, with a workspace to deploy into; all pods are there and Ready."""
    release.settled()
    return release
