"""The history of one Deployment: its lines by number, their places in time, and which of them can still be recorded.

Lines stand in the order of their numbers, whatever times they carry: the place of a line is its time within the bounds
that no client can set (`moorage_crds.stamps`), and never before that of the line before it. A line that has no such
time yet stands first of all, at every replica alike; people see the moment at which it was seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from moorage_api.cache.line import NO_TIME, Line
from moorage_api.cache.views import BindingView, EnvironmentView, pending_line
from moorage_crds.kinds.deployment import Action, Change, deletion_change
from moorage_crds.objects import is_newer
from moorage_crds.stamps import Bounds, believed, time_of

#: Missing numbers for each line of a chain, beyond which its lines are sorted instead of counted.
_GAPS: Final = 4


@dataclass(slots=True)
class ChainLines:
    """All kept lines of one Deployment.

    Attributes:
        records: by sequence.
        pending: lines without a record, by sequence.
        live: the Deployment, while it exists.
        top: the highest sequence there is; 0 without lines.
        bottom: the lowest sequence there is; 1 without lines.
        counted: its lines stand in the index of its environment.
    """

    uid: str
    app: str
    records: dict[int, Line] = field(default_factory=dict)
    pending: dict[int, Line] = field(default_factory=dict)
    live: BindingView | None = None
    top: int = 0
    bottom: int = 1
    counted: bool = True

    def __len__(self) -> int:
        """How many lines there are."""
        return len(self.records) + len(self.pending)

    @property
    def imported(self) -> bool:
        """It is the past that an import claims."""
        return any(line.claim is not None for line in islice(self.records.values(), 1))

    @property
    def empty(self) -> bool:
        """Nothing is known of it any more."""
        return self.live is None and not self.records and not self.pending

    def last(self) -> Line | None:
        """The newest line by sequence."""
        return self.get(self.top)

    def put(self, line: Line) -> None:
        """Keep a line, in place of the one with its number."""
        if not len(self):
            self.bottom = self.top = line.sequence
        lines = self.records if line.recorded else self.pending
        lines[line.sequence] = line
        self.top, self.bottom = max(self.top, line.sequence), min(self.bottom, line.sequence)

    def drop(self, line: Line) -> None:
        """Forget a line."""
        lines = self.records if line.recorded else self.pending
        lines.pop(line.sequence, None)
        if line.sequence in {self.top, self.bottom}:
            self._measure(line.sequence)

    def _measure(self, gone: int) -> None:
        """Find the ends again: mostly the next number, because lines go at the ends."""
        if not len(self):
            self.top, self.bottom = 0, 1
        elif len(self) * _GAPS < self.top - self.bottom:
            known = [*self.records, *self.pending]
            self.top, self.bottom = max(known), min(known)
        elif gone == self.top:
            self.top = next(number for number in range(gone - 1, self.bottom - 1, -1) if self.get(number))
        else:
            self.bottom = next(number for number in range(gone + 1, self.top + 1) if self.get(number))

    def get(self, sequence: int) -> Line | None:
        """The line of that number."""
        return self.records.get(sequence) or self.pending.get(sequence)

    def lines(self) -> Iterator[Line]:
        """All lines, in no order."""
        yield from self.records.values()
        yield from self.pending.values()

    def descending(self) -> Iterator[Line]:
        """All lines, newest first. What is not asked for is not looked at."""
        if len(self) * _GAPS < self.top - self.bottom:
            numbers: Sequence[int] = sorted([*self.records, *self.pending], reverse=True)
        else:
            numbers = range(self.top, self.bottom - 1, -1)
        return (line for number in numbers if (line := self.get(number)) is not None)

    def oldest_sequence(self) -> int:
        """Number of the oldest kept line, 1 if there is none."""
        return self.bottom

    def at(self, moment: str) -> Line | None:
        """The last line that was there at that moment, in whole seconds of RFC 3339; sought by halves."""
        if len(self) != self.top - self.bottom + 1:
            return next((line for line in self.descending() if line.moment <= moment), None)
        low, high = self.bottom - 1, self.top
        while low < high:
            middle = (low + high + 1) // 2
            line = self.get(middle)
            if line is not None and line.moment <= moment:
                low = middle
            else:
                high = middle - 1
        return self.get(low) if low >= self.bottom else None

    # --- places

    def placed(self, line: Line) -> Line:
        """A line in its place: not before the line before it."""
        return _behind(line, self.get(line.sequence - 1))

    def displaced(self, line: Line) -> Iterator[tuple[Line, Line]]:
        """Lines after that one which stand elsewhere because of it: as they are, and as they should be."""
        before, following = line, self.get(line.sequence + 1)
        while following is not None:
            placed = _behind(following, before)
            if placed.key == following.key:
                return
            yield following, placed
            before, following = placed, self.get(following.sequence + 1)

    # --- what is not recorded yet

    def wanted(self, view: BindingView, changes: Sequence[Change], now: str) -> dict[int, Line]:
        """The lines of the changes that have no record yet, with their times and places, by sequence."""
        found: dict[int, Line] = {}
        stamps = [change.at for change in changes]
        before = self.get(changes[0].sequence - 1) if changes else None
        for number, change in enumerate(changes):
            old = self.pending.get(change.sequence)
            bounds = Bounds(
                created_at=view.created_at or None,
                after=before.at if before is not None else None,
                seen_at=old.created if old is not None else now,
            )
            at = time_of(stamps[number:], bounds)
            timed = any(believed(stamp, bounds) for stamp in stamps[number:])
            line = pending_line(view, change, at=at, own=at if timed else NO_TIME, seen_at=bounds.seen_at)
            if old is not None:
                line = replace(line, first_version=old.first_version)
            before = found[change.sequence] = _behind(line, before)
        return found

    def with_end(self, view: BindingView) -> tuple[Change, ...]:
        """The changes of a Deployment that is gone, as it was at the end: if it had a release, that was taken out."""
        end = deletion_change(last_sequence=view.last_sequence, release=view.release)
        return view.pending if end is None else (*view.pending, end)

    def lost(self) -> Mapping[int, Line]:
        """Unrecorded lines of a Deployment that is gone which only an operator that saw them could still record.

        One that did not finds the newest record and ends the chain after it; nothing else can come then.
        """
        recorded = max(self.records, default=0)
        return {number: line for number, line in self.pending.items() if number > recorded}

    def ending(self) -> Change | None:
        """What an operator records that finds the Deployment gone and knows the records alone."""
        recorded = max(self.records, default=0)
        newest = self.records.get(recorded)
        return deletion_change(last_sequence=recorded, release=newest.release) if newest is not None else None


def _behind(line: Line, before: Line | None) -> Line:
    place = line.own if before is None else max(line.own, before.key[0])
    return line if place == line.key[0] else line.moved_to(place)


def belongs(chain: ChainLines, environment: EnvironmentView, birth: str | None) -> bool:
    """Whether a chain is part of the history of an Environment.

    It is, unless it is certain that its last change was made before the Environment was created and left no release
    that is still there. Certain is what the API server says: the version and the time at which the line was there at
    the latest. The time in a change is not looked at, so no forged time hides a line.

    Args:
        chain: the history of a Deployment with the environment's name.
        environment: the Environment that asks.
        birth: the resourceVersion with which it was created, if that is known.
    """
    if chain.live is not None and chain.live.release is not None:
        return True
    last = chain.last()
    if last is None:
        return False
    if birth is not None:
        return not is_newer(birth, last.first_version)
    return last.created >= environment.created_at


def after_pending(line: Line, pending: Line | None) -> Line:
    """The line of a record that takes the place of an unrecorded one: it remembers where that stood.

    Where that was not seen, because this process did not run then: what nobody stamped had no time.
    """
    unstamped = line.action is Action.ADOPT or line.by is None
    was = pending.key[0] if pending is not None else NO_TIME if unstamped else line.key[0]
    first = pending.first_version if pending is not None else line.first_version
    if was == line.key[0] and first == line.first_version:
        return line
    return replace(line, was=was if was != line.key[0] else None, first_version=first)
