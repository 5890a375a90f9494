"""An import waits for a cluster that gives no usable answer, and then continues: a busy machine, a restart, a throttle.

What is asked again must be safe to repeat. Records are: their names follow from their content, so a write whose answer
was lost is found to be there. A change of a release is, too: it reads first what is active.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from moorage_crds.store import TransientError

ResultT = TypeVar("ResultT")

#: An import gives up when nothing that it asked was done for so long. Seconds.
LONGEST_SILENCE: Final = 600.0
#: Pauses before a request is sent again: the first, and what none exceeds. Seconds.
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 15.0
#: So long the cluster may be silent before a person hears of it, and then again after as long. Seconds.
TOLD_EVERY: Final = 30.0


class Patience:
    """What all requests of one import share: while one of them succeeds, the others keep trying.

    Args:
        progress: hears that the cluster does not answer.
        longest: seconds without any success after which an error is raised.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        progress: Callable[[str], None],
        *,
        longest: float = LONGEST_SILENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress
        self._longest = longest
        self._clock = clock
        self._done_at = self._told_at = clock()

    async def ask(self, request: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Ask until there is an answer.

        Args:
            request: sends it; called again for every try.

        Raises:
            StoreError: the cluster refuses, or nothing has succeeded for too long.
        """
        began, pause = self._clock(), FIRST_PAUSE
        while True:
            try:
                answer = await request()
            except TransientError as error:
                silent = self._clock() - max(began, self._done_at)
                if silent >= self._longest:
                    raise
                self._tell(silent)
                await asyncio.sleep(max(pause, error.retry_after or 0.0))
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._done_at = self._clock()
                return answer

    def _tell(self, silent: float) -> None:
        now = self._clock()
        if silent >= TOLD_EVERY and now - self._told_at >= TOLD_EVERY:
            self._told_at = now
            self._progress(f"the cluster gave no usable answer for {silent:.0f} seconds; waiting for it")
