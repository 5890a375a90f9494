"""A queue of keys: each is in it once, has its own time and its own backoff, and only one worker at a time.

What is to be done for a key is not in the queue: the worker looks at the newest state. All calls come from one event
loop; no task is needed to run the timers.
"""

import asyncio
import heapq
import itertools
import math
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from moorage_operator.work.ports import Jitter

KeyT = TypeVar("KeyT", bound=Hashable)

#: First delay, and the longest one, after failures of one key. Seconds.
BACKOFF_SECONDS: Final = (0.2, 60.0)


class KeyedQueue(Generic[KeyT]):
    """Keys that are due now or later.

    Args:
        jitter: a factor between 0.5 and 1 for every backoff.
        rounds: seconds between the moments at which waiting keys become due; 0: each at its own. Waking up for one
            key costs a quiet process more than the work on it, so what may wait is worked on together.
    """

    def __init__(self, jitter: Jitter, *, rounds: float = 0.0) -> None:
        self._jitter = jitter
        self._rounds = rounds
        self._ready: asyncio.Queue[KeyT] = asyncio.Queue()
        self._planned: dict[KeyT, float] = {}
        self._later: list[tuple[float, int, KeyT]] = []
        self._again: dict[KeyT, float] = {}
        self._in_flight: set[KeyT] = set()
        self._failures: dict[KeyT, int] = {}
        self._ticket = itertools.count()
        self._timer: asyncio.Handle | None = None
        self._rings_at = 0.0

    def __len__(self) -> int:
        """How many keys are planned or in work."""
        return len(self._planned) + len(self._in_flight)

    def __contains__(self, key: KeyT) -> bool:
        """Whether the key is planned or in work."""
        return key in self._planned or key in self._in_flight

    @property
    def failing(self) -> int:
        """How many keys wait out a backoff."""
        return len(self._failures)

    @property
    def settled(self) -> bool:
        """Nothing is in work or planned but what waits out a backoff."""
        return not self._in_flight and all(key in self._failures for key in self._planned)

    def put(self, key: KeyT, delay: float = 0.0) -> None:
        """Work on `key` in `delay` seconds, or in the next round; a key in backoff keeps waiting."""
        when = self._moment(delay)
        if key in self._in_flight:
            self._again[key] = min(when, self._again.get(key, when))
            return
        if key in self._failures and key in self._planned:
            return
        self._plan(key, when)

    async def get(self) -> KeyT:
        """The next key that is due. Every `get` must be answered by `done` or `retry`."""
        while True:
            key = await self._ready.get()
            when = self._planned.get(key)
            # A key may stand in the ready line twice when its time was moved; the second one finds nothing to do.
            if when is not None and when <= asyncio.get_running_loop().time() + 0.001:
                del self._planned[key]
                self._in_flight.add(key)
                return key

    def done(self, key: KeyT, *, look_again: float | None = None) -> None:
        """The work on `key` went well; with `look_again` it is requeued after that many seconds."""
        self._failures.pop(key, None)
        self._land(key, None if look_again is None else self._moment(look_again))

    def retry(self, key: KeyT, *, retry_after: float | None = None, least: float = BACKOFF_SECONDS[0]) -> float:
        """The work on `key` failed: try again later, each time twice as late. Returns the delay in seconds.

        Args:
            key: what failed.
            retry_after: seconds that the server asked for.
            least: the first delay.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(BACKOFF_SECONDS[1], least * float(2 ** min(failures, 16))) * self._jitter()
        delay = max(delay, min(retry_after or 0.0, BACKOFF_SECONDS[1]))
        # News about a key that fails does not make it due earlier: else a busy object would hammer the server.
        self._again.pop(key, None)
        self._land(key, asyncio.get_running_loop().time() + delay)
        return delay

    def _moment(self, delay: float) -> float:
        when = asyncio.get_running_loop().time() + max(delay, 0.0)
        return math.ceil(when / self._rounds) * self._rounds if delay > 0 and self._rounds else when

    def _land(self, key: KeyT, when: float | None) -> None:
        self._in_flight.discard(key)
        times = [time for time in (when, self._again.pop(key, None)) if time is not None]
        if times:
            self._plan(key, min(times))

    def _plan(self, key: KeyT, when: float) -> None:
        planned = self._planned.get(key)
        if planned is not None and planned <= when:
            return
        self._planned[key] = when
        if when <= asyncio.get_running_loop().time():
            self._ready.put_nowait(key)
            return
        heapq.heappush(self._later, (when, next(self._ticket), key))
        self._arm()

    def _arm(self) -> None:
        first = self._later[0][0]
        if self._timer is not None:
            if self._rings_at <= first:
                return
            self._timer.cancel()
        self._rings_at = first
        self._timer = asyncio.get_running_loop().call_at(first, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._later and self._later[0][0] <= now + 0.001:
            when, _, key = heapq.heappop(self._later)
            if self._planned.get(key) == when:
                self._ready.put_nowait(key)
        if self._later:
            self._arm()
