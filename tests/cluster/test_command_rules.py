"""Commands that pass gates, on a real cluster: the same by every way."""

from functools import partial

import pytest
from cluster import Workspace, Workspaces
from terminals import END, MANAGER, MEMBERS, WAYS, Terminal, Terminals, answered, parts, terminals
from waiting import eventually

from moorage_cli.people.model import Exit
from moorage_dev.processes import Service
from moorage_dev.rest_client import MERGE_PATCH as PATCH

#: Makes the terminal of a user for one way.
terminal = pytest.fixture(terminals, name="terminal")


def _is_known(space: Workspace, releases: list[str]) -> bool:
    """Whether the evidence says that these releases of web were in production."""
    status = (space.get("deployments", "production.web") or {}).get("status") or {}
    return (status.get("evidence") or {}).get("known") == releases


def overridden(deployer: Terminal, manager: Terminal) -> list[object]:
    """A release that a Freeze and a promotion rule refuse, and who may pass them."""
    for app in ("web", "api"):
        assert deployer("deploy", "staging", app, "2")[0] == Exit.DONE
    frozen = ("--until", END, "-e", "production", "--app", "web")
    assert manager("freeze", "sale", "-m", "black friday", *frozen)[0] == Exit.DONE
    asked = ("deploy", "production", "web", "9")
    # Of two policies that refuse, the API server tells of either: each is asked about by itself.
    eventually(lambda: "black friday" in manager(*asked, "--override", "x", "--gate", "promotion", "--dry-run")[2])
    eventually(lambda: "promotion" in manager(*asked, "--override", "x", "--gate", "freeze/sale", "--dry-run")[2])
    passed = (*asked, "--override", "outage 4711")
    told = ("environment", "app", "release", "override", "dry_run")
    seen: list[object] = [
        deployer(*asked)[0],
        deployer(*passed),
        manager(*asked, "--override", "x", "--gate", "freeze/sale")[0],
        manager(*asked, "--gate", "freeze/sale"),
        manager(*asked, "-m", "x", "--override", "y"),
        manager(*asked, "--override", "x", "--gate", "lock"),
        answered(manager(*passed, "--dry-run", "-o", "json"), *told),
        answered(manager(*passed, "-o", "json"), *told),
        answered(manager("undo", "production", "web", "--yes", "--override", "worse", "-o", "json"), *told),
        answered(manager("undeploy", "production", "web", "--yes", "--override", "gone", "-o", "json"), *told),
        answered(manager("promote", "production", "--override", "all", "-o", "json"), "app", "promoted", "override"),
    ]
    lines = manager.rows("history", "production", "web")
    return [*seen, parts(lines, "action", "release", "reason", "override", "by")]


def test_gates_are_passed_by_who_may_and_the_history_says_so_by_every_way(
    operator: Service, workspace: Workspaces, terminal: Terminals
) -> None:
    seen = {}
    for way in WAYS:
        space = workspace("staging", "production", members=MEMBERS)
        space.create_deployment("production", "web", "1", user="alice")
        rule = {"spec": {"promotion": {"from": "staging", "soak": "100h"}}}
        protected = space.cluster.raw("PATCH", space.path("environments", "production"), body=rule, content_type=PATCH)
        assert protected.status == 200, protected.body
        # The way back to what was there is known from then on.
        eventually(partial(_is_known, space, ["1"]))
        seen[way] = overridden(terminal(way, space), terminal(way, space, MANAGER))

    assert seen["certificate"] == seen["token"] == seen["rest"]
    found = seen["rest"]
    assert found[0] == Exit.REFUSED
    assert found[1] == (Exit.NO_RIGHT, "", "moorage deploy: you may not override environments there\n")
    assert found[2] == Exit.REFUSED
    assert [one[0] for one in found[3:6]] == [Exit.USAGE] * 3  # type: ignore[index]
    both = ["freeze/sale", "promotion"]
    assert found[7] == (0, [("production", "web", "9", both, False)], "")
    assert [one[:2] for one in found[8:11]] == [  # type: ignore[index]
        (0, [("production", "web", "1", ["freeze/sale"], False)]),
        (0, [("production", "web", None, ["freeze/sale"], False)]),
        (0, [("api", True, ["promotion"]), ("web", True, both)]),
    ]
    assert found[11] == [
        ("deploy", "2", "all", both, MANAGER),
        ("undeploy", None, "gone", ["freeze/sale"], MANAGER),
        ("rollback", "1", "worse", ["freeze/sale"], MANAGER),
        ("deploy", "9", "outage 4711", both, MANAGER),
        ("deploy", "1", None, [], "alice"),
    ]
