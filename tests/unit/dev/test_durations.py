"""The times of the parts of a test run add up, whatever the order of the reports."""

from dataclasses import dataclass, replace

import durations
import pytest


@dataclass(frozen=True)
class Report:
    """One phase of one test."""

    nodeid: str
    duration: float
    worker_id: str = ""


REPORTS = [
    Report("tests/cluster/test_a.py::test_one", 50.0),
    Report("tests/unit/api/reads/test_b.py::test_two[a/b]", 1.0),
    Report("tests/cluster/test_a.py::test_one", 20.4),
    Report("tests/cluster/test_c.py::test_three", 10.0),
    Report("tests/unit/crds/test_d.py::test_four[a/b::c]", 2.4),
    Report("tests/test_top.py::test_five", 0.0),
]


@pytest.mark.parametrize("reports", [REPORTS, REPORTS[::-1]])
def test_phases_add_up_and_the_longest_folder_comes_first(reports: list[Report]) -> None:
    assert durations.lines(reports) == [
        "  1:20  tests/cluster: 2 tests, the slowest 70 s (test_a.py::test_one)",
        "  0:03  tests/unit: 2 tests, the slowest 2 s (test_d.py::test_four[a/b::c])",
        "  0:00  tests: 1 tests, the slowest 0 s (test_top.py::test_five)",
    ]


def test_run_without_tests_has_no_lines() -> None:
    assert durations.lines([]) == []


def test_the_slowest_tests_are_named_with_all_their_phases() -> None:
    assert durations.slowest(REPORTS, 2) == [
        "   70 s  tests/cluster/test_a.py::test_one",
        "   10 s  tests/cluster/test_c.py::test_three",
    ]


def test_lanes_say_how_long_they_were_busy() -> None:
    assert durations.lanes(REPORTS) == []
    side_by_side = [replace(report, worker_id=f"gw{number % 2}") for number, report in enumerate(REPORTS)]
    assert durations.lanes(side_by_side) == ["  1:13  lane gw0", "  0:11  lane gw1"]
