"""The history, indexed for reading: all lines of an environment in order, out of records and of logs not yet recorded.

A `Chain` is the history of one Deployment (by uid), a `Shelf` holds the chains of one environment name. Lines are kept
sorted as they come, so that a page costs the same at the first and at the thousandth page.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import merge
from itertools import islice

from sortedcontainers import SortedKeyList

from moorage_api import idempotency
from moorage_api.cache.versions import Versions
from moorage_api.views import NO_TIME, BindingView, EnvironmentView, Line, pending_line
from moorage_crds import deployment
from moorage_crds.deployment import Action
from moorage_crds.objects import is_newer

Key = tuple[str, str, int]


_NO_LINES: dict[int, Line] = {}


def _key(line: Line) -> Key:
    return line.key


@dataclass(slots=True)
class Chain:
    """All kept lines of one Deployment.

    Attributes:
        records: by sequence.
        pending: lines without a record, by sequence.
        live: the Deployment, while it exists.
        top: the highest sequence there is; 0 without lines.
    """

    uid: str
    app: str
    records: dict[int, Line] = field(default_factory=dict)
    pending: dict[int, Line] = field(default_factory=dict)
    live: BindingView | None = None
    top: int = 0

    def __len__(self) -> int:
        """How many lines there are."""
        return len(self.records) + len(self.pending)

    @property
    def empty(self) -> bool:
        """Nothing is known of it any more."""
        return self.live is None and not self.records and not self.pending

    def last(self) -> Line | None:
        """The newest line by sequence."""
        return self.get(self.top)

    def dropped(self, sequence: int) -> None:
        """A line was taken out."""
        if sequence == self.top:
            self.top = max([*self.records, *self.pending], default=0)

    def get(self, sequence: int) -> Line | None:
        """The line of that number."""
        return self.records.get(sequence) or self.pending.get(sequence)

    def descending(self) -> list[Line]:
        """All lines, newest first."""
        return [line for _, line in sorted((self.records | self.pending).items(), reverse=True)]

    def oldest_sequence(self) -> int:
        """Number of the oldest kept line, 1 if there is none."""
        return min([*self.records, *self.pending], default=1)


@dataclass(slots=True)
class Shelf:
    """The chains of one environment name in one Namespace.

    Attributes:
        moved: recorded lines that stood elsewhere before they were recorded, by uid and sequence.
        revision: changes whenever anything on it does; no two shelves ever have the same.
        memo: a `Belonging`, valid for one revision and one Environment.
    """

    chains: dict[str, Chain] = field(default_factory=dict)
    lines: "SortedKeyList[Line, Key]" = field(default_factory=lambda: SortedKeyList(key=_key))
    moved: dict[tuple[str, int], Line] = field(default_factory=dict)
    revision: int = 0
    memo: "tuple[int, str, str | None, Belonging] | None" = None


@dataclass(frozen=True, slots=True)
class Belonging:
    """Which chains of a shelf belong to an Environment, and how many lines they have."""

    excluded: frozenset[str]
    total: int


@dataclass(frozen=True, slots=True)
class Filters:
    """Which lines of a history are wanted. Times are whole seconds of RFC 3339 in UTC, both inclusive."""

    app: str | None = None
    action: str | None = None
    since: str | None = None
    until: str | None = None

    @property
    def empty(self) -> bool:
        """Everything is wanted."""
        return self == _ALL

    def match(self, line: Line) -> bool:
        """Whether the line is wanted, times apart."""
        return (self.app is None or line.app == self.app) and (self.action is None or line.action == self.action)


_ALL = Filters()


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
        total: all lines that match, not only these.
        last: where to go on from; None if this is the last page.
    """

    lines: Sequence[Line]
    total: int
    last: Position | None


