"""Windows that are joined into spans: whether a moment is covered, and when that turns. Pure.

Overlapping and touching windows become one span, so that what is looked up and what is walked through grows with what
the windows mean, and not with how many they are.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final, Protocol

_DAY: Final = 24 * 60
_WEEK: Final = 7 * _DAY
#: After every month and day.
_YEAR: Final = 1300
_MIDNIGHT: Final = time(0)
_ONE_DAY: Final = timedelta(days=1)
#: Two days that are further apart than this are not mixed by clocks that are put back.
_APART: Final = timedelta(days=3)


class Source(Protocol):
    """Windows of one sort. True if there are any."""

    def __bool__(self) -> bool:
        """Whether there is a window."""
        ...

    def covers(self, moment: datetime) -> bool:
        """Whether a window covers that moment (UTC, whole seconds)."""
        ...

    def turn(self, moment: datetime, last: datetime) -> datetime | None:
        """The first moment after `moment`, up to `last`, at which `covers` turns; None if there is none."""
        ...


def joined(spans: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The same spans in order, with a gap between each and the next. Those that are empty are left out."""
    found: list[tuple[Any, Any]] = []
    for begin, end in sorted(span for span in spans if span[0] < span[1]):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


class _Spans:
    """Spans that are looked up by their beginnings."""

    def __init__(self, spans: Iterable[tuple[Any, Any]]) -> None:
        self.spans = joined(spans)
        self._begins = [begin for begin, _ in self.spans]

    def __bool__(self) -> bool:
        return bool(self.spans)

    def at(self, point: Any) -> int:
        """The number of the span that begins last, not after that point; -1: none does."""
        return bisect_right(self._begins, point) - 1

    def has(self, point: Any) -> bool:
        """Whether a span covers the point."""
        number = self.at(point)
        return number >= 0 and bool(point < self.spans[number][1])


class Absolutes(_Spans):
    """From one moment to another."""

    def covers(self, moment: datetime) -> bool:
        """Whether a window covers it."""
        return self.has(moment)

    def turn(self, moment: datetime, last: datetime) -> datetime | None:
        """The end of the span that covers it, or the beginning of the next."""
        number = self.at(moment)
        if number >= 0 and moment < self.spans[number][1]:
            found: datetime = self.spans[number][1]
        elif number + 1 < len(self.spans):
            found = self.spans[number + 1][0]
        else:
            return None
        return found if found <= last else None


