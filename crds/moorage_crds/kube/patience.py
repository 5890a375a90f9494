"""Waiting for an API server that turns requests away: as long as it asks, as often as kubectl does, never without end.

With 429, and with 503 and `Retry-After`, the API server turns a request away before it does anything: for the priority
and fairness of requests, while a cache of it is being filled ("storage is (re)initializing"), before a kind is served,
and at its end. That is why a write is sent again, too. Any other 5xx with `Retry-After` means that etcd did not answer
it in time, so a write may have taken place; only a read is sent again.

Commands have such patience. The operator and the facade have none here: their queues, reflectors and callers hear how
long to wait (`TransientError.retry_after`), and keep a request from standing in the way of others.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from moorage_crds.store import TransientError

#: How often one request is sent again at most, as by kubectl.
TRIES: Final = 10
#: How long all requests of one command wait together at most. Seconds.
LONGEST: Final = 60.0
_TURNED_AWAY: Final = (429, 503)


class Patience:
    """What all requests of one command share.

    Args:
        sleep: waits the given number of seconds.
        longest: seconds that are waited in all.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]], *, longest: float = LONGEST) -> None:
        self._sleep = sleep
        self._left = longest

    async def waited(self, method: str, error: TransientError, tries: int) -> bool:
        """Wait as long as the API server asked; False, at once, if the request is not to be sent again.

        Args:
            method: of the request.
            error: what came of it.
            tries: how often it was sent.
        """
        pause = error.retry_after
        if pause is None or pause > self._left or tries > TRIES or not _repeatable(method, error.answer.status):
            return False
        self._left -= pause
        await self._sleep(pause)
        return True


def _repeatable(method: str, status: int) -> bool:
    return method == "GET" or status in _TURNED_AWAY
