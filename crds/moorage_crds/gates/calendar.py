"""When a Freeze is closed: absolute, weekly and yearly windows at one moment. Pure.

The policies decide the same in CEL from the time that the API server has stamped (`freezes.yaml`); this module explains
what they decide, and says when it changes. Local time decides: an hour that comes twice is closed twice, and an hour
that never comes is skipped. All intervals are half-open, so a window that ends at 18:00 lets 18:00:00 pass.

The writer of a Freeze chooses its windows, and a process that serves all workspaces computes every answer. So windows
are joined once (`spans`), a moment is looked up, and the next turn is found by jumps from end to end.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from moorage_crds.gates.spans import Absolutes, Source, Weeks, Years

#: Days as `weekly.days` names them, in the order of `date.weekday`.
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: How far ahead `opens_at` and `closes_at` look. Yearly windows repeat after a year, and 29 February after eight.
HORIZON: Final = timedelta(days=400)


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
    _sources: tuple[Source, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        """Join the windows, once."""
        week = [(DAYS.index(day), one.begins, one.ends) for one in self.weekly for day in one.days]
        sources: tuple[Source, ...] = (
            Absolutes((one.begins.astimezone(UTC), one.ends.astimezone(UTC)) for one in self.absolute),
            Weeks(week, self.zone),
            Years(((one.begins, one.ends) for one in self.yearly), self.zone),
        )
        object.__setattr__(self, "_sources", tuple(one for one in sources if one))

    def is_closed(self, moment: datetime) -> bool:
        """Whether changes are refused at that moment (aware; of its seconds the whole ones count)."""
        whole = moment.astimezone(UTC).replace(microsecond=0)
        return any(one.covers(whole) for one in self._sources) != (self.mode is Mode.OPEN_ONLY)

    def next(self, after: datetime, *, closed: bool) -> datetime | None:
        """The first moment from `after` on (aware) at which it is closed, or open; None: none within the horizon."""
        if self.is_closed(after) is closed:
            return after
        begin = after.astimezone(UTC).replace(microsecond=0)
        try:
            last = begin + HORIZON
            if closed is not (self.mode is Mode.OPEN_ONLY):
                turns = [turn for one in self._sources if (turn := one.turn(begin, last)) is not None]
                return min(turns, default=None)
            return self._uncovered(begin, last)
        except OverflowError:
            # Beyond the year 9999 nothing is in sight.
            return None

    def _uncovered(self, moment: datetime, last: datetime) -> datetime | None:
        """The first moment that no window covers: from the end of one that does to that of the next."""
        while (source := next((one for one in self._sources if one.covers(moment)), None)) is not None:
            turn = source.turn(moment, last)
            if turn is None:
                return None
            moment = turn
        return moment
