"""When a cache is known to have missed nothing: at a list, and each time a watch begins again.

An open watch proves nothing by staying open: it may have died silently, or this process may have stood still with
everything that it has missed waiting in a socket.
"""

from typing import Final

from moorage_crds.clock import Clock

#: A watch that has begun again brings first what was missed; that takes a moment. Seconds.
CATCHING_UP_SECONDS: Final = 0.25


class Proofs:
    """The proofs of one reflector.

    Args:
        clock: for times that nobody sets back.
    """

    def __init__(self, clock: Clock) -> None:
        self._now = clock.monotonic
        self._before = self._newest = self._now()

    def listed(self, began: float) -> None:
        """A list that began then has replaced everything."""
        self._before = self._newest = began

    def opened(self) -> None:
        """A watch has begun where the one before it ended."""
        now = self._now()
        self._before, self._newest = self._last(now), now

    def seconds(self) -> float:
        """How old the last proof is: what happened since may be missing."""
        now = self._now()
        return now - self._last(now)

    def _last(self, now: float) -> float:
        return self._newest if now - self._newest >= CATCHING_UP_SECONDS else self._before
