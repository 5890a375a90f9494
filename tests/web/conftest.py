"""The browser and the built page for all tests of this folder that need them."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cluster import LiveCluster, Workspace
from governance import MEMBERS_WITH_RULES
from journeys import Journey
from services import Facade, Facades

from moorage_dev import browser, page, patience
from moorage_dev.failures import DevError

PEOPLE = ("alice", "bob", "viewer", *MEMBERS_WITH_RULES)
#: A line of a journey that asks the test to do something: `> NAME`.
_ASKS = re.compile(r"^> (.+)$")


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


def _follow(running: subprocess.Popen[str], said: list[str], deeds: Mapping[str, Callable[[], object]]) -> None:
    """Keep what a journey says, and do what it asks for."""
    assert running.stdin is not None
    assert running.stdout is not None
    for line in running.stdout:
        said.append(line)
        asked = _ASKS.match(line)
        if asked is not None:
            deeds[asked[1]]()
            running.stdin.write("done\n")
            running.stdin.flush()


@pytest.fixture
def journey(chromium: Path, cluster: LiveCluster, facade: Facade, tmp_path: Path) -> Journey:
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
        said: list[str] = []
        with subprocess.Popen(
            [page.tools().program, "journeys/run.mjs", name],
            cwd=page.WEB,
            env={**page.tools().environment(), "MOORAGE_JOURNEY": json.dumps(given)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as running:
            try:
                _follow(running, said, deeds or {})
            except BaseException:
                # It would wait for the deed for ever.
                running.kill()
                raise
        assert running.returncode == 0, f"{''.join(said)}\nscreenshots: {tmp_path}"

    return run
