"""Fixtures of all tests. What needs a real cluster is marked `cluster` by itself, and shares one cluster in a run."""

import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from cluster import Facade, Facades, LiveCluster, Operators, Workspaces

from moorage_dev import binaries, children, clusters
from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.control_plane import ControlPlane
from moorage_dev.installation import install
from moorage_dev.processes import Service


def pytest_configure() -> None:
    """SIGTERM ends a run like Ctrl-C: a control plane must not outlive the tests."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes one line of figures of a suite; all lines are printed at the end of the run."""
    lines = request.config.stash.setdefault(_FIGURES, [])

    def add(line: str) -> None:
        lines.append(f"{request.node.name}: {line}")

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The figures of all suites that ran."""
    lines = config.stash.get(_FIGURES, [])
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what uses the cluster, and leave campaigns out unless somebody asks for them with -m."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()) or "/tests/cluster/" in item.path.as_posix():
            item.add_marker(pytest.mark.cluster)
    if "campaign" not in config.option.markexpr:
        campaigns = [item for item in items if item.get_closest_marker("campaign")]
        items[:] = [item for item in items if not item.get_closest_marker("campaign")]
        config.hook.pytest_deselected(items=campaigns)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[LiveCluster]:
    """The cluster of this test run, with CRDs, policies, roles and accounts installed; no operator, no facade yet."""
    folder = tmp_path_factory.mktemp("cluster")
    chosen = clusters.choose(folder / "cluster")
    if isinstance(chosen, BuiltCluster):
        # The first time this takes minutes: let its progress be seen.
        with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            binaries.control_plane()
    chosen.start()
    try:
        install(chosen)
        live = LiveCluster(chosen, folder)
        yield live
        live.client.close()
    finally:
        chosen.stop()


@pytest.fixture(scope="session")
def control_plane(cluster: LiveCluster) -> ControlPlane:
    """The processes of the cluster, to kill and to tamper with; skips where they are not ours."""
    return cluster.control_plane


@pytest.fixture(scope="module")
def own_cluster(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    """A second cluster, of one module alone, to kill and to tamper with; only where the shared one is of that kind."""
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


@pytest.fixture(scope="session")
def _operators(cluster: LiveCluster) -> Iterator[Operators]:
    started = Operators(cluster)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def _facades(cluster: LiveCluster) -> Iterator[Facades]:
    started = Facades(cluster)
    yield started
    started.stop()


@pytest.fixture
def operators(_operators: Operators) -> Iterator[Operators]:
    """Start, stop and kill operators; those that `start` made are stopped after the test."""
    yield _operators
    _operators.clean()


@pytest.fixture
def operator(operators: Operators) -> Service:
    """One shared operator that runs and is ready."""
    return operators.ensure()[0]


@pytest.fixture
def no_operator(operators: Operators) -> Operators:
    """No operator runs; `ensure` or `start` changes that."""
    operators.stop()
    return operators


@pytest.fixture
def facades(_facades: Facades) -> Iterator[Facades]:
    """Start facades with settings of their own; they are stopped after the test."""
    yield _facades
    _facades.clean()


@pytest.fixture
def facade(facades: Facades) -> Facade:
    """The shared facade; it runs and is ready."""
    return facades.ensure()


@pytest.fixture
def workspace(cluster: LiveCluster) -> Iterator[Workspaces]:
    """A factory of fresh workspaces, each a Namespace with members."""
    made = Workspaces(cluster)
    yield made
    made.clean()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show the end of the logs of operator and facade with a test that failed."""
    report = yield
    if report.failed:
        for fixture in ("operators", "facades"):
            for service in _services(getattr(item, "funcargs", {}).get(fixture)):
                report.sections.append((f"end of {service.child.log}", children.tail(service.child.log)))
    return report


def _services(started: object) -> list[Service]:
    if isinstance(started, Operators):
        return [*started.shared, *started.own]
    if isinstance(started, Facades):
        return [facade.service for facade in (started.shared, *started.own) if facade is not None]
    return []
