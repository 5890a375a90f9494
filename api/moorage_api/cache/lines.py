"""The lines of one environment in their order, for every filter, so that a page costs what it shows.

Each line stands in four lists: of all, of its app, of its action, and of both. A count is then a difference of two
positions, and a page is a walk over its own lines.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Final

from sortedcontainers import SortedKeyList

from moorage_api.cache.line import NO_TIME, Line
from moorage_crds.objects import is_newer

Key = tuple[str, str, int]

#: Sorts after every uid.
AFTER_UIDS: Final = "~"
_FIRST: Final[Key] = ("", "", 0)
_LAST: Final[Key] = (NO_TIME, AFTER_UIDS, 0)
_FIRST_UNTIMED: Final[Key] = (NO_TIME, "", 0)
#: The newest lines that got another place since a first page was made, and are still shown at the old one.
MAX_MOVED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Filters:
    """Which lines of a history are wanted. Times are whole seconds of RFC 3339 in UTC, both inclusive."""

    app: str | None = None
    action: str | None = None
    since: str | None = None
    until: str | None = None

    def match(self, line: Line) -> bool:
        """Whether the line is wanted, times apart."""
        return (self.app is None or line.app == self.app) and (self.action is None or line.action == self.action)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended.

    Attributes:
        key: of its last line.
        as_of: resourceVersion of the records when the first page was made. A line that has been recorded since keeps
            its old place on the pages that follow: by the time that the record gave it, it could be there twice.
    """

    key: Key
    as_of: str


@dataclass(frozen=True, slots=True)
class Slice:
    """A page of lines, newest first.

    Attributes:
        total: all lines, whatever matches.
        matching: all lines that match, not only these.
        last: the line to continue after; None if this is the last page.
    """

    lines: Sequence[Line]
    total: int
    matching: int
    last: Position | None


@dataclass(slots=True)
class Work:
    """How many lines were looked at to answer; what tests and metrics compare with how many were shown."""

    lines: int = 0


