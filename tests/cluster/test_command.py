"""The commands of every day on a real cluster: three ways to log in, one answer, one refusal, one exit code."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cluster import LiveCluster, Workspaces
from services import Facade
from terminals import WAYS, Terminal, Terminals, terminals
from waiting import eventually

from moorage_cli.people.model import Exit
from moorage_dev import kubeconfigs
from moorage_dev.layout import ROOT
from moorage_dev.processes import Service

#: Makes the terminal of a user for one way.
terminal = pytest.fixture(terminals, name="terminal")


def day(run: Terminal) -> list[object]:
    """A day of alice; what she sees."""
    seen: list[object] = [
        run.rows("deploy", "staging", "web", "1", "-m", "first"),
        run.rows("deploy", "staging", "web", "2", "--expected", "1"),
        run.rows("deploy", "staging", "web", "3", "--dry-run"),
        run.rows("deploy", "staging", "api", "7", "-m", "=1+1"),
        run.rows("deploy", "production", "web", "1"),
        run.rows("matrix"),
        run.rows("diff", "staging", "production"),
        run.rows("undo", "staging", "web", "--yes", "-m", "errors"),
        run.rows("undeploy", "staging", "api", "--yes"),
        run.rows("deploy", "staging", "api", "8", "-m", "back again"),
        run("lock", "production", "-m", "stocktaking"),
        run.rows("environments"),
    ]
    # Policies hear of a new lock a moment later, where it was not made by REST.
    eventually(lambda: run("deploy", "production", "web", "2", "--dry-run")[0] == Exit.REFUSED)
    seen += [run("deploy", "production", "web", "2"), run("unlock", "production")]
    for app in ("web", "api"):
        seen.append(run("wait", "staging", app, "--timeout", "60"))
    seen += [run.rows("history", "staging", one) for one in ("web", "api")]
    seen.append(run("wait", "production", "web"))
    seen += [
        run.rows("get"),
        run.rows("get", "web"),
        run.rows("get", "staging", "api"),
        run.rows("at", "staging", "0s"),
        run.rows("at", "staging", "1h"),
    ]
    return seen


def refusals(run: Terminal) -> list[tuple[int, str]]:
    """What is not done, and how that is said."""
    asked = (
        ("deploy", "staging", "web", "9", "--expected", "0"),
        ("deploy", "staging", "web", "not a release"),
        ("deploy", "qa", "web", "1"),
        ("undeploy", "staging", "nothing", "--yes"),
        ("undo", "staging", "web", "--to", "never-there"),
        ("history", "qa"),
        ("get", "qa"),
        ("at", "qa", "1h"),
        ("diff", "staging", "qa"),
        ("lock", "qa", "-m", "x"),
        ("unlock", "staging"),
        ("wait", "staging", "nothing", "--timeout", "0"),
    )
    return [(code, err) for code, _, err in (run(*one) for one in asked)]


def test_a_day_is_the_same_day_by_every_way(operator: Service, workspace: Workspaces, terminal: Terminals) -> None:
    spaces = {way: workspace("production", "staging") for way in WAYS}
    seen = {way: day(terminal(way, space)) for way, space in spaces.items()}

    assert seen["certificate"] == seen["token"] == seen["rest"]
    history = seen["rest"][16]
    assert isinstance(history, list)
    assert [(one["action"], one["release"], one["reason"], one["by"]) for one in history] == [
        ("rollback", "1", "errors", "alice"),
        ("deploy", "2", None, "alice"),
        ("deploy", "1", "first", "alice"),
    ]


def test_a_refusal_is_the_same_refusal_by_every_way(workspace: Workspaces, terminal: Terminals) -> None:
    spaces = {way: workspace("production", "staging") for way in WAYS}
    seen = {}
    for way, space in spaces.items():
        space.create_deployment("staging", "web", "1", user="alice")
        run = terminal(way, space)
        # The facade hears of it a moment later.
        eventually(lambda run=run: [one["release"] for one in run.rows("get", "staging")] == ["1"])
        seen[way] = refusals(run)

    assert seen["certificate"] == seen["token"] == seen["rest"]
    assert [code for code, _ in seen["rest"]] == [6, 2, 3, 3, 6, 3, 3, 3, 3, 3, 3, 124]


def frozen(run: Terminal) -> list[object]:
    """A Freeze as it is made, explained, met and taken away; without moments, which differ."""
    seen: list[object] = [
        run("freeze", "sale", "-m", "black friday", "--from", "2026-01-01", "--until", "2999-01-01", "-e", "staging")
    ]
    # Policies hear of a new Freeze a moment later.
    eventually(lambda: run("deploy", "staging", "web", "2", "--dry-run")[0] == Exit.REFUSED)
    seen.append(run("deploy", "staging", "web", "2"))
    for asked in (("web", "2"), ("web", "1"), ("web",), ()):
        code, out, _ = run("explain", "staging", *asked, "-o", "json")
        found = json.loads(out)[0]
        seen += [code, {key: value for key, value in found.items() if key not in {"at", "unseen"}}]
    seen.append(run("explain", "production", "web", "2")[0])
    seen.append(run.rows("freezes"))
    seen += [run("unfreeze", "sale", "--yes"), run("unfreeze", "sale", "--yes")]
    return seen


def test_a_freeze_is_explained_and_refuses_by_every_way(workspace: Workspaces, terminal: Terminals) -> None:
    seen = {}
    for way in WAYS:
        space = workspace("production", "staging")
        space.create_deployment("staging", "web", "1", user="alice")
        seen[way] = frozen(terminal(way, space))

    assert seen["certificate"] == seen["token"] == seen["rest"]
    assert [one for one in seen["rest"] if isinstance(one, int)] == [5, 0, 5, 5, 0]


def _is_proven(run: Terminal) -> bool:
    """Whether the evidence is there that web 2 ran in staging; an approval is missing then, and nothing else."""
    _, out, _ = run("explain", "production", "web", "2", "-o", "json")
    verdicts = {gate["gate"]: gate["allowed"] for gate in json.loads(out)[0]["gates"]}
    return verdicts == {"promotion": True, "approvals": False}


def agreed(deployer: Terminal, approver: Terminal) -> list[object]:
    """A release that needs somebody else's yes, until it is where it should be; names of Approvals left out."""
    seen: list[object] = [
        deployer.rows("deploy", "staging", "web", "2"),
        deployer.rows("deploy", "staging", "api", "7"),
    ]
    asked = ("promote", "production", "web", "--dry-run")
    # Of two policies that refuse, the API server tells of either.
    eventually(lambda: _is_proven(deployer))
    eventually(lambda: deployer(*asked)[0] == Exit.REFUSED and "(gate promotion)" not in deployer(*asked)[2])
    code, _, err = deployer(*asked)
    seen += [(code, err), deployer("promote", "staging"), deployer("approve", "production", "web", "2")[0]]
    for verb in ("approve", "approve", "reject"):
        app = "web" if verb == "approve" else "api"
        release = "2" if verb == "approve" else "7"
        (row,) = approver.rows(verb, "production", app, release, "-m", "looked at")
        seen.append({key: value for key, value in row.items() if key != "approval"})
    eventually(lambda: deployer(*asked)[0] == Exit.DONE)
    code, out, err = deployer("promote", "production", "-m", "go", "-o", "json")
    seen.append([code, err, [{key: one[key] for key in ("app", "promoted", "code")} for one in json.loads(out)]])
    eventually(lambda: "3 of 3 newest changes are recorded" in deployer("status")[1], timeout=60)
    return [*seen, deployer.rows("status"), deployer.rows("get", "production")]


