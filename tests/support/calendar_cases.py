"""Calendars with edges at changes of clocks and at odd days, and an oracle that says whether they are closed.

It works otherwise than what it judges: it lists what clocks show inside the windows. The calendar compares numbers of
local times. The oracle walks through each window minute by minute on a clock without a zone, keeps what that clock
shows (`Sun 02:30`, `02-29`), and looks up what `zoneinfo` says that the wall clock shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from moorage_crds.gates.calendar import DAYS, Absolute, Calendar, Mode, Weekly, Yearly

#: In the north and in the south, by whole and by half hours, on Sundays and on others, at midnight and later.
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo")
#: On the day of a change of clocks, as (days before it, from, until): around it, touching, over midnight, all day.
SPANS = (
    ((0, "01:30", "03:30"),),
    ((0, "02:00", "02:30"), (0, "02:30", "03:00")),
    ((1, "22:00", "02:15"), (0, "01:00", "02:00")),
    ((0, "00:00", "24:00"),),
    ((1, "23:30", "00:30"), (0, "03:00", "03:01")),
)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Case:
    """One calendar in words, and the days that are looked at."""

    zone: str
    begins: datetime
    days: int
    weekly: tuple[tuple[str, str, str], ...] = ()
    yearly: tuple[tuple[str, str], ...] = ()
    absolute: tuple[tuple[str, str], ...] = ()
    mode: Mode = Mode.CLOSED

    @property
    def calendar(self) -> Calendar:
        """As the engine reads it."""
        return Calendar(
            self.mode,
            tuple(Absolute(at(begin), at(end)) for begin, end in self.absolute),
            tuple(Weekly(frozenset(days.split()), minutes(begin), minutes(end)) for days, begin, end in self.weekly),
            tuple(Yearly(int(begin.replace("-", "")), int(end.replace("-", ""))) for begin, end in self.yearly),
            ZoneInfo(self.zone),
        )

    @property
    def spec(self) -> dict[str, Any]:
        """As a Freeze says it."""
        weekly = [{"days": days.split(), "from": begin, "until": end} for days, begin, end in self.weekly]
        parts = {
            "weekly": weekly,
            "yearly": [{"from": begin, "until": end} for begin, end in self.yearly],
            "windows": [{"from": begin, "until": end} for begin, end in self.absolute],
        }
        filled = {key: value for key, value in parts.items() if value}
        return {"timeZone": self.zone, "mode": str(self.mode), "reason": "quiet", **filled}

    def moments(self) -> Iterator[datetime]:
        """Every minute that is looked at."""
        return (self.begins + MINUTE * step for step in range(self.days * 24 * 60))


class Oracle:
    """Whether a case is closed, by what the wall clock shows."""

    def __init__(self, case: Case) -> None:
        self._zone = ZoneInfo(case.zone)
        self._opposite = case.mode is Mode.OPEN_ONLY
        self._weekly = {shown for one in case.weekly for shown in shown_in_week(*one)}
        self._yearly = {shown for one in case.yearly for shown in shown_in_year(*one)}
        self._absolute = [(at(begin).timestamp(), at(end).timestamp()) for begin, end in case.absolute]

    def is_closed(self, moment: datetime) -> bool:
        """Whether a change is refused at that moment."""
        seconds = moment.timestamp()
        shown = datetime.fromtimestamp(seconds, self._zone)
        inside = (
            f"{shown:%a %H:%M}" in self._weekly
            or f"{shown:%m-%d}" in self._yearly
            or any(begin <= seconds < end for begin, end in self._absolute)
        )
        return inside is not self._opposite


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def shown_in_week(days: str, begin: str, end: str) -> Iterator[str]:
    for name in days.split():
        # 4 January 2027 is a Monday.
        clock = datetime(2027, 1, 4 + DAYS.index(name), int(begin[:2]), int(begin[3:]))  # noqa: DTZ001 — no zone
        first = True
        while first or f"{clock:%H:%M}" != end.replace("24:00", "00:00"):
            yield f"{clock:%a %H:%M}"
            clock, first = clock + MINUTE, False


def shown_in_year(begin: str, end: str) -> Iterator[str]:
    day = date.fromisoformat(f"2028-{begin}")
    while f"{day:%m-%d}" != end:
        yield f"{day:%m-%d}"
        day += timedelta(days=1)


@cache
def changes_of_clocks(zone: str) -> tuple[datetime, ...]:
    """The hours of 2027 in which clocks are changed, in UTC."""
    hours = [datetime(2027, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(365 * 24)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return tuple(hour for hour, (before, now) in zip(hours[1:], pairwise(offsets), strict=True) if before != now)


def around_changes_of_clocks() -> Iterator[Case]:
    for zone in ZONES:
        found = changes_of_clocks(zone)
        assert len(found) == 2, zone
        for change in found:
            day = change.astimezone(ZoneInfo(zone)).date()
            for spans in SPANS:
                weekly = tuple(
                    (DAYS[(day - timedelta(days=before)).weekday()], begin, end) for before, begin, end in spans
                )
                yield Case(zone, change - timedelta(hours=30), 3, weekly)


def by_the_calendar() -> Iterator[Case]:
    for zone in (*ZONES, "Asia/Kathmandu", "Pacific/Apia"):
        for year in (2027, 2028):
            february, december = datetime(year, 2, 26, tzinfo=UTC), datetime(year, 12, 29, tzinfo=UTC)
            yield Case(zone, february, 7, yearly=(("02-29", "03-01"),))
            yield Case(zone, february, 7, yearly=(("02-28", "02-29"), ("03-01", "03-02")))
            yield Case(zone, december, 6, yearly=(("12-31", "01-02"),), weekly=(("Fri", "12:00", "24:00"),))
        yield Case(
            zone,
            datetime(2027, 6, 1, tzinfo=UTC),
            3,
            weekly=(("Tue Wed", "10:00", "12:00"), ("Wed", "11:00", "10:30")),
            absolute=(
                ("2027-06-01T08:00:00Z", "2027-06-01T09:00:00Z"),
                ("2027-06-01T09:00:00Z", "2027-06-01T11:30:00+02:00"),
            ),
            mode=Mode.OPEN_ONLY,
        )


CASES = (*around_changes_of_clocks(), *by_the_calendar())


@cache
def edges_of(case: Case) -> tuple[datetime, ...]:
    """Where the oracle turns. All windows begin and end with a minute."""
    oracle = Oracle(case)
    seen = pairwise((oracle.is_closed(moment), moment) for moment in case.moments())
    return tuple(moment for (before, _), (now, moment) in seen if before is not now)


def near(edge: datetime) -> tuple[datetime, ...]:
    """Five moments around an edge, to the second."""
    return tuple(edge + step for step in (-MINUTE, -SECOND, timedelta(), SECOND, MINUTE))