class LineIndex:
    """Lines in their order.

    Args:
        work: counts the lines that are looked at.
        lists_of: the lists in which a line stands; default: one for every filter by app and action.
    """

    def __init__(self, work: Work, lists_of: "ListsOf | None" = None) -> None:
        self._work = work
        self._lists_of = lists_of or _lists_of
        self._lists: dict[tuple[str | None, str | None], SortedKeyList[Line, Key]] = {}
        #: lines that stood elsewhere before they were recorded, by version
        self._moved: SortedKeyList[Line, tuple[int, str]] = SortedKeyList(key=_version)

    def __len__(self) -> int:
        """How many lines there are."""
        return len(self._lists.get((None, None), ()))

    def add(self, line: Line) -> None:
        """Put a line in."""
        for which in self._lists_of(line):
            known = self._lists.get(which)
            if known is None:
                known = self._lists[which] = SortedKeyList(key=_key)
            known.add(line)
        if line.was is not None:
            self._moved.add(line)

    def extend(self, lines: Iterable[Line]) -> None:
        """Put many lines in at once, which is cheaper."""
        sorted_out: dict[tuple[str | None, str | None], list[Line]] = {}
        for line in lines:
            for which in self._lists_of(line):
                sorted_out.setdefault(which, []).append(line)
            if line.was is not None:
                self._moved.add(line)
        for which, those in sorted_out.items():
            self._lists.setdefault(which, SortedKeyList(key=_key)).update(those)

    def remove(self, line: Line) -> None:
        """Take a line out."""
        for which in self._lists_of(line):
            known = self._lists[which]
            known.remove(line)
            if not known:
                del self._lists[which]
        if line.was is not None:
            self._moved.remove(line)

    def clear(self) -> None:
        """Take everything out."""
        self._lists.clear()
        self._moved.clear()

    def count(self, filters: Filters) -> int:
        """How many lines are wanted."""
        known = self._lists.get((filters.app, filters.action))
        if known is None:
            return 0
        if filters.since is None and filters.until is None:
            return len(known)
        end = len(known) if filters.until is None else known.bisect_key_left((filters.until, AFTER_UIDS, 0))
        begin = 0 if filters.since is None else known.bisect_key_left((filters.since, "", 0))
        return max(0, end - begin) + sum(1 for _ in self._untimed(known, filters, _LAST))

    def walk(self, filters: Filters, after: Position | None, as_of: str) -> Iterator[Line]:
        """The wanted lines after a position, newest first, each where it stood when the records had that version."""
        known = self._lists.get((filters.app, filters.action))
        if known is None:
            return iter(())
        low: Key = (filters.since, "", 0) if filters.since else _FIRST
        end = after.key if after is not None else _LAST
        high: Key = min(end, (filters.until, AFTER_UIDS, 0)) if filters.until is not None else end
        found: Iterable[Line] = self._seen(known.irange_key(low, high, inclusive=(True, False), reverse=True))
        elsewhere = self._since_moved(as_of)
        if elsewhere:
            ids = {id(line) for line in elsewhere}
            there = sorted((line for line in elsewhere if filters.match(line)), key=old_key, reverse=True)
            rest = (line for line in found if id(line) not in ids)
            found = merge(rest, _between(there, low, high), key=_Places(ids), reverse=True)
            if filters.until is not None:
                untimed = self._untimed(known, filters, end)
                were = (line for line in _between(there, _FIRST_UNTIMED, end) if _within(line, filters))
                return _chained(merge(untimed, were, key=_Places(ids), reverse=True), found)
        return _chained(self._untimed(known, filters, end), found)

    def place(self, line: Line, as_of: str) -> Key:
        """Where a line stands for somebody who began to read when the records had that version."""
        if line.was is not None and is_newer(line.version, as_of) and line in self._since_moved(as_of):
            return old_key(line)
        return line.key

    def _untimed(self, known: "SortedKeyList[Line, Key]", filters: Filters, end: Key) -> Iterator[Line]:
        """Lines without a time yet stand after every `until`; those that were seen before it are wanted too."""
        if filters.until is None:
            return iter(())
        those = self._seen(known.irange_key(_FIRST_UNTIMED, end, inclusive=(True, False), reverse=True))
        return (line for line in those if _within(line, filters))

    def _since_moved(self, as_of: str) -> list[Line]:
        newer = self._moved.irange_key((len(as_of), as_of), None, inclusive=(False, True), reverse=True)
        return list(islice(newer, MAX_MOVED))

    def _seen(self, lines: Iterable[Line]) -> Iterator[Line]:
        for line in lines:
            self._work.lines += 1
            yield line


class _Places:
    """Key for a merge: lines among `ids` stand where they stood."""

    def __init__(self, ids: set[int]) -> None:
        self._ids = ids

    def __call__(self, line: Line) -> Key:
        return old_key(line) if id(line) in self._ids else line.key


def old_key(line: Line) -> Key:
    """Where a line stood before it was recorded."""
    return line.key if line.was is None else (line.was, line.uid, line.sequence)


def _between(lines: Iterable[Line], low: Key, high: Key) -> Iterator[Line]:
    return (line for line in lines if low <= old_key(line) < high)


def _within(line: Line, filters: Filters) -> bool:
    """Whether the time that people see of a line is wanted."""
    return (filters.since is None or line.at >= filters.since) and (filters.until is None or line.at <= filters.until)


def _chained(first: Iterable[Line], then: Iterable[Line]) -> Iterator[Line]:
    yield from first
    yield from then


def _lists_of(line: Line) -> tuple[tuple[str | None, str | None], ...]:
    action = line.action.value
    return ((None, None), (line.app, None), (None, action), (line.app, action))


ListsOf = Callable[[Line], tuple[tuple[str | None, str | None], ...]]


def only_all(line: Line) -> tuple[tuple[str | None, str | None], ...]:
    """The list of all lines alone: for an index that is walked through and filtered on the way."""
    return ((None, None),)


def _key(line: Line) -> Key:
    return line.key


def _version(line: Line) -> tuple[int, str]:
    return (len(line.version), line.version)