def test_a_release_is_agreed_on_and_promoted_by_every_way(
    operator: Service, workspace: Workspaces, terminal: Terminals
) -> None:
    seen = {}
    for way in WAYS:
        space = workspace("staging", members={"alice": "moorage-deployer", "bob": "moorage-approver"})
        space.create_environment("production", promotion={"from": "staging"}, approvals={"required": 1})
        seen[way] = agreed(terminal(way, space), terminal(way, space, "bob"))

    assert seen["certificate"] == seen["token"] == seen["rest"]
    assert seen["rest"][2][0] == Exit.REFUSED  # type: ignore[index]
    assert seen["rest"][4] == Exit.NO_RIGHT
    assert seen["rest"][-1] == [
        {
            "environment": "production",
            "app": "web",
            "release": "2",
            "locked_by": None,
            "by": "alice",
            "rollout": None,
            "recorded": True,
        }
    ]


def test_what_a_rule_warns_of_is_told_by_every_way(workspace: Workspaces, terminal: Terminals) -> None:
    seen = {}
    for way in WAYS:
        space = workspace("staging")
        space.create_environment("production", approvals={"required": 1}, enforcement="Warn")
        run = terminal(way, space)
        eventually(lambda run=run: "Warning: " in run("deploy", "production", "web", "1", "--dry-run")[2])
        code, _, err = run("deploy", "production", "web", "1")
        seen[way] = (code, err)

    assert seen["certificate"] == seen["token"] == seen["rest"]
    assert seen["rest"][0] == Exit.DONE
    assert "gate approvals" in seen["rest"][1]