class HistoryIndex:
    """All lines by environment. It is the sink of the reflector of records; bindings are told to it by the cache."""

    def __init__(self) -> None:
        self.versions = Versions()
        self._shelves: dict[tuple[str, str], Shelf] = {}
        self._places: dict[str, tuple[str, str]] = {}
        self._revisions = 0
        #: (Namespace, user, hash of the Idempotency-Key) → the line that the key made
        self._keys: dict[tuple[str, str, str], Line] = {}

    # --- the port Sink, for records

    def replace(self, views: Sequence[Line], resource_version: str) -> None:
        """A complete list of records. Works on the difference, so that a relist does not hold up the loop."""
        fresh: dict[str, dict[int, Line]] = {}
        for line in views:
            lines = fresh.get(line.uid)
            if lines is None:
                lines = fresh[line.uid] = {}
            lines[line.sequence] = line
        for chain in [chain for shelf in self._shelves.values() for chain in shelf.chains.values()]:
            for sequence in chain.records.keys() - fresh.get(chain.uid, _NO_LINES).keys():
                self._drop_record(chain.records[sequence])
        for uid, lines in fresh.items():
            there = self.chain(uid)
            known = there.records if there is not None else _NO_LINES
            for sequence, line in lines.items():
                old = known.get(sequence)
                if old is None or old.version != line.version:
                    self._put_record(line)
        self.versions.advance(resource_version)

    def apply(self, kind: str, view: Line) -> None:
        """One event of the watch on records."""
        if kind == "DELETED":
            self._drop_record(view)
        else:
            self._put_record(view)
        self.versions.advance(view.version)

    def progress(self, resource_version: str) -> None:
        """A bookmark."""
        self.versions.advance(resource_version)

    def __len__(self) -> int:
        """How many lines there are."""
        return sum(len(shelf.lines) for shelf in self._shelves.values())

    # --- bindings

    def binding_changed(self, view: BindingView) -> None:
        """A Deployment is new or changed: its unrecorded changes become lines."""
        shelf, chain = self._chain(view.namespace, view.environment, view.uid, view.app)
        chain.live = view
        wanted = {change.sequence: pending_line(view, change) for change in view.pending}
        for sequence in [number for number in chain.pending if number not in wanted]:
            # Up to `recorded` there is a record, which the watch of records may still owe us: keep the line till then.
            if sequence > view.recorded or sequence < view.floor:
                self._take(shelf, chain.pending.pop(sequence))
                chain.dropped(sequence)
        for sequence, line in wanted.items():
            self._put_pending(shelf, chain, sequence, line)
        self._touch(shelf)

    def binding_gone(self, view: BindingView, *, namespace_stays: bool) -> None:
        """A Deployment was deleted. If it still had a release, that is an undeploy, which the operator will record.

        In a Namespace that goes too nobody will.
        """
        place = self._places.get(view.uid)
        if place is None:
            return
        shelf = self._shelves[place]
        chain = shelf.chains[view.uid]
        chain.live = None
        last = deployment.deletion_change(last_sequence=view.last_sequence, release=view.release)
        if last is not None and namespace_stays:
            self._put_pending(shelf, chain, last.sequence, pending_line(view, last))
        self._touch(shelf)
        self._forget_if_empty(place, shelf, chain)

    def namespace_gone(self, namespace: str) -> None:
        """A Namespace is gone: what was never recorded there never will be."""
        for place, shelf in [(key, shelf) for key, shelf in self._shelves.items() if key[0] == namespace]:
            for chain in [chain for chain in shelf.chains.values() if chain.live is None]:
                for line in chain.pending.values():
                    self._take(shelf, line)
                chain.pending.clear()
                chain.dropped(chain.top)
                self._touch(shelf)
                self._forget_if_empty(place, shelf, chain)

    # --- reading

    def revision(self, namespace: str, environment: str) -> int:
        """Changes with every change of the history of that name."""
        shelf = self._shelves.get((namespace, environment))
        return shelf.revision if shelf else 0

    def chain(self, uid: str) -> Chain | None:
        """The history of one Deployment."""
        place = self._places.get(uid)
        return self._shelves[place].chains[uid] if place else None

    def chains(self, environment: EnvironmentView, birth: str | None) -> list[Chain]:
        """The chains that belong to the Environment.

        Args:
            environment: the Environment that asks.
            birth: the resourceVersion with which it was created, if that is known.
        """
        shelf = self._shelves.get((environment.namespace, environment.name))
        if shelf is None:
            return []
        excluded = _belonging(shelf, environment, birth).excluded
        return [chain for uid, chain in shelf.chains.items() if uid not in excluded]

    def page(
        self,
        environment: EnvironmentView,
        birth: str | None,
        *,
        filters: Filters,
        after: Position | None,
        limit: int,
    ) -> Slice:
        """Lines of the Environment, newest first, from the top or from where an earlier page ended."""
        shelf = self._shelves.get((environment.namespace, environment.name))
        if shelf is None:
            return Slice((), 0, None)
        belonging = _belonging(shelf, environment, birth)
        now = self.versions.current
        as_of = after.as_of if after is not None else now
        total = belonging.total if filters.empty else sum(1 for _ in _lines(shelf, belonging, filters, None, now))
        found = list(islice(_lines(shelf, belonging, filters, after, as_of), limit + 1))
        lines = found[:limit]
        return Slice(lines, total, Position(_place(lines[-1], as_of), as_of) if len(found) > limit else None)

    def made_by(self, namespace: str, user: str, key: str) -> Line | None:
        """The line that a user's request with an Idempotency-Key made, anywhere in the Namespace. `key`: its hash."""
        return self._keys.get((namespace, user, key))

    # --- inside

    def _touch(self, shelf: Shelf) -> None:
        self._revisions += 1
        shelf.revision = self._revisions

    def _chain(self, namespace: str, environment: str, uid: str, app: str) -> tuple[Shelf, Chain]:
        place = self._places.get(uid)
        if place is None:
            place = (namespace, environment)
            self._places[uid] = place
        shelf = self._shelves.get(place)
        if shelf is None:
            shelf = self._shelves[place] = Shelf()
        chain = shelf.chains.get(uid)
        if chain is None:
            chain = shelf.chains[uid] = Chain(uid, app)
        return shelf, chain

    def _put_record(self, line: Line) -> None:
        shelf, chain = self._chain(line.namespace, line.environment, line.uid, line.app)
        old = chain.records.get(line.sequence)
        if old is not None and old.version == line.version:
            return
        pending = chain.pending.pop(line.sequence, None)
        for gone in (old, pending):
            if gone is not None:
                self._take(shelf, gone)
        line = _with_old_place(line, pending)
        chain.records[line.sequence] = line
        chain.top = max(chain.top, line.sequence)
        self._add(shelf, line)
        self._touch(shelf)

    def _drop_record(self, line: Line) -> None:
        place = self._places.get(line.uid)
        if place is None:
            return
        shelf = self._shelves[place]
        chain = shelf.chains[line.uid]
        old = chain.records.pop(line.sequence, None)
        if old is not None:
            self._take(shelf, old)
            chain.dropped(line.sequence)
            self._touch(shelf)
        self._forget_if_empty(place, shelf, chain)

    def _put_pending(self, shelf: Shelf, chain: Chain, sequence: int, line: Line) -> None:
        if sequence in chain.records:
            return
        old = chain.pending.get(sequence)
        if old is not None:
            if replace(old, version=line.version) == line:
                return
            self._take(shelf, old)
        chain.pending[sequence] = line
        chain.top = max(chain.top, sequence)
        self._add(shelf, line)

    def _add(self, shelf: Shelf, line: Line) -> None:
        shelf.lines.add(line)
        if line.was_at is not None:
            shelf.moved[line.uid, line.sequence] = line
        key = _key_of(line)
        if key is not None:
            self._keys[key] = line

    def _take(self, shelf: Shelf, line: Line) -> None:
        shelf.lines.remove(line)
        shelf.moved.pop((line.uid, line.sequence), None)
        key = _key_of(line)
        if key is not None and self._keys.get(key) == line:
            del self._keys[key]

    def _forget_if_empty(self, place: tuple[str, str], shelf: Shelf, chain: Chain) -> None:
        if not chain.empty:
            return
        del shelf.chains[chain.uid]
        del self._places[chain.uid]
        if not shelf.chains:
            del self._shelves[place]


