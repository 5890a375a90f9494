"""Fixtures of all tests. What needs a real cluster is marked `cluster` by itself, and shares one cluster in a run."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import durations
import hypothesis
import lanes
import preloaded
import pytest
from cluster import LiveCluster, Workspaces
from services import Facade, Facades, Operators
from xdist.remote import Producer

from moorage_dev import binaries, children, clusters
from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.control_plane import ControlPlane
from moorage_dev.installation import install
from moorage_dev.processes import Service

# How long an example takes is a matter of the machine, and no reason to fail.
hypothesis.settings.register_profile("moorage", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("moorage")


def pytest_configure() -> None:
    """SIGTERM ends a run like Ctrl-C: a control plane must not outlive the tests."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    # API servers live for minutes here and have memory enough: collecting garbage was a sixth of their CPU.
    os.environ.setdefault("GOGC", "400")
    lanes.be_patient()


def pytest_keyboard_interrupt() -> None:
    """From here on what was started is being stopped."""
    lanes.ending.set()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """So it is after the last test."""
    if nextitem is None:
        lanes.ending.set()


#: Markers of tests that are not part of `make test`.
_ONLY_BY_NAME = ("campaign", "engines")
#: Number of slow tests that are named at the end of a run.
SLOWEST = 25
#: What a line of figures is called among the properties of a test, which come along from another process.
_FIGURE = "figure"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Files that a run leaves for what comes after it: tests/chart/test_rights.py, and the table of `make test`."""
    parser.addoption("--audit-logs", type=Path, metavar="FOLDER", help="keep the audit logs of this run, or read them")
    parser.addoption("--times", type=Path, metavar="FILE", help="write how long each lane and each folder took")


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes one line of figures of a suite; all lines are printed at the end of the run."""

    def add(line: str) -> None:
        request.node.user_properties.append((_FIGURE, f"{request.node.name}: {line}"))

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures of all suites that ran, and how long each part of the run took."""
    reports = [each for group in terminalreporter.stats.values() for each in group if hasattr(each, "duration")]
    calls = [report for report in reports if report.when == "call"]
    found = [value for report in calls for name, value in report.user_properties if name == _FIGURE]
    _section(terminalreporter, "figures", found)
    _section(terminalreporter, "slowest tests", durations.slowest(reports, SLOWEST))
    times = [*durations.lanes(reports), *durations.lines(reports)]
    _section(terminalreporter, "time by lane and folder (minutes:seconds)", times)
    kept: Path | None = terminalreporter.config.getoption("times")
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text("".join(f"{line}\n" for line in times), encoding="utf-8")


def _section(terminalreporter: pytest.TerminalReporter, title: str, lines: list[str]) -> None:
    if lines:
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what uses the cluster, and leave out what runs only when somebody asks for it with -m."""
    for item in items:
        _give_time(item)
        if "cluster" in getattr(item, "fixturenames", ()) or "/tests/cluster/" in item.path.as_posix():
            item.add_marker(pytest.mark.cluster)
    for marker in _ONLY_BY_NAME:
        if marker not in config.option.markexpr:
            left_out = [item for item in items if item.get_closest_marker(marker)]
            items[:] = [item for item in items if not item.get_closest_marker(marker)]
            config.hook.pytest_deselected(items=left_out)
    items.sort(key=lambda item: lanes.turn(item.nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> lanes.Lanes | None:
    """What stays together in a lane, where tests are handed out by scope."""
    return lanes.Lanes(config, log) if config.getvalue("dist") == "loadscope" else None


def _give_time(item: pytest.Item) -> None:
    """Bounds of single tests are those of an idle machine, and end nothing but hangs."""
    if marker := item.get_closest_marker("timeout"):
        item.add_marker(pytest.mark.timeout(4 * marker.args[0]), append=False)


@pytest.fixture(scope="session", autouse=True)
def _ended_with_the_run() -> Iterator[None]:
    yield
    preloaded.close()


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
        kept: Path | None = pytestconfig.getoption("audit_logs")
        if kept is not None and chosen.audit_log is not None:
            lanes.keep(chosen.audit_log, kept)
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
def workspace(cluster: LiveCluster, _facades: Facades) -> Iterator[Workspaces]:
    """A factory of fresh workspaces, each a Namespace with members; the shared facade knows them if it runs."""
    made = Workspaces(cluster, _facades.hear)
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
