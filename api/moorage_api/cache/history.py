"""The history, indexed for reading: all lines of an environment in order, out of records and of logs not yet recorded.

`ChainLines` are the history of one Deployment (by uid). A `Shelf` holds the chains of one environment name and keeps
their lines sorted. Reflectors write to the index in this file, and readers ask it.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from moorage_api.cache.chains import ChainLines, after_pending
from moorage_api.cache.journal import Journal
from moorage_api.cache.line import Line
from moorage_api.cache.lines import Filters, LineIndex, Position, Slice, Work
from moorage_api.cache.made_by import MadeBy
from moorage_api.cache.shelves import Shelf
from moorage_api.cache.versions import Versions
from moorage_api.cache.views import BindingView, EnvironmentView
from moorage_crds.clock import Clock
from moorage_crds.moments import to_text

#: How long unrecorded lines of a Deployment that is gone wait for an operator that saw them, in seconds. It records
#: within a second; this is for one that is refused, by a quota for example.
LOST_SECONDS: Final = 600.0

_NO_LINES: Final[dict[int, Line]] = {}

Place = tuple[str, str]


class HistoryIndex:
    """All lines by environment. It is the sink of the reflector of records; bindings are told to it by the cache.

    Args:
        clock: says when a change was seen first.
    """

    def __init__(self, clock: Clock) -> None:
        self.versions = Versions()
        self.work = Work()
        self._clock = clock
        self._shelves: dict[Place, Shelf] = {}
        self._places: dict[str, Place] = {}
        self._revisions = 0
        self._keys = MadeBy()
        #: Lines by Namespace, whatever environment they are of.
        self.journal = Journal(self.work, self.versions)
        #: Deployments that are gone and have unrecorded lines → when they went (monotonic), and how they were then
        self._ended: OrderedDict[str, tuple[float, BindingView, bool]] = OrderedDict()

    # --- the port Sink, for records

    def replace(self, views: Sequence[Line], resource_version: str) -> None:
        """A complete list of records. Works on the difference, so that a relist does not hold up the loop."""
        fresh: dict[str, dict[int, Line]] = {}
        for line in views:
            fresh.setdefault(line.uid, {})[line.sequence] = line
        for chain in [chain for shelf in self._shelves.values() for chain in shelf.chains.values()]:
            for sequence in chain.records.keys() - fresh.get(chain.uid, _NO_LINES).keys():
                self._drop_record(chain.records[sequence])
        unknown: list[Line] = []
        for uid, lines in fresh.items():
            known = self.chain(uid)
            if known is None:
                unknown += self._put_chain([lines[number] for number in sorted(lines)])
                continue
            for number in sorted(lines):
                old = known.records.get(number)
                if old is None or old.version != lines[number].version:
                    self._put_record(lines[number])
        self.journal.extend(unknown)
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
        return sum(len(chain) for shelf in self._shelves.values() for chain in shelf.chains.values())

    # --- bindings

    def binding_changed(self, view: BindingView) -> None:
        """A Deployment is new or changed: its unrecorded changes become lines."""
        shelf, chain = self._chain(view.namespace, view.environment, view.uid, view.app)
        chain.live = view
        self._ended.pop(view.uid, None)
        wanted = chain.wanted(view, view.pending, self._now())
        for sequence in [number for number in chain.pending if number not in wanted]:
            # Up to `recorded` there is a record, which the watch of records may still owe us: keep the line till then.
            if sequence > view.recorded or sequence < view.floor:
                self._take(shelf, chain, chain.pending[sequence])
        self._put_pending(shelf, chain, wanted)
        self._touch(shelf, chain)

    def binding_gone(self, view: BindingView, *, namespace_stays: bool) -> None:
        """A Deployment was deleted. If it still had a release, that is an undeploy, which the operator will record.

        In a Namespace that goes too nobody will.

        Args:
            view: how it was at the end; what answers of writes said beyond that was lost.
            namespace_stays: whether its Namespace does.
        """
        place = self._places.get(view.uid)
        if place is None:
            return
        shelf = self._shelves[place]
        chain = shelf.chains[view.uid]
        chain.live = None
        changes = chain.with_end(view) if namespace_stays else view.pending
        wanted = chain.wanted(view, changes, self._now())
        for sequence in [number for number in chain.pending if number not in wanted and number > view.recorded]:
            self._take(shelf, chain, chain.pending[sequence])
        self._put_pending(shelf, chain, wanted)
        if chain.pending:
            self._ended[view.uid] = (self._clock.monotonic(), view, namespace_stays)
        self._touch(shelf, chain)
        self._forget_if_empty(place, shelf, chain)

    def namespace_gone(self, namespace: str) -> None:
        """A Namespace is gone: what was never recorded there never will be."""
        for place, shelf in [(key, shelf) for key, shelf in self._shelves.items() if key[0] == namespace]:
            for chain in [chain for chain in shelf.chains.values() if chain.live is None]:
                self._drop_pending(place, shelf, chain, list(chain.pending.values()))

    def drop_lost(self) -> None:
        """Forget lines that cannot be recorded any more. Called now and then.

        What an operator will still record is shown instead: one that never saw the Deployment go ends its chain after
        the newest record.
        """
        now = self._clock.monotonic()
        while self._ended:
            uid, (since, view, namespace_stays) = next(iter(self._ended.items()))
            if now - since < LOST_SECONDS:
                return
            del self._ended[uid]
            place = self._places.get(uid)
            if place is not None:
                self._settle_end(place, view, namespace_stays=namespace_stays)

    # --- reading

    @property
    def moves(self) -> int:
        """Grows with every change of any history, and of any Deployment."""
        return self._revisions

    def revision(self, namespace: str, environment: str) -> int:
        """Changes with every change of the history of that name."""
        shelf = self._shelves.get((namespace, environment))
        return shelf.revision if shelf else 0

    def chain(self, uid: str) -> ChainLines | None:
        """The history of one Deployment."""
        place = self._places.get(uid)
        return self._shelves[place].chains[uid] if place else None

    def newest(self, namespace: str, environment: str, app: str) -> Line | None:
        """The newest line of an app, of whichever of its Deployments there; what an import claims does not count."""
        shelf = self._shelves.get((namespace, environment))
        chains = shelf.of_app.get(app, {}).values() if shelf is not None else ()
        lines = (line for chain in chains if not chain.imported and (line := chain.last()) is not None)
        return max(lines, key=lambda line: line.moment, default=None)

    def chains(self, environment: EnvironmentView, birth: str | None) -> list[ChainLines]:
        """The chains that belong to the Environment, those of imports left out.

        Args:
            environment: the Environment that asks.
            birth: the resourceVersion with which it was created, if that is known.
        """
        shelf = self._shelves.get((environment.namespace, environment.name))
        if shelf is None:
            return []
        shelf.settle(environment, birth)
        return [chain for chain in shelf.chains.values() if chain.counted and not chain.imported]

    def belonging(self, environment: EnvironmentView, birth: str | None) -> frozenset[str]:
        """The uids of all chains that belong to the Environment, those of imports too."""
        shelf = self._shelves.get((environment.namespace, environment.name))
        if shelf is None:
            return frozenset()
        shelf.settle(environment, birth)
        return frozenset(uid for uid, chain in shelf.chains.items() if chain.counted)

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
            return Slice((), 0, 0, None)
        shelf.settle(environment, birth)
        as_of = after.as_of if after is not None else self.versions.current
        found = list(islice(shelf.index.walk(filters, after, as_of), limit + 1))
        lines = found[:limit]
        last = Position(shelf.index.place(lines[-1], as_of), as_of) if len(found) > limit else None
        return Slice(lines, shelf.index.count(Filters()), shelf.index.count(filters), last)

    def made_by(self, namespace: str, user: str, key: str) -> Line | None:
        """The line that a user's request with an Idempotency-Key made, anywhere in the Namespace. `key`: its hash."""
        return self._keys.get(namespace, user, key)

    # --- inside: lines

    def _now(self) -> str:
        return to_text(self._clock.now())

    def _touch(self, shelf: Shelf, chain: ChainLines) -> None:
        self._revisions += 1
        shelf.revision = self._revisions
        shelf.changed.add(chain.uid)

    def _chain(self, namespace: str, environment: str, uid: str, app: str) -> tuple[Shelf, ChainLines]:
        place = self._places.setdefault(uid, (namespace, environment))
        shelf = self._shelves.get(place)
        if shelf is None:
            shelf = self._shelves[place] = Shelf(LineIndex(self.work))
        chain = shelf.chains.get(uid)
        if chain is None:
            chain = ChainLines(uid, app)
            shelf.begin(chain)
        return shelf, chain

    def _put_chain(self, lines: Sequence[Line]) -> list[Line]:
        """The records of a Deployment of which nothing was known, in their order; as they are kept."""
        first = lines[0]
        shelf, chain = self._chain(first.namespace, first.environment, first.uid, first.app)
        for line in lines:
            placed = chain.placed(after_pending(line, None))
            chain.put(placed)
            self._keys.note(placed)
        shelf.index.extend(chain.lines())
        self._touch(shelf, chain)
        return list(chain.lines())

    def _put_record(self, line: Line) -> None:
        shelf, chain = self._chain(line.namespace, line.environment, line.uid, line.app)
        old = chain.records.get(line.sequence)
        if old is not None and old.version == line.version:
            return
        pending = chain.pending.get(line.sequence)
        for gone in (old, pending):
            if gone is not None:
                self._take(shelf, chain, gone)
        placed = chain.placed(line)
        placed = after_pending(placed, pending)
        self._put(shelf, chain, placed)
        for before, moved in list(chain.displaced(placed)):
            self._take(shelf, chain, before)
            self._put(shelf, chain, moved)
        if chain.live is None and line.release is None:
            # The end of the chain: whatever else was expected after it will not come.
            for lost in [one for number, one in chain.pending.items() if number > line.sequence]:
                self._take(shelf, chain, lost)
        self._touch(shelf, chain)

    def _drop_record(self, line: Line) -> None:
        place = self._places.get(line.uid)
        if place is None:
            return
        shelf = self._shelves[place]
        chain = shelf.chains[line.uid]
        old = chain.records.get(line.sequence)
        if old is not None:
            self._take(shelf, chain, old)
            self._touch(shelf, chain)
        self._forget_if_empty(place, shelf, chain)

    def _put_pending(self, shelf: Shelf, chain: ChainLines, wanted: dict[int, Line]) -> None:
        for sequence, line in wanted.items():
            old = chain.pending.get(sequence)
            if sequence in chain.records or (old is not None and old.same_as(line)):
                continue
            if old is not None:
                self._take(shelf, chain, old)
            self._put(shelf, chain, line)

    def _drop_pending(self, place: Place, shelf: Shelf, chain: ChainLines, lines: Iterable[Line]) -> None:
        for line in lines:
            self._take(shelf, chain, line)
        self._touch(shelf, chain)
        self._forget_if_empty(place, shelf, chain)

    def _settle_end(self, place: Place, view: BindingView, *, namespace_stays: bool) -> None:
        shelf = self._shelves[place]
        chain = shelf.chains[view.uid]
        end = chain.ending() if namespace_stays else None
        wanted = chain.wanted(view, [end], self._now()) if end is not None else {}
        lost = [line for number, line in chain.lost().items() if number not in wanted]
        self._put_pending(shelf, chain, wanted)
        self._drop_pending(place, shelf, chain, lost)

    def _put(self, shelf: Shelf, chain: ChainLines, line: Line) -> None:
        shelf.put(chain, line)
        self._keys.note(line)
        self.journal.add(line)

    def _take(self, shelf: Shelf, chain: ChainLines, line: Line) -> None:
        shelf.take(chain, line)
        self._keys.forget(line)
        self.journal.remove(line)

    def _forget_if_empty(self, place: Place, shelf: Shelf, chain: ChainLines) -> None:
        if not chain.empty:
            return
        shelf.end(chain)
        del self._places[chain.uid]
        self._ended.pop(chain.uid, None)
        if not shelf.chains:
            del self._shelves[place]
