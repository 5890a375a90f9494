"""The EventSinks that are known, and who is told when something in their Namespace has to be sent."""

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Final

from moorage_crds.kinds.event_sink import EventSink, from_object
from moorage_crds.objects import RawObject, is_newer

SinkKey = tuple[str, str]
"""Namespace and name of an EventSink."""

#: Sinks of one Namespace that are served, the first by name: each costs a list of its records when it begins.
MAX_SERVED: Final = 20


def _nothing(*_: object) -> None:
    """Nobody sends."""


class Outbox:
    """All sinks. The sender sets `changed` and `recorded`.

    Attributes:
        is_open: the first lists are complete, so that what is missing is gone.
        changed: told of every sink that has to be looked at.
        recorded: told of a sink, and of a binding (its uid) that has records up to a number.
    """

    def __init__(self) -> None:
        self._sinks: dict[SinkKey, EventSink] = {}
        self._named: dict[str, list[SinkKey]] = {}
        self._moves: dict[str, int] = {}
        self.is_open = False
        self.changed: Callable[[SinkKey], None] = _nothing
        self.recorded: Callable[[SinkKey, str, int], None] = _nothing

    def all(self) -> tuple[EventSink, ...]:
        """Every sink."""
        return tuple(self._sinks.values())

    def get(self, key: SinkKey) -> EventSink | None:
        """The sink of that Namespace and name."""
        return self._sinks.get(key)

    def see(self, raw: RawObject) -> None:
        """A sink is there, or has changed; its status is our own and wakes nobody."""
        seen = from_object(raw)
        key = (seen.namespace, seen.name)
        known = self._sinks.get(key)
        if known is not None and not is_newer(seen.resource_version, known.resource_version):
            return
        self._sinks[key] = seen
        if known is None:
            named = self._named.setdefault(seen.namespace, [])
            insort(named, key)
            if bisect_left(named, key) < MAX_SERVED < len(named):
                self.changed(named[MAX_SERVED])
        if known is None or (known.uid, known.generation, known.replay) != (seen.uid, seen.generation, seen.replay):
            self.changed(key)

    def drop(self, namespace: str, name: str, uid: str) -> None:
        """A sink is gone."""
        known = self._sinks.get((namespace, name))
        if known is not None and known.uid == uid:
            del self._sinks[namespace, name]
            named = self._named[namespace]
            place = bisect_left(named, (namespace, name))
            del named[place]
            if place < MAX_SERVED <= len(named):
                self.changed(named[MAX_SERVED - 1])
            self.changed((namespace, name))

    def serves(self, key: SinkKey) -> bool:
        """Whether a sink is one of those of its Namespace that are served."""
        return key in self._named.get(key[0], ())[:MAX_SERVED]

    def moves(self, namespace: str) -> int:
        """A number that grows when an Environment of that Namespace has come, changed or gone."""
        return self._moves.get(namespace, 0)

    def has_records(self, namespace: str, uid: str, sequence: int) -> None:
        """A binding of that Namespace has records up to that number."""
        for key in self._of(namespace):
            self.recorded(key, uid, sequence)

    def moved(self, namespace: str) -> None:
        """An Environment of that Namespace has come, changed or gone."""
        self._moves[namespace] = self._moves.get(namespace, 0) + 1
        for key in self._of(namespace):
            self.changed(key)

    def review(self) -> None:
        """Look at all sinks."""
        for key in tuple(self._sinks):
            self.changed(key)

    def _of(self, namespace: str) -> tuple[SinkKey, ...]:
        return tuple(self._named.get(namespace, ())[:MAX_SERVED])