def _belonging(shelf: Shelf, environment: EnvironmentView, birth: str | None) -> Belonging:
    if shelf.memo is not None and shelf.memo[:3] == (shelf.revision, environment.uid, birth):
        return shelf.memo[3]
    excluded = [chain.uid for chain in shelf.chains.values() if not _belongs(chain, environment.created_at, birth)]
    total = sum(len(chain) for chain in shelf.chains.values()) - sum(len(shelf.chains[uid]) for uid in excluded)
    found = Belonging(frozenset(excluded), total)
    shelf.memo = (shelf.revision, environment.uid, birth, found)
    return found


def _belongs(chain: Chain, created_at: str, birth: str | None) -> bool:
    """Whether a chain is part of the history of an Environment that was created at that moment.

    It is when a release is active now, or when its last change came later than the Environment. Times are whole
    seconds: within the same second the versions decide, and without them whether the Deployment still lives.
    """
    if chain.live is not None and chain.live.release is not None:
        return True
    last = chain.last()
    if last is None:
        return False
    if last.at is None or last.at > created_at:
        return True
    if last.at < created_at:
        return False
    if birth is not None:
        return not is_newer(birth, last.version)
    return chain.live is not None


def _key_of(line: Line) -> tuple[str, str, str] | None:
    """Whose Idempotency-Key made the line. Whoever may write can claim any request id, but never another user."""
    found = idempotency.split(line.request_id)
    return (line.namespace, line.by, found.key) if found is not None and line.by is not None else None


