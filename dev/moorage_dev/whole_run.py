"""`make test`: all parts of a whole run, and at its end how long each of them took, whatever came out.

A part that fails ends the run. Type checks keep one core busy, so the tests without a cluster run beside them.
Tests against real processes that have failed are run a second time, and the end of the run names them.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from moorage_dev.layout import ROOT

_RIGHTS = "tests/chart/test_rights.py"
_KEPT = Path(".pytest_cache")
_AUDIT_LOGS, _TIMES = _KEPT / "audit", _KEPT / "times.txt"
#: Where pytest remembers which tests have failed.
_FAILURES = ROOT / _KEPT / "v/cache/lastfailed"
#: How pytest ends when all tests were run and some have failed; by any other code some were not run.
_TESTS_FAILED = 1
#: Where more have failed, it was hardly an accident, and they are not run again.
MAX_SECOND = 3

Command = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Part:
    """Commands that follow one another.

    Attributes:
        name: what the table calls it.
        commands: each a program with its arguments; the first that fails ends the part.
        times: file in which the part leaves how its time is made up, one line each.
        failures: file in which it leaves what has failed, as keys of a JSON object.
        second: runs once more what has failed, if that are few; the part passes if this does, and the run names them.
    """

    name: str
    commands: Sequence[Command]
    times: Path | None = None
    failures: Path | None = None
    second: Command | None = None


@dataclass(slots=True)
class Run:
    """Parts that were run, and their times."""

    _lines: list[str] = field(default_factory=list)
    _failed: list[str] = field(default_factory=list)
    _twice: list[str] = field(default_factory=list)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _stopped: bool = False

    def all(self, parts: Iterable[Part | tuple[Part, Part]]) -> int:
        """Run the parts until one fails, then print the table; the exit code.

        Of two parts side by side the first writes as it goes, the second when both are done.
        """
        previous = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        began = time.monotonic()
        try:
            for part in parts:
                if not (self._pair(*part) if isinstance(part, tuple) else self._one(part, None)):
                    break
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        self._lines.append(f"{_minutes(time.monotonic() - began)}  in all")
        print("", "how long each part took (minutes:seconds):", *self._lines, sep="\n", flush=True)
        for one in self._twice:
            print(f"failed, and passed the second time: {one}", flush=True)
        if self._failed:
            print(f"FAILED: {', '.join(self._failed)}", flush=True)
        return 1 if self._failed else 0

    def _pair(self, shown: Part, kept: Part) -> bool:
        with tempfile.TemporaryFile() as output, ThreadPoolExecutor(1) as beside:
            other = beside.submit(self._one, kept, output)
            passed = [self._one(shown, None), other.result()]
            output.seek(0)
            sys.stdout.write(output.read().decode(errors="replace"))
            sys.stdout.flush()
        return all(passed)

    def _one(self, part: Part, output: BinaryIO | None) -> bool:
        began = time.monotonic()
        for left in (part.times, part.failures):
            if left is not None:
                left.unlink(missing_ok=True)
        code = next(filter(None, (self._code(command, output) for command in part.commands)), 0)
        passed = code == 0 or (code == _TESTS_FAILED and self._second(part, output))
        self._lines.append(f"{_minutes(time.monotonic() - began)}  {part.name}")
        if part.times is not None and part.times.is_file():
            self._lines += [f"        {line}" for line in part.times.read_text(encoding="utf-8").splitlines()]
        if not passed:
            self._failed.append(part.name)
        return passed

    def _second(self, part: Part, output: BinaryIO | None) -> bool:
        """Whether the few tests that have failed pass when they are run again."""
        if part.second is None or part.failures is None or not part.failures.is_file():
            return False
        found = sorted(json.loads(part.failures.read_text(encoding="utf-8")))
        if not 0 < len(found) <= MAX_SECOND or self._code(part.second, output) != 0:
            return False
        self._twice += found
        return True

    def _code(self, command: Command, output: BinaryIO | None) -> int:
        """How a command ended; as if it had been interrupted where the run is over."""
        if self._stopped:
            return 128 + signal.SIGINT
        told = f"$ {' '.join(str(part) for part in command)}\n"
        if output is None:
            print(told, end="", flush=True)
        else:
            output.write(told.encode())
            output.flush()
        with subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output and subprocess.STDOUT) as process:
            self._running.append(process)
            code = process.wait()
            self._running.remove(process)
        return code

    def _stop(self, number: int, _frame: object) -> None:
        """What runs stops by itself what it has started, and is waited for. Ctrl-C has reached it already."""
        self._stopped = True
        for process in list(self._running):
            if number == signal.SIGTERM:
                process.terminate()


def main(argv: list[str]) -> int:
    """Run everything; the exit code."""
    parser = argparse.ArgumentParser(prog="make test", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--lanes", type=int, default=3, help="how many test runs side by side, 0: none beside the first"
    )
    lanes: int = parser.parse_args(argv).lanes
    # What belongs to the commands of dev/ is not for tests, which start commands of other checkouts.
    os.environ.pop("PYTHONPATH", None)
    # Where it is set, as in many images, each lane of each part would compile all tests again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # One for all tests, so that one that is run again draws what it has failed with (tests/support/dice.py).
    dice = os.environ.setdefault("MOORAGE_DICE", str(random.SystemRandom().randrange(1, 2**24)))
    print(f"MOORAGE_DICE={dice}", flush=True)
    return Run().all(_parts(lanes))


def _parts(lanes: int) -> list[Part | tuple[Part, Part]]:
    style = Part("style", [_make("style")])
    types = Part(
        "types, layers and generated files, beside these tests",
        [_make("types", "check-generated")],
    )
    unit = Part("tests without a cluster", [_pytest("-n", "auto", "tests/unit")])
    programs = Part("programs of the control plane", [_make("control-plane")])
    scopes = ("--dist", "loadscope", "--no-loadscope-reorder")
    others = ("--ignore=tests/unit", f"--ignore={_RIGHTS}", f"--audit-logs={_AUDIT_LOGS}")
    side_by_side = Part(
        f"all others, in {lanes} lanes" if lanes else "all others, one after the other",
        [("rm", "-rf", _AUDIT_LOGS), _pytest("-n", str(lanes), *scopes, *others, f"--times={_TIMES}")],
        times=ROOT / _TIMES,
        failures=_FAILURES,
        second=_pytest("--last-failed", "--last-failed-no-failures=none", *others),
    )
    rights = Part("rights against the audit logs", [_pytest(f"--audit-logs={_AUDIT_LOGS}", _RIGHTS)])
    return [style, (unit, types), programs, side_by_side, rights]


def _make(*targets: str) -> Command:
    return ("make", "--no-print-directory", *targets)


def _pytest(*arguments: str) -> Command:
    return (sys.executable, "-m", "pytest", *arguments)


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:3d}:{rest:02d}"
