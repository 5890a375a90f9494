"""Edges of Freezes: the engine against an oracle that works otherwise."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from calendar_cases import CASES, Oracle, edges_of, near

from moorage_crds.gates.calendar import Calendar


@pytest.mark.parametrize("zone", sorted({case.zone for case in CASES}))
def test_the_calendar_turns_where_the_wall_clock_does(zone: str) -> None:
    for case in CASES:
        if case.zone != zone:
            continue
        calendar, oracle = case.calendar, Oracle(case)
        for edge in edges_of(case):
            asked = near(edge)
            assert [calendar.is_closed(one) for one in asked] == [oracle.is_closed(one) for one in asked], (case, edge)
        assert tuple(turns(calendar, case.begins, case.begins + timedelta(days=case.days))) == edges_of(case), case


def turns(calendar: Calendar, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Where the calendar says that it turns."""
    turn = calendar.next(begin, closed=not calendar.is_closed(begin))
    while turn is not None and turn < end:
        yield turn
        turn = calendar.next(turn, closed=not calendar.is_closed(turn))


def test_there_are_enough_edges_to_tell() -> None:
    found = [(case.zone, edge) for case in CASES for edge in edges_of(case)]

    assert len(set(found)) >= 200
    assert len(found) * 5 >= 1_000
