"""A whole run of the tests says how long each part took, also when a part fails or somebody ends the run."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from moorage_dev.whole_run import MAX_SECOND, Part, Run


def part(name: str, *programs: str, times: Path | None = None) -> Part:
    """A part that runs these programs in Python."""
    return Part(name, [(sys.executable, "-c", program) for program in programs], times)


def table(text: str) -> list[str]:
    """Names of the parts in the table, with what follows it, without times."""
    return [re.sub(r"^ *\d+:\d\d  ", "", line) for line in text.partition("(minutes:seconds):\n")[2].splitlines()]


def test_every_part_is_in_the_table_with_what_it_is_made_of(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    times = tmp_path / "times"
    times.write_text("of an earlier run", encoding="utf-8")
    leaves = f"open({str(times)!r}, 'w').write('lane gw0\\nlane gw1\\n')"
    assert Run().all([part("first", "print('one')"), part("second", leaves, times=times)]) == 0
    assert table(capfd.readouterr().out) == ["first", "second", "        lane gw0", "        lane gw1", "in all"]


def test_what_fails_is_named_and_nothing_follows(capfd: pytest.CaptureFixture[str]) -> None:
    assert Run().all([part("first", "exit(3)", "print('never ' * 2)"), part("second", "print('never ' * 2)")]) == 1
    said = capfd.readouterr().out
    assert table(said) == ["first", "in all", "FAILED: first"]
    assert "never never" not in said


def twice(tmp_path: Path, failed: int, *, passes: bool) -> Part:
    """A part in which tests fail, and what happens when they are run again."""
    failures = tmp_path / "failures"
    names = {f"test_{number}": True for number in range(failed)}
    first = f"open({str(failures)!r}, 'w').write({json.dumps(names)!r}); exit(1)"
    again = f"print('again ' * 2, flush=True); exit({int(not passes)})"
    return replace(part("tests", first), failures=failures, second=(sys.executable, "-c", again))


def test_few_that_failed_are_run_again_and_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert Run().all([twice(tmp_path, 2, passes=True), part("after", "pass")]) == 0
    named = [f"failed, and passed the second time: test_{number}" for number in range(2)]
    assert table(capfd.readouterr().out) == ["tests", "after", "in all", *named]


@pytest.mark.parametrize(
    ("failed", "passes", "is_run"), [(1, False, True), (MAX_SECOND, False, True), (MAX_SECOND + 1, True, False)]
)
def test_what_fails_twice_or_too_often_has_failed(
    failed: int, passes: bool, is_run: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert Run().all([twice(tmp_path, failed, passes=passes), part("after", "pass")]) == 1
    said = capfd.readouterr().out
    assert table(said) == ["tests", "in all", "FAILED: tests"]
    assert ("again again" in said) is is_run


@pytest.mark.parametrize("code", [2, 3, 5, -9])
def test_a_run_that_was_cut_short_is_not_mended_by_the_tests_that_failed(
    code: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = twice(tmp_path, 1, passes=True)
    (program,) = [command[2] for command in told.commands]
    end = f"import os, signal; os.kill(os.getpid(), {-code})" if code < 0 else f"exit({code})"
    assert Run().all([replace(told, commands=part("", str(program).replace("exit(1)", end)).commands)]) == 1
    said = capfd.readouterr().out
    assert table(said) == ["tests", "in all", "FAILED: tests"]
    assert "again again" not in said


def test_what_ends_without_saying_which_test_has_failed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "failures").write_text('{"of an earlier run": true}', encoding="utf-8")
    ends = replace(twice(tmp_path, 1, passes=True), commands=part("", "exit(2)").commands)
    assert Run().all([ends]) == 1
    assert table(capfd.readouterr().out) == ["tests", "in all", "FAILED: tests"]


@pytest.mark.parametrize("fails", ["shown", "kept"])
def test_both_of_two_side_by_side_are_told(fails: str, capfd: pytest.CaptureFixture[str]) -> None:
    codes = {name: f"print('{name} ' * 2, flush=True); exit({int(name == fails)})" for name in ("shown", "kept")}
    pair = part("shown", codes["shown"]), part("kept", codes["kept"])
    assert Run().all([pair, part("after", "pass")]) == 1
    said = capfd.readouterr().out
    assert sorted(table(said)[:2]) == ["kept", "shown"]
    assert table(said)[2:] == ["in all", f"FAILED: {fails}"]
    assert said.index("shown shown") < said.index("kept kept")


def test_who_ends_the_run_ends_what_runs_and_sees_the_table() -> None:
    program = (
        "import sys; from moorage_dev.whole_run import Part, Run\n"
        "waits = 'import signal; print(\"begun\", flush=True); signal.pause()'\n"
        "parts = [Part(name, [(sys.executable, '-c', waits)]) for name in ('first', 'second')]\n"
        "sys.exit(Run().all(parts))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "dev")}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert "begun\n" in iter(run.stdout.readline, "")
        run.send_signal(signal.SIGTERM)
        said = run.stdout.read()
    assert run.returncode == 1
    assert table(said) == ["first", "in all", "FAILED: first"]
