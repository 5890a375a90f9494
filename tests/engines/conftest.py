"""Argo CD itself beside the cluster of the run. `make test-engines` asks for them; `make test` leaves them out."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml
from cluster import LiveCluster
from git_server import Repository, served
from gitops import EXAMPLES

from moorage_dev import binaries, children, modules
from moorage_dev.engines.argocd import ArgoCD
from moorage_dev.modules import Module


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


def _built(module: Module, pytestconfig: pytest.Config) -> None:
    # The first time this takes minutes: let its progress be seen.
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        binaries.build(module)


@contextmanager
def _running(engine: ArgoCD) -> Iterator[None]:
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
        engine = getattr(item, "funcargs", {}).get("argocd")
        for log in engine.logs() if engine is not None else []:
            report.sections.append((f"end of {log}", children.tail(log, 40)))
    return report
