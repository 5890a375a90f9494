"""When a Freeze is closed: absolute, weekly and yearly windows at one moment. Pure.

The policies decide the same in CEL from the time that the API server has stamped (`freezes.yaml`); this module explains
what they decide, and says when it changes. Local time decides: an hour that comes twice is closed twice, and an hour
that never comes is skipped. All intervals are half-open, so a window that ends at 18:00 lets 18:00:00 pass.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from heapq import merge
from itertools import groupby
from typing import Final

#: Days as `weekly.days` names them, in the order of `date.weekday`.
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: How far ahead `opens_at` and `closes_at` look. Yearly windows repeat after a year, and 29 February after eight.
HORIZON: Final = timedelta(days=400)

_MINUTES_OF_A_DAY: Final = 24 * 60


class Mode(StrEnum):
    """What the listed windows mean."""

    CLOSED = "Closed"
    """Changes are refused inside the windows."""
    OPEN_ONLY = "OpenOnly"
    """Changes are refused outside the windows."""


@dataclass(frozen=True, slots=True)
class Absolute:
    """From one moment to another, in UTC."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Weekly:
    """Some hours on some days of each week, in local time.

    Attributes:
        days: names out of `DAYS`; the day on which the window begins.
        begins: minutes after midnight.
        ends: minutes after midnight, up to 1440; not after `begins` means that the window goes over midnight.
    """

    days: frozenset[str]
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Yearly:
    """Some days of each year, in local time.

    Attributes:
        begins: month × 100 + day of the first closed day.
        ends: the same for the first day after the window; before `begins` means over the end of the year.
    """

    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """All windows of one Freeze.

    Attributes:
        zone: in which weekly and yearly windows are meant.
    """

    mode: Mode = Mode.CLOSED
    absolute: tuple[Absolute, ...] = ()
    weekly: tuple[Weekly, ...] = ()
    yearly: tuple[Yearly, ...] = ()
    zone: tzinfo = UTC

    def is_closed(self, moment: datetime) -> bool:
        """Whether changes are refused at that moment (aware; of its seconds the whole ones count)."""
        moment = moment.astimezone(UTC).replace(microsecond=0)
        return self._inside(moment) != (self.mode is Mode.OPEN_ONLY)

    def _inside(self, moment: datetime) -> bool:
        if any(window.begins <= moment < window.ends for window in self.absolute):
            return True
        local = moment.astimezone(self.zone)
        return any(_in_week(window, local) for window in self.weekly) or any(
            _in_year(window, local) for window in self.yearly
        )

    def edges(self, after: datetime) -> Iterator[datetime]:
        """The moments after `after` at which the verdict may change, in order, up to the horizon.

        Not at each of them it does; between two of them it never does. They are worked out as they are asked for.
        """
        begin = after.astimezone(UTC)
        end = begin + HORIZON
        found = merge(sorted(self._absolute_edges()), self._local_edges(begin, end))
        return (edge for edge, _ in groupby(found) if begin < edge <= end)

    def _absolute_edges(self) -> Iterator[datetime]:
        for window in self.absolute:
            yield window.begins
            yield window.ends

    def _local_edges(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        """In order: what a day brings is held back for one day, because clocks that are put back mix two days."""
        if not self.weekly and not self.yearly:
            return
        held: set[datetime] = set()
        day = begin.astimezone(self.zone).date() - timedelta(days=1)
        last = end.astimezone(self.zone).date()
        while day <= last:
            held |= self._edges_of_day(day)
            final = datetime.combine(day, time(0), self.zone).astimezone(UTC) - timedelta(days=1)
            yield from sorted(edge for edge in held if edge < final)
            held = {edge for edge in held if edge >= final}
            day += timedelta(days=1)
        yield from sorted(held)

    def _edges_of_day(self, day: date) -> set[datetime]:
        instants = {instant for minute in self._minutes(day) for instant in _instants(day, minute, self.zone)}
        return instants | set(_transition(day, self.zone))

    def _minutes(self, day: date) -> Iterator[int]:
        """Minutes of that day at which a window begins or ends. Midnight changes the day itself."""
        for window in self.weekly:
            yield window.begins
            yield window.ends % _MINUTES_OF_A_DAY
        if self.weekly or _month_day(day) in {edge for one in self.yearly for edge in (one.begins, one.ends)}:
            yield 0
        elif self.yearly and day.day == 1:
            # 29 February of a year without one begins on 1 March.
            yield 0


def next_change(calendars: Iterable[Calendar], after: datetime, *, to_closed: bool) -> datetime | None:
    """The first moment after `after` at which the verdict turns; None if it does not within the horizon.

    Args:
        calendars: one that is closed closes all.
        after: aware.
        to_closed: look for the turn from open to closed, instead of the one from closed to open.
    """
    known = tuple(calendars)

    def closed(moment: datetime) -> bool:
        return any(one.is_closed(moment) for one in known)

    before = closed(after)
    for edge in merge(*(one.edges(after) for one in known)):
        now = closed(edge)
        if now is to_closed and before is not to_closed:
            return edge
        before = now
    return None


def _in_week(window: Weekly, local: datetime) -> bool:
    minute = local.hour * 60 + local.minute
    today = DAYS[local.weekday()]
    if window.begins < window.ends:
        return today in window.days and window.begins <= minute < window.ends
    yesterday = DAYS[(local.weekday() + 6) % 7]
    return (today in window.days and minute >= window.begins) or (yesterday in window.days and minute < window.ends)


def _in_year(window: Yearly, local: datetime) -> bool:
    today = _month_day(local.date())
    if window.begins < window.ends:
        return window.begins <= today < window.ends
    return today >= window.begins or today < window.ends


def _month_day(day: date) -> int:
    return day.month * 100 + day.day


def _instants(day: date, minute: int, zone: tzinfo) -> Iterator[datetime]:
    """The moments at which clocks show that minute: two where an hour comes twice."""
    for fold in (0, 1):
        yield datetime.combine(day, time(minute // 60, minute % 60, fold=fold), zone).astimezone(UTC)


def _transition(day: date, zone: tzinfo) -> Iterator[datetime]:
    """The moment of that day at which clocks are changed, if there is one."""
    low = datetime.combine(day, time(0), zone).astimezone(UTC)
    high = datetime.combine(day + timedelta(days=1), time(0), zone).astimezone(UTC)
    before = low.astimezone(zone).utcoffset()
    if before == high.astimezone(zone).utcoffset():
        return
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    yield high
