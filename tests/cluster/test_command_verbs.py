"""Each verb by each way, on a real cluster: the same JSON, the same refusal, the same exit code, the same effect.

`test_command` tells longer stories; here no verb is forgotten (`spoken` lists them, and a unit test compares that list
with what is installed).
"""

import json
from typing import Any

import pytest
from cluster import Workspace, Workspaces
from spoken import BOTH_WAYS, Said
from terminals import OWN, WAYS, Terminal, Terminals, terminals

from moorage_cli.people.model import Exit
from moorage_dev.processes import Service

#: Makes the terminal of a user for one way.
terminal = pytest.fixture(terminals, name="terminal")

#: Differ from run to run: a name that is drawn, moments, and what a role lets its user look at.
DRAWN = {*OWN, "approval", "next_open", "next_close", "windows", "opens_at", "unseen"}
BINDINGS = (("staging", "web"), ("staging", "api"), ("production", "web"))
#: Who changes things, and who says yes to them.
MEMBERS = {"alice": "moorage-edit", "bob": "moorage-approver"}


def prepared(space: Workspace, alice: Terminal) -> None:
    """Two apps, a lock, a Freeze for an app that nobody deploys; everything is recorded."""
    space.create_environment("production", approvals={"required": 1}, enforcement="Warn")
    for words in (
        ("deploy", "staging", "web", "1", "-m", "first"),
        ("deploy", "staging", "web", "2"),
        ("deploy", "staging", "api", "7"),
        ("deploy", "production", "web", "1"),
        ("wait", "staging", "web"),
        ("wait", "staging", "api"),
        ("wait", "production", "web"),
        ("freeze", "sale", "-m", "black friday", "--until", "2999-01-01", "--app", "ledger"),
    ):
        assert alice(*words)[0] == Exit.DONE, words


def told(found: tuple[int, str, str], *, rows: bool) -> tuple[int, object, str]:
    """Exit code, answer, errors; without what differs from run to run."""
    code, out, err = found
    # By REST the facade looks at what the user of a kubeconfig may not read.
    said = "".join(line for line in err.splitlines(keepends=True) if not line.startswith("not looked at"))
    return code, _without_drawn(json.loads(out)) if rows and code == Exit.DONE else _without_moments(out), said


def _without_drawn(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_drawn(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_drawn(one) for key, one in value.items() if key not in DRAWN}
    return value


def _without_moments(text: str) -> str:
    before, begins, rest = text.partition(" from ")
    return before + (rest.partition(" until ")[2] if begins else "")


def spoken(verb: str, said: Said, space: Workspace, terminal: Terminals, way: str) -> list[object]:
    """What one user sees of a verb, and what alice sees afterwards."""
    alice, user = terminal(way, space), terminal(way, space, said.user)
    prepared(space, alice)
    if verb == "unlock":
        assert alice("lock", "staging", "-m", "stocktaking")[0] == Exit.DONE
    flags = ("-o", "json") if said.rows else ()
    seen: list[object] = [
        told(user(verb, *said.refused, *flags), rows=False),
        told(user(verb, *said.done, *flags), rows=said.rows),
    ]
    for binding in BINDINGS:
        alice("wait", *binding)
    # The changes of one second in several bindings come in the order of uids, which are drawn.
    for asked in (("get",), *(("history", *binding) for binding in BINDINGS), ("environments",), ("freezes",)):
        seen.append(told(alice(*asked, "-o", "json"), rows=True))
    return seen


@pytest.mark.parametrize("verb", BOTH_WAYS)
def test_a_verb_is_the_same_by_every_way(
    operator: Service, workspace: Workspaces, terminal: Terminals, verb: str
) -> None:
    said = BOTH_WAYS[verb]
    seen = {way: spoken(verb, said, workspace("staging", members=MEMBERS), terminal, way) for way in WAYS}

    assert seen["certificate"] == seen["token"] == seen["rest"]
    refused, done, *_ = seen["rest"]
    assert (refused[0], done[0]) == (said.code, Exit.DONE), (refused, done)  # type: ignore[index]
