"""Whether the cache can be trusted: synced, and how long its watches have been cut."""

from collections.abc import Callable, Sequence
from typing import Protocol

from moorage_crds.clock import Clock

#: Watches end and begin again every few minutes; a cut shorter than this is one of those. Seconds.
GRACE_SECONDS = 2.0


class Feed(Protocol):
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

    def age(self) -> float:
        """Seconds since the last byte."""
        ...


class Freshness:
    """Watches the feeds; `sample` is called a few times a second.

    Args:
        feeds: one for each kind.
        max_staleness: seconds beyond which reads are refused.
        clock: for the time since a cut.
    """

    def __init__(self, feeds: Sequence[Feed], *, max_staleness: float, clock: Clock) -> None:
        self.feeds = tuple(feeds)
        self._max_staleness = max_staleness
        self._now: Callable[[], float] = clock.monotonic
        self._connected_at = {feed.plural: self._now() for feed in feeds}
        self.stale_seconds = 0.0
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
        self.stale_seconds = worst
        self.synced = all(feed.synced for feed in self.feeds)

    @property
    def usable(self) -> bool:
        """Reads may be answered."""
        return self.synced and self.stale_seconds <= self._max_staleness
