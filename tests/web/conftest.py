"""The browser and the built page for all tests of this folder that need them."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from cluster import LiveCluster, Workspace
from governance import MEMBERS_WITH_RULES
from journeys import Journey
from services import Facade, Facades

from moorage_dev import browser, page, patience
from moorage_dev.failures import DevError

PEOPLE = ("alice", "bob", "viewer", *MEMBERS_WITH_RULES)
#: A line of a journey that asks the test to do something: `> NAME`; and its last one.
_ASKS = re.compile(r"^> (.+)$")
_ENDS = re.compile(r"^= (passed|failed)$")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser; skips loudly where there is none."""
    try:
        return browser.find_browser()
    except DevError as error:
        pytest.skip(f"NOT RUN: {error}")


@pytest.fixture(scope="session")
def built_page() -> Path:
    """The folder of the built page. Must be there before the facade starts."""
    page.build()
    return page.DIST


@pytest.fixture(scope="session")
def _begun_without_the_page(built_page: Path, _facades: Facades) -> None:
    """A facade that other tests have started before the page was built serves none: stop it."""
    _facades.stop()


@pytest.fixture
def facade(_begun_without_the_page: None, facades: Facades) -> Facade:
    """The shared facade, with the page."""
    return facades.ensure()


class _Runner:
    """One browser, which runs journeys one after the other."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def run(self, given: Mapping[str, object], deeds: Mapping[str, Callable[[], object]]) -> tuple[bool, str]:
        """Run a journey; whether it passed, and what it said."""
        child = self._started()
        said: list[str] = []
        try:
            _tell(child, json.dumps(given))
            passed = _follow(child, said, deeds)
        except BaseException:
            # It would wait for the deed without end, and nobody would know where it is.
            self.stop()
            raise
        return passed, "".join(said)

    def stop(self) -> None:
        """End it, and the browser with it."""
        if self._child is not None:
            assert self._child.stdin is not None
            self._child.stdin.close()
            try:
                self._child.wait(timeout=10 * patience.factor())
            except subprocess.TimeoutExpired:
                self._child.kill()
            self._child.wait()
            assert self._child.stdout is not None
            self._child.stdout.close()
            self._child = None

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                [page.tools().program, "journeys/run.mjs"],
                cwd=page.WEB,
                env=page.tools().environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        return self._child


def _tell(child: subprocess.Popen[str], line: str) -> None:
    assert child.stdin is not None
    child.stdin.write(f"{line}\n")
    child.stdin.flush()


def _follow(child: subprocess.Popen[str], said: list[str], deeds: Mapping[str, Callable[[], object]]) -> bool:
    """Keep what a journey says, and do what it asks for, until it says how it ended."""
    assert child.stdout is not None
    for line in child.stdout:
        ended = _ENDS.match(line)
        if ended is not None:
            return ended[1] == "passed"
        said.append(line)
        asked = _ASKS.match(line)
        if asked is not None:
            deeds[asked[1]]()
            _tell(child, "done")
    return False


@pytest.fixture(scope="session")
def _runner() -> Iterator[_Runner]:
    runner = _Runner()
    yield runner
    runner.stop()


@pytest.fixture
def journey(chromium: Path, cluster: LiveCluster, facade: Facade, _runner: _Runner, tmp_path: Path) -> Journey:
    """Runs a journey of `web/journeys` in a workspace; fails with what the browser saw.

    What a journey asks for (`> NAME` on its output) is done by the entry of that name in `deeds`.
    """

    def run(
        name: str,
        workspace: Workspace,
        more: Mapping[str, object],
        deeds: Mapping[str, Callable[[], object]] | None = None,
    ) -> None:
        given = {
            "journey": name,
            "url": facade.service.url,
            "org": workspace.org,
            "workspace": workspace.name,
            "tokens": {person: cluster.token(person) for person in PEOPLE},
            "chromium": str(chromium),
            "screenshots": str(tmp_path),
            # Milliseconds for each thing that a journey waits for.
            "patience": 15_000 * patience.factor(),
            **more,
        }
        passed, said = _runner.run(given, deeds or {})
        assert passed, f"{said}\nscreenshots: {tmp_path}"
        log = facade.service.child.log.read_text(encoding="utf-8")
        assert not any(cluster.token(person) in log for person in PEOPLE), "a token is in the log of the facade"

    return run