class Weeks(_Spans):
    """Hours of the week on the clocks of a zone.

    Args:
        windows: day (Monday is 0), minutes after its midnight, and minutes at which it ends; not after the first: on
            the next day.
        zone: whose clocks.
    """

    def __init__(self, windows: Iterable[tuple[int, int, int]], zone: tzinfo) -> None:
        super().__init__(part for window in windows for part in _of_week(*window))
        self._zone = zone
        edges = {point % _WEEK for span in self.spans for point in span} if self._turns else set()
        self._minutes = [sorted(edge % _DAY for edge in edges if edge // _DAY == day) for day in range(7)]

    @property
    def _turns(self) -> bool:
        """Whether there is something covered and something that is not."""
        return bool(self.spans) and self.spans != [(0, _WEEK)]

    def covers(self, moment: datetime) -> bool:
        """Whether the clocks show an hour of a window."""
        local = _local(moment, self._zone)
        return self.has(local.weekday() * _DAY + local.hour * 60 + local.minute)

    def turn(self, moment: datetime, last: datetime) -> datetime | None:
        """Where the clocks reach the end of a span, or are changed."""
        if not self._turns:
            return None
        before = self.covers(moment)
        for edge in self._edges(moment):
            if edge > last:
                return None
            if self.covers(edge) is not before:
                return edge
        return None

    def _edges(self, after: datetime) -> Iterator[datetime]:
        """The moments after `after` at which a span may begin or end, in order, without an end."""
        local = _local(after, self._zone)
        today = local.date()
        day = today - _ONE_DAY
        while True:
            following = day + _ONE_DAY
            if _midnight(day, self._zone) != _midnight(following + _ONE_DAY, self._zone):
                # Clocks are changed, which can mix the minutes of both days.
                found = self._all_of(day) | self._all_of(following)
                yield from sorted(edge for edge in found if edge > after)
                day = following + _ONE_DAY
                continue
            if day >= today:
                minutes = self._minutes[day.weekday()]
                first = bisect_right(minutes, local.hour * 60 + local.minute) if day == today else 0
                yield from (_instant(day, minute, self._zone) for minute in minutes[first:])
            day = following

    def _all_of(self, day: date) -> set[datetime]:
        found = {one for minute in self._minutes[day.weekday()] for one in _instants(day, minute, self._zone)}
        return found | set(_transition(day, self._zone))


class Years(_Spans):
    """Days of the year on the clocks of a zone.

    Args:
        windows: month × 100 + day of the first day, and of the first day after it; before the first: in the next year.
        zone: whose clocks.
    """

    def __init__(self, windows: Iterable[tuple[int, int]], zone: tzinfo) -> None:
        super().__init__(part for window in windows for part in _of_year(*window))
        self._zone = zone
        # A window over the end of a year is two spans that touch there.
        ends = {point for span in self.spans for point in span}
        self._days = sorted(ends - {0, _YEAR})

    def covers(self, moment: datetime) -> bool:
        """Whether the clocks show a day of a window."""
        local = _local(moment, self._zone)
        return self.has(local.month * 100 + local.day)

    def turn(self, moment: datetime, last: datetime) -> datetime | None:
        """Where the clocks reach the day after a span, or its first one."""
        before = self.covers(moment)
        for edge in self._edges(moment, last):
            if edge > last:
                return None
            if self.covers(edge) is not before:
                return edge
        return None

    def _edges(self, after: datetime, last: datetime) -> Iterator[datetime]:
        first = _local(after, self._zone).date() - _ONE_DAY
        final = _local(last, self._zone).date() + _ONE_DAY
        together: list[date] = []
        for day in self._turning_days(first, final):
            if together and day - together[-1] > _APART:
                yield from self._all_of(together, after)
                together = []
            together.append(day)
        yield from self._all_of(together, after)

    def _turning_days(self, first: date, final: date) -> Iterator[date]:
        for year in range(first.year, final.year + 1):
            for one in self._days:
                day = _day_of(year, one)
                if first <= day <= final:
                    yield day

    def _all_of(self, days: Sequence[date], after: datetime) -> list[datetime]:
        found: set[datetime] = set()
        for day in days:
            found.update(_instants(day, 0, self._zone))
            for near in (day - _ONE_DAY, day, day + _ONE_DAY):
                found.update(_transition(near, self._zone))
        return sorted(edge for edge in found if edge > after)


def _of_week(day: int, begins: int, ends: int) -> Iterator[tuple[int, int]]:
    begin = day * _DAY + begins
    end = day * _DAY + ends + (0 if begins < ends else _DAY)
    yield begin, min(end, _WEEK)
    yield 0, end - _WEEK


def _of_year(begins: int, ends: int) -> Iterator[tuple[int, int]]:
    if begins < ends:
        yield begins, ends
    else:
        yield begins, _YEAR
        yield 0, ends


def _day_of(year: int, month_day: int) -> date:
    """The first day of a year that is not before that one: of 29 February mostly 1 March."""
    month, day = divmod(month_day, 100)
    try:
        return date(year, month, day)
    except ValueError:
        return date(year, month + 1, 1)


def _local(moment: datetime, zone: tzinfo) -> datetime:
    """What clocks show; in the first and the last hours that Python's calendar has, those of UTC."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment


def _midnight(day: date, zone: tzinfo) -> timedelta | None:
    """How far the clocks are from UTC at the beginning of a day."""
    return datetime.combine(day, _MIDNIGHT, zone).utcoffset()


def _instant(day: date, minute: int, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(minute // 60, minute % 60), zone).astimezone(UTC)


def _instants(day: date, minute: int, zone: tzinfo) -> Iterator[datetime]:
    """The moments at which clocks show that minute: two where an hour comes twice."""
    for fold in (0, 1):
        yield datetime.combine(day, time(minute // 60, minute % 60, fold=fold), zone).astimezone(UTC)


def _transition(day: date, zone: tzinfo) -> Iterator[datetime]:
    """The moment of that day at which clocks are changed, if there is one."""
    low = datetime.combine(day, _MIDNIGHT, zone).astimezone(UTC)
    high = datetime.combine(day + _ONE_DAY, _MIDNIGHT, zone).astimezone(UTC)
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
