"""How long each part of a test run took, from pytest's own reports."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol


class Timed(Protocol):
    """What a report of pytest says about one phase (setup, call, teardown) of one test."""

    nodeid: str
    duration: float


@dataclass(slots=True)
class _Part:
    tests: dict[str, float] = field(default_factory=dict)

    def seconds(self) -> float:
        return sum(self.tests.values())


def lines(reports: Iterable[Timed]) -> list[str]:
    """One line for each folder below tests/, the longest first: minutes, number of tests, and its slowest test.

    Fixtures count where they are set up and torn down, so a shared cluster counts in the folder that comes first.
    """
    parts: dict[str, _Part] = {}
    for report in reports:
        tests = parts.setdefault(_folder(report.nodeid), _Part()).tests
        tests[report.nodeid] = tests.get(report.nodeid, 0.0) + report.duration
    longest = sorted(parts.items(), key=lambda item: item[1].seconds(), reverse=True)
    return [_line(folder, part) for folder, part in longest]


def lanes(reports: Iterable[Timed]) -> list[str]:
    """One line for each lane (`worker_id`) of tests side by side: for how long it had any. Empty without lanes."""
    busy: dict[str, float] = {}
    for report in reports:
        if lane := getattr(report, "worker_id", ""):
            busy[lane] = busy.get(lane, 0.0) + report.duration
    return [f"{_minutes(seconds)}  lane {lane}" for lane, seconds in sorted(busy.items())]


def slowest(reports: Iterable[Timed], count: int) -> list[str]:
    """The `count` slowest tests, the longest first: seconds, and id; a fixture counts where it is set up."""
    tests: dict[str, float] = {}
    for report in reports:
        tests[report.nodeid] = tests.get(report.nodeid, 0.0) + report.duration
    longest = sorted(tests.items(), key=lambda item: item[1], reverse=True)[:count]
    return [f"{seconds:5.0f} s  {nodeid}" for nodeid, seconds in longest]


def _folder(nodeid: str) -> str:
    path = nodeid.partition("::")[0].split("/")
    # tests/unit/api/reads/test_page.py belongs to tests/unit, and tests/test_it.py to tests.
    return "/".join(path[:-1][:2]) or path[0]


def _line(folder: str, part: _Part) -> str:
    slowest, seconds = max(part.tests.items(), key=lambda item: item[1])
    path, _, test = slowest.partition("::")
    longest = f"the slowest {seconds:.0f} s ({path.rpartition('/')[2]}::{test})"
    return f"{_minutes(part.seconds())}  {folder}: {len(part.tests)} tests, {longest}"


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:3d}:{rest:02d}"
