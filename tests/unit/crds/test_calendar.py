"""The calendar of a Freeze: when it is closed, and when that changes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from moorage_crds.gates.calendar import DAYS, Absolute, Calendar, Mode, Weekly, Yearly

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def after(minute: int, text: str) -> datetime:
    return at(text) + timedelta(minutes=minute)


def minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def weekly(days: str, begins: str, ends: str) -> Weekly:
    return Weekly(frozenset(days.split()), minutes(begins), minutes(ends))


WEEKEND = Calendar(weekly=(weekly("Fri", "15:00", "24:00"), weekly("Sat Sun", "00:00", "24:00")), zone=BERLIN)
NIGHT = Calendar(weekly=(weekly("Tue", "22:00", "02:00"),), zone=BERLIN)
HOLIDAYS = Calendar(yearly=(Yearly(1220, 105),), zone=BERLIN)
LEAP_DAY = Calendar(yearly=(Yearly(229, 301),))
SUMMIT = Calendar(absolute=(Absolute(at("2026-06-01T10:00:00Z"), at("2026-06-01T12:00:00+00:00")),))


@pytest.mark.parametrize(
    ("calendar", "moment", "closed"),
    [
        (SUMMIT, "2026-06-01T09:59:59Z", False),
        (SUMMIT, "2026-06-01T10:00:00Z", True),
        (SUMMIT, "2026-06-01T11:59:59Z", True),
        (SUMMIT, "2026-06-01T12:00:00Z", False),
        (WEEKEND, "2026-11-27T14:59:59+01:00", False),
        (WEEKEND, "2026-11-27T15:00:00+01:00", True),
        (WEEKEND, "2026-11-29T23:59:59+01:00", True),
        (WEEKEND, "2026-11-30T00:00:00+01:00", False),
        (NIGHT, "2026-12-01T22:00:00+01:00", True),
        (NIGHT, "2026-12-02T01:59:59+01:00", True),
        (NIGHT, "2026-12-02T02:00:00+01:00", False),
        (NIGHT, "2026-12-02T22:00:00+01:00", False),
        (HOLIDAYS, "2026-12-19T23:59:59+01:00", False),
        (HOLIDAYS, "2026-12-20T00:00:00+01:00", True),
        (HOLIDAYS, "2027-01-04T23:59:59+01:00", True),
        (HOLIDAYS, "2027-01-05T00:00:00+01:00", False),
        (LEAP_DAY, "2028-02-29T12:00:00Z", True),
        (LEAP_DAY, "2028-03-01T00:00:00Z", False),
        (LEAP_DAY, "2027-03-01T00:00:00Z", False),
    ],
)
def test_a_window_is_half_open_and_in_local_time(calendar: Calendar, moment: str, closed: bool) -> None:
    assert calendar.is_closed(at(moment)) is closed


def test_an_hour_that_comes_twice_is_closed_twice() -> None:
    calendar = Calendar(weekly=(weekly("Sun", "02:00", "02:30"),), zone=BERLIN)

    closed = [
        minute
        for minute in range(240)
        if calendar.is_closed(at("2026-10-25T00:00:00+02:00") + timedelta(minutes=minute))
    ]

    assert closed == [*range(120, 150), *range(180, 210)]


def test_an_hour_that_never_comes_is_skipped() -> None:
    calendar = Calendar(weekly=(weekly("Sun", "02:00", "03:00"),), zone=BERLIN)

    assert not any(
        calendar.is_closed(at("2026-03-29T00:00:00+01:00") + timedelta(minutes=minute)) for minute in range(240)
    )


def test_open_only_is_the_opposite_of_closed() -> None:
    only = Calendar(Mode.OPEN_ONLY, weekly=WEEKEND.weekly, zone=BERLIN)

    for hour in range(24 * 7):
        moment = at("2026-11-23T00:00:00Z") + timedelta(hours=hour)
        assert only.is_closed(moment) is not WEEKEND.is_closed(moment)


def test_a_calendar_opens_when_none_of_its_windows_is_closed() -> None:
    sale = Absolute(at("2026-11-28T00:00:00Z"), at("2026-11-30T08:00:00Z"))
    calendar = Calendar(absolute=(sale,), weekly=WEEKEND.weekly, zone=BERLIN)

    assert calendar.next(at("2026-11-27T20:00:00Z"), closed=False) == at("2026-11-30T08:00:00Z")


def test_there_is_no_opening_of_what_never_opens() -> None:
    always = Calendar(weekly=(weekly(" ".join(DAYS), "00:00", "24:00"),), zone=BERLIN)

    assert always.next(at("2026-11-27T20:00:00Z"), closed=False) is None


clock = st.integers(0, 24 * 60 - 1)
windows = st.builds(
    Weekly, st.sets(st.sampled_from(DAYS), min_size=1).map(frozenset), clock, st.integers(1, 24 * 60)
).filter(lambda one: one.begins != one.ends)
days = st.builds(
    Yearly,
    st.integers(1, 12).map(lambda month: month * 100 + 1),
    st.integers(1, 12).map(lambda month: month * 100 + 15),
)
calendars = st.builds(
    Calendar,
    mode=st.sampled_from(Mode),
    weekly=st.lists(windows, max_size=2).map(tuple),
    yearly=st.lists(days, max_size=1).map(tuple),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)
#: Around the changes of clocks of these zones in 2026, and some other days.
beginnings = st.sampled_from(
    ["2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31", "2026-12-30"]
)


def turns(calendar: Calendar, begin: datetime) -> Iterator[datetime]:
    turn = calendar.next(begin, closed=not calendar.is_closed(begin))
    while turn is not None:
        yield turn
        turn = calendar.next(turn, closed=not calendar.is_closed(turn))


@given(calendars, beginnings)
@settings(max_examples=60, deadline=None)
def test_the_calendar_says_where_its_verdict_turns(calendar: Calendar, beginning: str) -> None:
    start = at(f"{beginning}T00:00:00Z")
    moments = [start + timedelta(minutes=minute) for minute in range(3 * 24 * 60)]

    changes = [
        after for before, after in pairwise(moments) if calendar.is_closed(before) is not calendar.is_closed(after)
    ]

    assert changes == list(takewhile(lambda turn: turn <= moments[-1], turns(calendar, start)))


@given(calendars, beginnings, st.booleans())
@settings(max_examples=60, deadline=None)
def test_before_the_next_turn_the_verdict_stays(calendar: Calendar, beginning: str, to_closed: bool) -> None:
    start = at(f"{beginning}T00:00:00Z")
    assume(calendar.is_closed(start) is not to_closed)

    found = calendar.next(start, closed=to_closed)

    last = found or start + timedelta(days=30)
    inside = range(1, int((last - start).total_seconds() // 60), 7)
    assert not any(calendar.is_closed(start + timedelta(minutes=minute)) is to_closed for minute in inside)
    assert found is None or calendar.is_closed(found) is to_closed


def test_times_are_read_to_the_second() -> None:
    assert not SUMMIT.is_closed(datetime(2026, 6, 1, 9, 59, 59, 999_999, tzinfo=UTC))
