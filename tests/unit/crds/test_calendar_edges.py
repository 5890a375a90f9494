"""Edges of Freezes: the engine against an oracle that works otherwise."""

from datetime import timedelta
from itertools import takewhile

import pytest
from calendar_cases import CASES, Oracle, edges_of, near


@pytest.mark.parametrize("zone", sorted({case.zone for case in CASES}))
def test_the_calendar_turns_where_the_wall_clock_does(zone: str) -> None:
    for case in CASES:
        if case.zone != zone:
            continue
        calendar, oracle = case.calendar, Oracle(case)
        for edge in edges_of(case):
            asked = near(edge)
            assert [calendar.is_closed(one) for one in asked] == [oracle.is_closed(one) for one in asked], (case, edge)
        last = case.begins + timedelta(days=case.days)
        listed = set(takewhile(lambda edge: edge < last, calendar.edges(case.begins)))  # noqa: B023 — used at once
        assert set(edges_of(case)) <= listed, case


def test_there_are_enough_edges_to_tell() -> None:
    found = [(case.zone, edge) for case in CASES for edge in edges_of(case)]

    assert len(set(found)) >= 200
    assert len(found) * 5 >= 1_000
