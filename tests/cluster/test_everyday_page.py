"""Every command in the table of docs/everyday.md, as it stands there, one after the other, by both ways."""

import re
import shlex
from collections.abc import Iterator

import pytest
from cluster import LiveCluster, Workspaces
from following import Web, following
from services import Operators
from terminals import Terminals, terminals
from waiting import eventually

from moorage_cli.people.model import Exit
from moorage_dev.layout import ROOT

#: Makes the terminal of a user for one way.
terminal = pytest.fixture(terminals, name="terminal")

MANAGER = "user-01"
#: Asks back on a terminal, and a test has none.
ASKS = {"undo": "--yes"}
#: There is no bob here.
NOTHING = ["history", "--by", "bob"]
#: Has a guide of its own, which is linked beside it.
ELSEWHERE = ("import",)


def commands() -> list[list[str]]:
    """The words of each command of the second column, from the top to the bottom."""
    page = (ROOT / "docs/everyday.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ") and " | `moorage " in line]
    found = [shlex.split(said) for row in rows for said in re.findall(r"`moorage ([^`]+)`", row[1])]
    return [words for words in found if words[0] not in ELSEWHERE]


@pytest.fixture
def followed(no_operator: Operators, cluster: LiveCluster) -> Iterator[None]:
    """An operator that follows workloads."""
    with following(no_operator, cluster, ["deployments.apps"]):
        yield


@pytest.mark.parametrize("way", ["token", "rest"])
def test_every_command_of_the_page_does_what_it_says(
    followed: None, workspace: Workspaces, terminal: Terminals, way: str
) -> None:
    space = workspace("staging", members={MANAGER: "moorage-release-manager"})
    space.create_environment("production", promotion={"from": "staging"})
    run = terminal(way, space, MANAGER)
    for environment in ("staging", "production"):
        web = Web(space, environment, binding=f"{environment}.web-shop", release="2.4.1")
        web.arrive()
    for release in ("2.4.0", "2.4.1"):
        done = run("deploy", "staging", "web-shop", release, "--wait", "recorded")
        assert done[0] == Exit.DONE, done
    assert run("freeze", "quiet", "-m", "audit", "--until", "+2h", "--app", "ledger")[0] == Exit.DONE
    # Something is in production already, so that the first questions have an answer.
    assert run("deploy", "staging", "search", "1", "--wait", "recorded")[0] == Exit.DONE
    # The evidence for a promotion comes with the next status.
    eventually(lambda: run("promote", "production", "search")[0] == Exit.DONE)
    eventually(lambda: run("promote", "production", "--dry-run")[0] == Exit.DONE)
    seen = []
    for verb, *words in commands():
        seen.append(verb)
        code, out, err = run(verb, *words, *([ASKS[verb]] if verb in ASKS else []))
        assert code == Exit.DONE, f"moorage {verb} {shlex.join(words)}: {code} {err}"
        if verb in {"get", "matrix", "history", "deploy", "promote", "freezes", "environments"}:
            assert (out, err) == ("", "nothing found\n") if [verb, *words] == NOTHING else out, [verb, *words]
        if verb == "promote":
            # A second release, so that there is one to go back to.
            assert run("deploy", "staging", "web-shop", "2.4.2")[0] == Exit.DONE
            assert run("promote", "production", "--override", "nothing refuses it")[0] == Exit.DONE
            assert run("deploy", "staging", "web-shop", "2.4.1")[0] == Exit.DONE
    assert {"get", "matrix", "history", "at", "diff", "undo", "explain", "lock", "approve", "wait", "status"} <= set(
        seen
    )