def _with_old_place(line: Line, pending: Line | None) -> Line:
    """The line of a record, with the place that the same line had before.

    Where it was not seen before, because this process did not run then: what nobody stamped had no time.
    """
    unstamped = pending.at is None if pending is not None else line.action is Action.ADOPT or line.by is None
    was = NO_TIME if unstamped else (pending or line).at
    return line if was == line.at else replace(line, was_at=was)


def _place(line: Line, as_of: str) -> Key:
    """Where a line stands for somebody who began to read when the records had that version."""
    if line.was_at is not None and is_newer(line.version, as_of):
        return (line.was_at, line.uid, line.sequence)
    return line.key


def _lines(shelf: Shelf, belonging: Belonging, filters: Filters, after: Position | None, as_of: str) -> Iterator[Line]:
    """Wanted lines, newest first, after that position."""
    low: Key = (filters.since, "", 0) if filters.since else _FIRST
    high: Key = (filters.until, AFTER_UIDS, 0) if filters.until is not None else _LAST
    if after is not None:
        high = min(high, after.key)

    def place(line: Line) -> Key:
        return _place(line, as_of)

    def wanted(line: Line) -> bool:
        return line.uid not in belonging.excluded and filters.match(line)

    if filters.app is not None:
        # One app has few lines: sorting them is less work than walking through all others.
        few = (line for line in _of_app(shelf, filters.app) if wanted(line) and low <= place(line) < high)
        return iter(sorted(few, key=place, reverse=True))
    found: Iterable[Line] = shelf.lines.irange_key(low, high, inclusive=(True, False), reverse=True)
    elsewhere = [line for line in shelf.moved.values() if is_newer(line.version, as_of)]
    if elsewhere:
        there = sorted((line for line in elsewhere if low <= place(line) < high), key=place, reverse=True)
        rest = (line for line in found if line.was_at is None or not is_newer(line.version, as_of))
        found = merge(rest, there, key=place, reverse=True)
    if not belonging.excluded and filters.action is None:
        return iter(found)
    return filter(wanted, found)


def _of_app(shelf: Shelf, app: str) -> Iterator[Line]:
    return (line for chain in shelf.chains.values() if chain.app == app for line in chain.descending())


#: Sorts after every uid.
AFTER_UIDS = "~"
_FIRST: Key = ("", "", 0)
_LAST: Key = (NO_TIME, AFTER_UIDS, 0)
