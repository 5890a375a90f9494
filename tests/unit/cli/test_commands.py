"""The commands themselves: arguments, exit codes, what is imported before anything is asked."""

import asyncio
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from facade_world import World
from people import by_kubeconfig
from spoken import BOTH_WAYS, ONE_WAY

from moorage_cli.people import commands, completion, explain, governing, importing, known, shell, ways
from moorage_cli.people.model import Exit, TroubleError
from moorage_cli.people.output import Form
from moorage_cli.people.register import Register
from moorage_cli.people.ways import Where
from moorage_crds.process import entry
from moorage_dev import command_page
from moorage_dev.layout import ROOT


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The commands meet a cluster in memory."""
    made = World()
    made.environment("staging")
    made.environment("production")

    @asynccontextmanager
    async def opened(_where: Where) -> AsyncIterator[Register]:
        yield by_kubeconfig(made)

    monkeypatch.setattr(shell, "opened", opened)
    return made


#: The modules that give `shell` its commands.
MODULES = (commands, completion, explain, governing, importing)


def run(verb: str, *arguments: str) -> int:
    return shell.run(verb, list(arguments))


def answer(capsys: pytest.CaptureFixture[str], verb: str, *arguments: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert run(verb, *arguments, "-o", "json") == Exit.DONE
    return list(json.loads(capsys.readouterr().out))


def test_a_day_by_command(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for release in ("1", "2", "3"):
        assert run("deploy", "staging", "web", release, "-m", f"r{release}") == Exit.DONE
    assert run("undo", "staging", "web", "--yes") == Exit.DONE
    assert run("deploy", "production", "web", "1") == Exit.DONE
    assert run("lock", "production", "-m", "stocktaking") == Exit.DONE

    assert answer(capsys, "diff", "staging", "production") == [{"app": "web", "staging": "2", "production": "1"}]
    assert answer(capsys, "matrix") == [{"app": "web", "production": "1", "staging": "2"}]
    assert [one["release"] for one in answer(capsys, "history", "staging", "web")] == ["2", "3", "2", "1"]
    assert len(answer(capsys, "history", "--limit", "2")) == 2
    assert answer(capsys, "history", "--by", "nobody") == []
    assert answer(capsys, "at", "staging", "2001-01-01") == []
    assert answer(capsys, "get", "production")[0]["locked_by"] == "alice"
    assert run("deploy", "production", "web", "2") == Exit.REFUSED
    assert "stocktaking" in capsys.readouterr().err
    assert run("unlock", "production") == Exit.DONE


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["deploy", "staging", "web"], Exit.USAGE),
        (["deploy", "staging", "web", "1", "--relase", "2"], Exit.USAGE),
        (["history", "--since", "soon"], Exit.USAGE),
        (["get", "-o", "xml"], Exit.USAGE),
        (["get", "qa"], Exit.NOT_FOUND),
        (["undeploy", "staging", "web"], Exit.USAGE),
        (["undeploy", "staging", "web", "--yes"], Exit.NOT_FOUND),
        (["undo", "staging", "web", "--yes"], Exit.CONFLICT),
        (["undo", "staging", "web", "--to", "never-there"], Exit.CONFLICT),
        (["wait", "staging", "web", "--timeout", "0"], Exit.TIMEOUT),
    ],
)
def test_exit_codes(world: World, arguments: list[str], code: Exit, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == code
    assert capsys.readouterr().err


def test_wait_ends_when_the_change_is_recorded(world: World) -> None:
    assert run("deploy", "staging", "web", "1") == Exit.DONE
    assert run("wait", "staging", "web", "--timeout", "0") == Exit.TIMEOUT
    world.record("staging.web")
    assert run("wait", "staging", "web", "--release", "1", "--timeout", "5") == Exit.DONE
    assert run("wait", "staging", "web", "--release", "2", "--timeout", "0") == Exit.TIMEOUT


def test_every_verb_is_a_command_with_a_summary() -> None:
    project = tomllib.loads(Path(ROOT, "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = {verb: place for verb, place in project["entry-points"]["moorage.commands"].items() if ".people." in place}
    assert sorted(listed) == sorted(shell.verbs())
    assert set(listed) <= set(entry._SUMMARIES)
    for verb, place in listed.items():
        module, function = place.split(":")
        assert function == f"run_{verb}"
        assert hasattr(importlib.import_module(module), function)


def test_a_freeze_is_explained_and_refuses(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "production", "web", "2") == Exit.DONE
    assert run("freeze", "sale", "-m", "black friday", "--until", "+2h", "-e", "production") == Exit.DONE
    capsys.readouterr()

    assert run("explain", "production", "web", "2", "-o", "json") == Exit.REFUSED
    said = capsys.readouterr()
    found = json.loads(said.out)[0]
    assert (found["allowed"], found["gates"][0]["gate"]) == (False, "freeze/sale")
    assert f"the same change passes from {found['opens_at']}" in said.err
    assert run("explain", "production", "--at", "+3h") == Exit.DONE
    assert run("explain", "staging", "web", "2") == Exit.DONE
    assert run("unfreeze", "sale") == Exit.USAGE
    assert run("unfreeze", "sale", "--yes") == Exit.DONE
    assert run("explain", "production", "web", "2") == Exit.DONE
    assert run("unfreeze", "sale", "--yes") == Exit.NOT_FOUND


def test_the_list_of_commands_is_made_from_them() -> None:
    page = Path(ROOT, "docs/cli.md").read_text(encoding="utf-8")
    assert command_page.text(page) == page
    assert "| `undo ENVIRONMENT APP` |" in page
    assert "`--from` default: the environment of the promotion rule" in page


def completed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-moorage", *words])
    monkeypatch.setattr(os, "environ", {**os.environ})
    completion.kubectl()
    return capsys.readouterr().out.split()


def test_words_are_completed_with_what_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(known, "opened", shell.opened)
    assert run("deploy", "staging", "web", "1") == Exit.DONE
    capsys.readouterr()
    assert completed(monkeypatch, capsys, "un") == ["undeploy", "undo", "unlock", "unfreeze", ":4"]
    assert completed(monkeypatch, capsys, "ver") == ["verify", "version", ":4"]
    assert completed(monkeypatch, capsys, "get", "") == ["production", "staging", ":4"]
    assert completed(monkeypatch, capsys, "undo", "staging", "w") == ["web", ":4"]
    assert completed(monkeypatch, capsys, "deploy", "staging", "web", "1", "--exp") == ["--expected", ":4"]


def test_nobody_is_told_that_a_completion_has_no_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("MOORAGE_URL", "MOORAGE_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", "/nowhere/config")
    assert completed(monkeypatch, capsys, "get", "") == [":4"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("which", ["bash", "zsh", "fish"])
def test_a_shell_is_told_whom_to_ask(which: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", {**os.environ})
        assert completion.run_completion([which]) == Exit.DONE
    assert f"_MOORAGE_COMPLETE=complete_{which}" in capsys.readouterr().out


def test_the_page_names_every_verb_and_every_exit_code() -> None:
    page = Path(ROOT, "docs/cli.md").read_text(encoding="utf-8")
    assert {verb for verb in shell.verbs() if f"`{verb} " not in page and f"`{verb}`" not in page} == set()
    assert {code for code in Exit if f"| {int(code)} |" not in page} == set()


@pytest.mark.parametrize(
    ("where", "environ", "words"),
    [
        (Where(), {"MOORAGE_URL": "http://facade"}, "--workspace"),
        (Where(workspace="northwind"), {"MOORAGE_URL": "http://facade"}, "--workspace"),
        (Where(), {"KUBECONFIG": "/nowhere/config"}, "/nowhere/config"),
        (Where(kubeconfig=Path("/nowhere/else")), {"MOORAGE_URL": "http://facade"}, "/nowhere/else"),
        (Where(workspace="northwind/storefront"), {}, "--namespace"),
        (Where(workspace="northwind/storefront", namespace="x"), {"MOORAGE_URL": "http://facade"}, "--namespace"),
    ],
)
def test_a_way_that_is_not_known_is_said_in_one_sentence(where: Where, environ: dict[str, str], words: str) -> None:
    async def ask() -> None:
        async with ways.opened(where, environ):
            pass

    with pytest.raises(TroubleError, match=words) as refused:
        asyncio.run(ask())
    assert refused.value.code is Exit.USAGE


@pytest.mark.parametrize(
    ("word", "hint"), [("matrixx", "did you mean matrix?"), ("xyzzy", "moorage --help lists them")]
)
def test_a_command_that_is_not_there(word: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run([word]) == Exit.USAGE
    assert capsys.readouterr().err == f"moorage: there is no command '{word}'; {hint}\n"


@pytest.mark.parametrize(
    ("form", "out", "err"),
    [(Form.TABLE, "", "nothing found\n"), (Form.WIDE, "", "nothing found\n"), (Form.JSON, "[]\n", ""),
     (Form.YAML, "[]\n", ""), (Form.CSV, "", ""), (Form.NAME, "", "")],
)  # fmt: skip
def test_nothing_is_said_to_people_and_not_to_pipes(
    form: Form, out: str, err: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.write([], form, name="app")
    assert tuple(capsys.readouterr()) == (out, err)


def test_help_needs_neither_server_nor_client() -> None:
    """What makes a command slow to start is imported by what needs it."""
    code = (
        "import sys; from moorage_cli.people import commands; code = commands.run('deploy', ['--help']);"
        "heavy = {'kopf', 'kubernetes', 'aiohttp', 'httpx', 'pydantic_settings', 'moorage_client'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--expected" in done.stdout


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"MOORAGE_URL": "moorage.example.com"}, "MOORAGE_URL"),
        ({"MOORAGE_URL": "https://moorage.example.com", "MOORAGE_TOKEN": "toké"}, "MOORAGE_TOKEN"),
        ({"MOORAGE_URL": "https://moorage.example.com", "MOORAGE_TOKEN": "one\ntwo"}, "MOORAGE_TOKEN"),
        ({"KUBECONFIG": "/nowhere/a:/nowhere/b"}, "/nowhere/a:/nowhere/b"),
        ({"KUBECONFIG": "/etc/passwd"}, "is not a kubeconfig"),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], named: str
) -> None:
    for name in ("KUBECONFIG", "MOORAGE_URL", "MOORAGE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"MOORAGE_WORKSPACE": "shop/main", **environ}.items():
        monkeypatch.setenv(name, value)

    async def nothing(_register: Register) -> None:
        raise AssertionError

    with pytest.raises(TroubleError, match=re.escape(named)) as raised:
        shell.ask(Where(), nothing)
    assert raised.value.code == Exit.USAGE


def test_letters_that_a_terminal_does_not_have_are_escaped_and_a_reader_may_stop() -> None:
    """`main` as the shell starts it: what it writes has a letter, and nobody reads the rest of it."""
    program = (
        "import sys; from moorage_crds.process import entry; "
        "entry.run = lambda argv: sys.stdout.write('größer\\n' * int(argv[0])) and 0; entry.main()"
    )
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    asked = [sys.executable, "-c", program]
    seen = subprocess.run([*asked, "1"], env=environ, capture_output=True, text=True, check=False)
    assert (seen.returncode, seen.stdout, seen.stderr) == (0, "gr\\xf6\\xdfer\n", "")

    with subprocess.Popen([*asked, "100000"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)


def test_every_command_is_compared_on_a_cluster_by_both_ways_or_says_why_it_has_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = set(project["entry-points"]["moorage.commands"])
    assert BOTH_WAYS.keys() | ONE_WAY.keys() == installed == {*entry._SUMMARIES}
    assert not BOTH_WAYS.keys() & ONE_WAY.keys()
    assert set(shell.verbs()) == {*BOTH_WAYS, "completion", "import"}


def test_the_way_by_rest_imports_nothing_of_the_programs_of_its_libraries() -> None:
    code = (
        "import asyncio, sys; from moorage_cli.people import ways\n"
        "async def ask():\n"
        "    async with ways.opened(ways.Where('a/b'), {'MOORAGE_URL': 'http://127.0.0.1:1'}): pass\n"
        "asyncio.run(ask())\n"
        "import httpx; httpx.Client().close()\n"
        "idle = {'rich', 'click', 'pygments', 'aiohttp', 'kubernetes', 'yaml'} & set(sys.modules)\n"
        "sys.exit(f'imported: {idle}' if idle else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