@pytest.mark.parametrize("way", WAYS)
def test_who_has_no_right_changes_nothing(workspace: Workspaces, terminal: Terminals, way: str) -> None:
    space = workspace("staging")
    space.create_deployment("staging", "web", "1")

    code, _, err = terminal(way, space, "viewer")("deploy", "staging", "web", "2")

    assert code == Exit.NO_RIGHT, err
    eventually(lambda: [one["release"] for one in terminal(way, space, "viewer").rows("get")] == ["1"])
    assert terminal(way, space, "mallory")("get")[0] in {Exit.NO_RIGHT, Exit.NOT_FOUND}


@pytest.mark.parametrize("way", ["token", "rest"])
def test_a_token_that_is_not_valid_is_said(
    cluster: LiveCluster, facade: Facade, workspace: Workspaces, terminal: Terminals, way: str, tmp_path: Path
) -> None:
    space = workspace("staging")
    good = terminal(way, space)
    bad = kubeconfigs.with_token(tmp_path / "bad", cluster.endpoint, user="alice", token="stale")
    environ = {"KUBECONFIG": str(bad)} if way == "token" else {**good.environ, "MOORAGE_TOKEN": "stale"}

    code, _, err = Terminal(environ, good.flags, good.capsys)("get")

    assert code == Exit.NO_RIGHT, err


def test_context_and_namespace_are_chosen_as_kubectl_has_it(
    cluster: LiveCluster, workspace: Workspaces, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first, second = workspace("staging"), workspace("production")
    path = kubeconfigs.with_token(tmp_path / "config", cluster.endpoint, user="alice", token=cluster.token("alice"))
    content = json.loads(path.read_text(encoding="utf-8"))
    known = content["contexts"][0]["context"]
    content["contexts"] = [
        {"name": space.name, "context": {**known, "namespace": space.namespace}} for space in (first, second)
    ]
    content["current-context"] = first.name
    path.write_text(json.dumps(content), encoding="utf-8")

    def environments(*flags: str) -> list[str]:
        rows = Terminal({"KUBECONFIG": str(path)}, flags, capsys).rows("environments")
        return [row["environment"] for row in rows]

    assert environments() == ["staging"]
    assert environments("--context", second.name) == ["production"]
    assert environments("-n", second.namespace) == ["production"]
    code, _, err = Terminal({"KUBECONFIG": str(path)}, ("--context", "unknown"), capsys)("get")
    assert code == Exit.USAGE
    assert "unknown" in err


def installed(folder: Path) -> None:
    """What an installer writes, from what the project declares now: the plugin, and the list of commands."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, function = project["scripts"]["kubectl-moorage"].split(":")
    plugin = folder / "kubectl-moorage"
    plugin.write_text(f"#!{sys.executable}\nfrom {module} import {function}\n{function}()\n", encoding="utf-8")
    plugin.chmod(0o700)
    listed = "".join(f"{verb} = {place}\n" for verb, place in project["entry-points"]["moorage.commands"].items())
    info = folder / "moorage-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moorage\nVersion: 0.1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[moorage.commands]\n{listed}", encoding="utf-8")


def test_moorage_is_a_plugin_of_kubectl(cluster: LiveCluster, workspace: Workspaces, tmp_path: Path) -> None:
    space = workspace("staging")
    space.create_deployment("staging", "web", "1", user="alice")
    installed(tmp_path)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(tmp_path)}
    environ["KUBECONFIG"] = str(cluster.kubeconfig("alice", cluster.token("alice")))

    done = subprocess.run(
        [cluster.underlying.kubectl_program(), "moorage", "get", "staging", "-n", space.namespace, "-o", "name"],
        env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "web\n"), done.stderr
