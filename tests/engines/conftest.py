"""Argo CD, Flux, Argo Rollouts, cert-manager, Traefik and Prometheus themselves beside a cluster.

`make test-engines` asks for them; `make test` leaves them out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_server_proxy import ApiServerProxy
from cluster import LiveCluster
from git_server import Repository, served
from gitops import EXAMPLES
from helm import Helm
from nodes import build_programs, load_image, running
from pods import Installation
from services import Facade, Facades, Operators

from moorage_dev import binaries, buildah, children, modules, page
from moorage_dev.docker import base_image
from moorage_dev.docker import engine as docker_engine
from moorage_dev.engines.argocd import ArgoCD
from moorage_dev.engines.cert_manager import CertManager
from moorage_dev.engines.flux import Flux, FluxOperator
from moorage_dev.engines.prometheus import Prometheus
from moorage_dev.engines.rollouts import ArgoRollouts
from moorage_dev.engines.traefik import Traefik
from moorage_dev.modules import Module
from moorage_dev.node.cluster import NodeCluster

_Engine = ArgoCD | Flux | FluxOperator | ArgoRollouts | CertManager | Traefik | Prometheus
#: Fixtures whose logs are shown with a test that failed.
_ENGINES = ("argocd", "flux", "flux_operator", "argo_rollouts", "cert_manager", "traefik", "prometheus")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder."""
    for item in items:
        if "/tests/engines/" in item.path.as_posix():
            item.add_marker(pytest.mark.engines)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A Git repository over HTTP."""
    with served(tmp_path_factory.mktemp("git")) as repository:
        yield repository


@pytest.fixture(scope="session")
def argocd(
    cluster: LiveCluster, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[ArgoCD]:
    """Argo CD with the settings of examples/argocd."""
    _built(modules.ARGOCD, pytestconfig)
    settings = yaml.safe_load((EXAMPLES / "argocd/argocd-cm.yaml").read_text(encoding="utf-8"))["data"]
    engine = ArgoCD(cluster.underlying, tmp_path_factory.mktemp("argocd") / "files", settings)
    with _running(engine):
        yield engine


@pytest.fixture(scope="session")
def flux(cluster: LiveCluster, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Flux]:
    """The controllers of Flux."""
    _built(modules.FLUX, pytestconfig)
    engine = Flux(cluster.underlying, tmp_path_factory.mktemp("flux") / "files")
    with _running(engine):
        yield engine


@pytest.fixture(scope="session")
def flux_operator(
    flux: Flux, cluster: LiveCluster, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[FluxOperator]:
    """flux-operator beside Flux."""
    assert flux.logs()
    _built(modules.FLUX_OPERATOR, pytestconfig)
    engine = FluxOperator(cluster.underlying, tmp_path_factory.mktemp("flux-operator") / "files")
    with _running(engine):
        yield engine


@pytest.fixture(scope="session")
def node_cluster(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[NodeCluster]:
    """A cluster of its own with a real node: what rolls needs pods."""
    build_programs(tmp_path_factory.getbasetemp(), pytestconfig)
    with running(tmp_path_factory.mktemp("node") / "cluster") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def argo_rollouts(
    node_cluster: NodeCluster, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[ArgoRollouts]:
    """The controller of Rollouts, in the cluster with a node."""
    _built(modules.ROLLOUTS, pytestconfig)
    engine = ArgoRollouts(node_cluster, tmp_path_factory.mktemp("argo-rollouts") / "files")
    with _running(engine):
        yield engine


@pytest.fixture(scope="session")
def cert_manager(
    cluster: LiveCluster, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[CertManager]:
    """The controller of Certificates."""
    _built(modules.CERT_MANAGER, pytestconfig)
    engine = CertManager(cluster.underlying, tmp_path_factory.mktemp("cert-manager") / "files")
    with _running(engine):
        yield engine


@pytest.fixture(scope="session")
def traefik(
    node_cluster: NodeCluster, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Traefik]:
    """Traefik in the network of the node."""
    _built(modules.TRAEFIK, pytestconfig)
    engine = Traefik(node_cluster, tmp_path_factory.mktemp("traefik") / "files")
    with _running(engine):
        yield engine


@pytest.fixture(scope="session")
def alert_groups(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> list[dict[str, Any]]:
    """The groups of the PrometheusRule that the chart makes; Prometheus and promtool are built."""
    _built(modules.PROMETHEUS, pytestconfig)
    binaries.cli("helm")
    made = Helm(tmp_path_factory.mktemp("helm")).template(values={"metrics": {"prometheusRule": {"enabled": True}}})
    [rule] = [one for one in made if one["kind"] == "PrometheusRule"]
    return list(rule["spec"]["groups"])


@pytest.fixture
def prometheus(
    alert_groups: list[dict[str, Any]], no_operator: Operators, facades: Facades, tmp_path: Path
) -> Iterator[Prometheus]:
    """Prometheus, which reads an operator and a facade of its own; the operator sweeps as often as it may."""
    operator = no_operator.start({"MOORAGE_SWEEP_INTERVAL_SECONDS": "10"})
    urls = {"operator-0": operator.metrics_url, "api-0": facades.start().service.metrics_url}
    targets = {pod: url.removeprefix("http://").removesuffix("/metrics") for pod, url in urls.items()}
    engine = Prometheus(tmp_path / "prometheus", alert_groups, targets)
    with _running(engine):
        yield engine


@pytest.fixture(scope="session")
def chart(node_cluster: NodeCluster, pytestconfig: pytest.Config) -> Installation:
    """The chart, not installed, with an image that the node has."""
    image = load_image(node_cluster, pytestconfig)
    helm = Helm(node_cluster.folder / "helm", node_cluster.admin_kubeconfig, timeout=240)
    return Installation(node_cluster, helm, image, node_cluster.folder)


@pytest.fixture
def proxied(cluster: LiveCluster, facades: Facades) -> Iterator[tuple[ApiServerProxy, Facade]]:
    """A facade whose way to the API server can be cut; its answers for tools are at most 5 seconds old."""
    proxy = ApiServerProxy(cluster.endpoint)
    yield proxy, facades.start(proxy.settings(cluster) | {"MOORAGE_MAX_INPUT_STALENESS_SECONDS": "5"})
    facades.clean()
    proxy.close()


def _built(module: Module, pytestconfig: pytest.Config) -> None:
    # The first time this takes minutes: let its progress be seen.
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        binaries.build(module)


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[docker_engine.Engine]:
    """An engine with the base of our image."""
    folder = tmp_path_factory.mktemp("docker") / "engine"
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        if reason := docker_engine.why_not(folder) or buildah.why_not():
            pytest.skip(f"NOT RUN: no Docker engine can run here: {reason}")
        page.build()
        running = docker_engine.Engine(folder)
        running.start()
    try:
        base_image.load(running)
        yield running
    finally:
        running.stop()


@contextmanager
def _running(
    engine: ArgoCD | Flux | FluxOperator | ArgoRollouts | CertManager | Traefik | Prometheus,
) -> Iterator[None]:
    try:
        engine.start()
        yield
    finally:
        engine.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show the end of the logs of the engines with a test that failed."""
    report = yield
    if report.failed:
        used = getattr(item, "funcargs", {})
        for engine in (used[name] for name in _ENGINES if name in used):
            for log in engine.logs():
                report.sections.append((f"end of {log}", children.tail(log, 40)))
    return report
