"""Token buckets: how many requests a user, or a failing address, may send."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from moorage_crds.clock import Clock

MAX_BUCKETS: Final = 8_192


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimit:
    """A bucket for each key, at most `MAX_BUCKETS`; the longest unused goes first.

    Args:
        rate: tokens a second.
        burst: tokens that a full bucket holds.
    """

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def give_back(self, key: str) -> None:
        """A token was taken for what turned out to cost none."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.tokens = min(self._burst, bucket.tokens + 1.0)

    def take(self, key: str) -> int:
        """Take a token. 0 if there was one, else the seconds (at least 1) until there will be."""
        now = self._clock.monotonic()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
            bucket.at = now
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return 0
        return max(1, math.ceil((1.0 - bucket.tokens) / self._rate))
