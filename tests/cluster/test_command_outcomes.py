"""Commands about rules and about what becomes of a release, on a real cluster: the same by every way."""

from collections.abc import Iterator

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from following import Web, following
from services import Operators
from terminals import END, WAYS, Terminal, Terminals, answered, parts, terminals
from waiting import eventually, eventually_passes

from moorage_cli.people.model import Exit
from moorage_dev.processes import Service

#: Makes the terminal of a user for one way.
terminal = pytest.fixture(terminals, name="terminal")


def locked(alice: Terminal, bob: Terminal) -> list[object]:
    """A lock that ends by itself, and somebody else who takes it over."""
    asked = ("lock", "staging", "-m", "mine now")
    seen: list[object] = [
        alice("lock", "staging", "-m", "stocktaking", "--until", END, "--dry-run"),
        alice("lock", "staging", "-m", "stocktaking", "--until", END),
        alice("lock", "staging", "-m", "stocktaking", "--until", "2001-01-01"),
    ]
    eventually_passes(lambda: _equal(bob(*asked)[0], Exit.REFUSED))
    seen += [bob(*asked), alice.rows("environments"), bob(*asked, "--take-over"), alice.rows("environments")]
    return [*seen, bob("unlock", "staging")]


def _equal(found: object, expected: object) -> None:
    assert found == expected


def test_a_lock_ends_and_is_taken_over_by_every_way(workspace: Workspaces, terminal: Terminals) -> None:
    seen = {}
    for way in WAYS:
        space = workspace("staging", members=dict.fromkeys(("alice", "bob"), "moorage-edit"))
        seen[way] = locked(terminal(way, space), terminal(way, space, "bob"))

    assert seen["certificate"] == seen["token"] == seen["rest"]
    dry, made, wrong, refused, before, taken, after, gone = seen["rest"]
    assert [one[0] for one in (dry, made, wrong, refused, taken, gone)] == [0, 0, 2, 5, 0, 0]  # type: ignore[index]
    assert "locked until 2999-01-01T00:00:00Z" in made[1]  # type: ignore[index]
    assert "was set by alice" in refused[2]  # type: ignore[index]
    keys = ("locked_by", "lock_reason", "locked_until")
    assert parts(before, *keys) == [("alice", "stocktaking", END)]  # type: ignore[arg-type]
    assert parts(after, *keys) == [("bob", "mine now", None)]  # type: ignore[arg-type]


@pytest.fixture
def followed(no_operator: Operators, cluster: LiveCluster) -> Iterator[None]:
    """An operator that follows workloads."""
    with following(no_operator, cluster, ["deployments.apps"]):
        yield


def became(run: Terminal, web: Web) -> list[object]:
    """A release that is healthy, one that fails, one that nobody brings, and an app that nothing follows."""
    told = ("app", "release", "rollout")
    web.carry("v1")
    web.arrive()
    waiting = ("--wait", "healthy", "-o", "json")
    seen: list[object] = [answered(run("deploy", "production", "web", "v1", *waiting), *told)]
    seen += [run("wait", "production", "web", "--for", "healthy"), run.rows("get", "production", "web")]
    web.carry("v2")
    web.fail()
    seen.append(answered(run("deploy", "production", "web", "v2", *waiting), *told))
    code, _, err = run("undo", "production", "web", "--to", "v1", "--timeout", "0", *waiting)
    # What is missing depends on how far the operator has come.
    seen.append((code, err.partition(" s: ")[0]))
    seen.append(answered(run("deploy", "production", "alone", "1", *waiting), *told))
    seen.append(answered(run("deploy", "production", "alone", "2", "--wait", "recorded", "-o", "json"), *told))
    run("deploy", "staging", "web", "v1")
    web.carry("v1")
    web.arrive()
    run("deploy", "staging", "web", "v3")
    web.carry("v3")
    web.arrive()
    promoted = run("promote", "production", "--from", "staging", *waiting)
    seen.append(answered(promoted, "app", "release", "promoted", "rollout"))
    lines = parts(run.rows("history", "production", "web"), "release", "outcome")
    return [*seen, [one for one in lines if one[0] != "v1"]]


def test_a_change_waits_for_what_becomes_of_it_by_every_way(
    followed: None, workspace: Workspaces, terminal: Terminals
) -> None:
    seen = {}
    for way in WAYS:
        space = workspace("production", "staging")
        seen[way] = became(terminal(way, space), Web(space, release="none"))

    assert seen["certificate"] == seen["token"] == seen["rest"]
    healthy, waited, got, failed, late, alone, recorded, promoted, history = seen["rest"]
    assert healthy == (0, [("web", "v1", "Healthy")], "")
    assert waited == (0, "", "")
    assert got[0]["rollout"] == "Healthy"  # type: ignore[index]
    assert failed[0] == Exit.TROUBLE  # type: ignore[index]
    assert "timed out" in failed[2]  # type: ignore[index]
    assert late == (Exit.TIMEOUT, "moorage undo: web in production is not healthy after 0")
    assert alone[0] == Exit.TROUBLE  # type: ignore[index]
    assert "no object follows alone 1 in production" in alone[2]  # type: ignore[index]
    assert recorded == (0, [("alone", "2", None)], "")
    assert promoted == (0, [("web", "v3", True, "Healthy")], "")
    assert history == [("v3", "healthy"), ("v2", "failed")]


def gone(run: Terminal, space: Workspace) -> list[object]:
    """The history of a workspace, and of an environment that is deleted."""
    for environment, release in (("qa", "1"), ("qa", "2"), ("staging", "1")):
        assert run("deploy", environment, "web", release, "--wait", "recorded")[0] == Exit.DONE
    deleted = space.cluster.kubectl("delete", "environments.moorage.dev", "qa", "-n", space.namespace)
    assert deleted.returncode == 0, deleted.stderr
    keys = ("environment", "app", "action", "release", "by")
    eventually(lambda: run("get", "qa")[0] == Exit.NOT_FOUND)
    eventually(lambda: "undeploy" in run("history", "qa", "-o", "json")[1])
    return [
        sorted(map(repr, parts(run.rows("history"), *keys))),
        len(run.rows("history", "--limit", "2")),
        parts(run.rows("history", "qa", "--by", "alice"), *keys),
        run.rows("history", "--since", "+1h"),
        run("history", "never")[0],
    ]


def test_the_history_is_the_one_of_the_workspace_by_every_way(
    operator: Service, workspace: Workspaces, terminal: Terminals
) -> None:
    seen = {}
    for way in WAYS:
        space = workspace("qa", "staging")
        seen[way] = gone(terminal(way, space), space)

    assert seen["certificate"] == seen["token"] == seen["rest"]
    everything, two, qa, later, never = seen["rest"]
    assert len(everything) >= 4  # type: ignore[arg-type]
    assert two == 2
    assert qa == [("qa", "web", "deploy", "2", "alice"), ("qa", "web", "deploy", "1", "alice")]
    assert later == []
    assert never == Exit.NOT_FOUND
