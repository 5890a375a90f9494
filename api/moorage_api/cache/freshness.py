"""Whether the cache can be trusted: synced, how long its watches have been cut, and whether changes are recorded."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from moorage_crds.clock import Clock

#: Watches end and begin again every few minutes; a cut shorter than this is one of those. Seconds.
GRACE_SECONDS = 2.0


class WatchState(Protocol):
    """What is asked of a reflector."""

    @property
    def plural(self) -> str:
        """The kind."""
        ...

    @property
    def synced(self) -> bool:
        """The first list is complete."""
        ...

    @property
    def connected(self) -> bool:
        """The watch is open."""
        ...

    @property
    def left_out(self) -> Collection[tuple[str, str]]:
        """Namespace and name of the objects that are there and cannot be read."""
        ...

    def age(self) -> float:
        """Seconds since the last byte."""
        ...

    def unproved(self) -> float:
        """Seconds since the cache was last known to have missed nothing."""
        ...


class Freshness:
    """Watches the feeds; `sample` is called a few times a second.

    Args:
        feeds: one for each kind.
        max_staleness: seconds beyond which reads are refused.
        clock: for the time since a cut.
        silence: seconds for which the API server has not answered what it was asked, beside the feeds.
        recording_stopped_at: when an operator worked last, RFC 3339; None while one does, or it is not known.
    """

    def __init__(
        self,
        feeds: Sequence[WatchState],
        *,
        max_staleness: float,
        clock: Clock,
        silence: Callable[[], float] = lambda: 0.0,
        recording_stopped_at: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.feeds = tuple(feeds)
        self._max_staleness = max_staleness
        self._now: Callable[[], float] = clock.monotonic
        self._connected_at = {feed.plural: self._now() for feed in feeds}
        self._silence = silence
        self.recording_stopped_at = recording_stopped_at
        self._cut_seconds = 0.0
        self.synced = False

    def sample(self) -> None:
        """Look at the feeds."""
        now = self._now()
        worst = 0.0
        for feed in self.feeds:
            if feed.connected:
                self._connected_at[feed.plural] = now
            elif now - self._connected_at[feed.plural] > GRACE_SECONDS:
                worst = max(worst, feed.age())
        self._cut_seconds = worst
        self.synced = all(feed.synced for feed in self.feeds)

    @property
    def stale_seconds(self) -> float:
        """How old the answers of the cache may be; 0 while nothing speaks for it."""
        silence = self._silence()
        return max(self._cut_seconds, silence if silence > GRACE_SECONDS else 0.0)

    @property
    def unproved_seconds(self) -> float:
        """For how long nothing has proved that the cache has missed nothing.

        Asked of the feeds at once, not of the last sample: a process that stood still wakes with an old one.
        """
        return max((feed.unproved() for feed in self.feeds), default=0.0)

    def left_out(self, plurals: Collection[str], namespaces: Collection[str]) -> list[tuple[str, str, str]]:
        """Kind, Namespace and name of what is of these kinds, in one of these Namespaces, and cannot be read."""
        return [
            (feed.plural, namespace, name)
            for feed in self.feeds
            if feed.plural in plurals
            for namespace, name in sorted(feed.left_out)
            if namespace in namespaces
        ]

    @property
    def usable(self) -> bool:
        """Reads may be answered. One review without an answer does not end that: the next one may have an answer."""
        return self.synced and self._cut_seconds <= self._max_staleness
