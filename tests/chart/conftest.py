"""A control plane of the chart's own: installing and removing CRDs and policies would disturb all other tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helm import Helm

from moorage_dev import binaries, clusters
from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.rest_client import RestClient

NAMESPACE = "moorage-system"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


@pytest.fixture(scope="session")
def chart_cluster(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[BuiltCluster]:
    """An API server with nothing of ours in it but an empty Namespace under restricted pod security."""
    folder = tmp_path_factory.mktemp("chart")
    if not isinstance(clusters.choose(folder), BuiltCluster):
        pytest.skip("NOT RUN: the chart is installed and removed again only on a control plane that is built here")
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        binaries.control_plane()
        binaries.cli("helm")
    cluster = BuiltCluster(folder / "cluster")
    cluster.start()
    try:
        cluster.finish()
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": RESTRICTED}}
        cluster.admin().apply(namespace)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def api(chart_cluster: BuiltCluster) -> Iterator[RestClient]:
    """Raw access to that API server."""
    client = RestClient(chart_cluster.endpoint.server, chart_cluster.endpoint.ca)
    yield client
    client.close()


@pytest.fixture(scope="session")
def helm(chart_cluster: BuiltCluster) -> Helm:
    """Helm as administrator of that cluster."""
    return Helm(chart_cluster.folder / "helm", chart_cluster.admin_kubeconfig)


@pytest.fixture(scope="session")
def renderer(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Helm:
    """Helm without a cluster."""
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        binaries.cli("helm")
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def data() -> Path:
    """Files of these tests."""
    return Path(__file__).parent / "data"
