"""How long the API server has not answered reviews: a frozen one keeps its watches open, so only this shows it."""

from collections.abc import Awaitable
from typing import TypeVar

from moorage_crds.clock import Clock
from moorage_crds.store import Identity, Reviewer, Right, TransientError

AnswerT = TypeVar("AnswerT")


class HeardReviewer:
    """A `Reviewer` that remembers since when it has had no answers.

    Args:
        reviewer: asks the cluster.
        clock: for how long.
    """

    def __init__(self, reviewer: Reviewer, clock: Clock) -> None:
        self._reviewer = reviewer
        self._now = clock.monotonic
        self._silent_since: float | None = None

    async def authenticate(self, token: str) -> Identity | None:
        """As the port says."""
        return await self._heard(self._reviewer.authenticate(token))

    async def allowed(self, identity: Identity, right: Right) -> bool:
        """As the port says."""
        return await self._heard(self._reviewer.allowed(identity, right))

    def silent_seconds(self) -> float:
        """Seconds since the first of the reviews that had no answer was asked; 0 if the last one had one."""
        return 0.0 if self._silent_since is None else self._now() - self._silent_since

    async def _heard(self, asked: Awaitable[AnswerT]) -> AnswerT:
        began = self._now()
        try:
            answer = await asked
        except TransientError:
            if self._silent_since is None:
                self._silent_since = began
            raise
        self._silent_since = None
        return answer
