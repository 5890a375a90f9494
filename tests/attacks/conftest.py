"""Fixtures of the attacks, and their figures at the end of the run."""

from collections.abc import Callable, Iterator

import pytest
from api_server_proxy import ApiServerProxy
from cluster import LiveCluster

_FIGURES = pytest.StashKey[list[str]]()

Figures = Callable[[str], None]


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Takes one line of figures of a suite; all lines are printed at the end of the run."""
    lines = request.config.stash.setdefault(_FIGURES, [])

    def add(line: str) -> None:
        lines.append(f"{request.node.name}: {line}")

    return add


@pytest.fixture
def proxy(cluster: LiveCluster) -> Iterator[ApiServerProxy]:
    """A proxy in front of the shared API server; give a facade its `settings`."""
    made = ApiServerProxy(cluster.endpoint)
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The figures of all suites that ran."""
    lines = config.stash.get(_FIGURES, [])
    if lines:
        terminalreporter.section("figures of the attacks")
        for line in lines:
            terminalreporter.write_line(line)
