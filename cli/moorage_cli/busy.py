"""What a person hears while a command waits for a cluster that turns its requests away."""

import asyncio
import sys
from typing import Final

#: A command waits so long before it says so. Seconds.
TOLD_AFTER: Final = 2.0


class Busy:
    """Sleeps between two tries, and says so once, when the pauses become long.

    Args:
        whom: who is asked.
    """

    def __init__(self, whom: str) -> None:
        self._whom = whom
        self._waited = 0.0
        self._has_told = False

    async def sleep(self, seconds: float) -> None:
        """Wait before a request is sent again."""
        self._waited += seconds
        if self._waited >= TOLD_AFTER and not self._has_told:
            self._has_told = True
            sys.stderr.write(f"{self._whom} is busy: asking again, for a minute at most\n")
        await asyncio.sleep(seconds)
