"""The order in which unknown tokens are reviewed, so that invented ones cost only those who send them.

fast lane: the cluster's own keys prove the token is not invented. Bounded for each subject, which cannot be forged.
slow lane: everything else. An address has places at a steady rate, each kind of token its own. A token that finds none
free waits for the next one, and is refused if that takes too long. An accepted token gives its place back.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, TypeVar

from moorage_api.contract import errors
from moorage_api.reviews.signatures import Keys, Token, parse
from moorage_crds.clock import Clock

#: How long a token waits in the slow lane for its turn, in seconds.
PATIENCE_SECONDS: Final = 3.0
#: Tokens in the slow lane at once, over all addresses: each of them holds a connection.
MAX_WAITING: Final = 256
#: Reviews of the slow lane in flight at once: the other lane always finds room beside them.
MAX_SLOW_REVIEWS: Final = 8
#: Reviews of one subject in the fast lane: tokens a second, and at once.
SUBJECT_RATE: Final = 50.0
SUBJECT_BURST: Final = 100
#: Addresses, or subjects, that are kept in mind.
MAX_KEYS: Final = 8_192
#: Kinds of accepted tokens that are kept in mind: a cluster has a few issuers with a few keys each.
MAX_SHAPES: Final = 16

AnswerT = TypeVar("AnswerT")
Shape = tuple[str, str, str]


@dataclass(slots=True)
class _Places:
    free: float
    at: float


class Turns:
    """Hands out places at a steady rate for each key, the next ones ahead of their time.

    Args:
        rate: places a second.
        burst: places that wait for those who come.
    """

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._known: OrderedDict[Hashable, _Places] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are kept in mind."""
        return len(self._known)

    def wait(self, key: Hashable) -> float:
        """Seconds until the next place is due; 0 if one is free."""
        missing = 1.0 - self._places(key).free
        return max(0.0, missing / self._rate)

    def take(self, key: Hashable) -> None:
        """Take the next place, due or not."""
        self._places(key).free -= 1.0

    def give_back(self, key: Hashable) -> None:
        """A place was not needed."""
        places = self._places(key)
        places.free = min(self._burst, places.free + 1.0)

    def _places(self, key: Hashable) -> _Places:
        now = self._clock.monotonic()
        places = self._known.get(key)
        if places is None:
            places = self._known[key] = _Places(self._burst, now)
            if len(self._known) > MAX_KEYS:
                self._known.popitem(last=False)
            return places
        self._known.move_to_end(key)
        places.free = min(self._burst, places.free + (now - places.at) * self._rate)
        places.at = now
        return places


class Lanes:
    """Lets reviews of unknown tokens through.

    Args:
        clock: for the rates, and for the expiry of tokens.
        rate: reviews a second that one address may fail.
        burst: reviews that one address may fail at once.
        keys: the cluster's keys; without them everything takes the slow lane.
    """

    def __init__(self, clock: Clock, *, rate: float = 10.0, burst: int = 20, keys: Keys | None = None) -> None:
        self._clock = clock
        self._keys = keys if keys is not None else Keys()
        self._addresses = Turns(rate, burst, clock)
        self._subjects = Turns(SUBJECT_RATE, SUBJECT_BURST, clock)
        self._room = asyncio.Semaphore(MAX_SLOW_REVIEWS)
        #: kinds of tokens that were accepted, the longest unseen first
        self._shapes: OrderedDict[Shape, None] = OrderedDict()
        self._waiting = 0

    async def review(self, text: str, address: str, ask: Callable[[], Awaitable[AnswerT | None]]) -> AnswerT | None:
        """The answer of `ask`, when it is the token's turn.

        Args:
            text: the token.
            address: of the client that sent it.
            ask: asks the cluster; None says that the token is not accepted.

        Raises:
            ApiError: 429, it would have to wait too long.
            StoreError: what `ask` raised.
        """
        token = parse(text)
        subject = self._keys.subject(token, now=self._clock.now().timestamp()) if token is not None else None
        if subject is not None and not self._subjects.wait(subject):
            self._subjects.take(subject)
            return await ask()
        return await self._slowly((address, self._known_shape(token)), token, ask)

    async def _slowly(
        self, key: tuple[str, Shape | None], token: Token | None, ask: Callable[[], Awaitable[AnswerT | None]]
    ) -> AnswerT | None:
        wait = self._addresses.wait(key)
        if wait > PATIENCE_SECONDS or self._waiting >= MAX_WAITING:
            raise errors.rate_limited(max(1, math.ceil(wait)))
        self._addresses.take(key)
        self._waiting += 1
        answer = None
        failed = False
        try:
            await asyncio.sleep(wait)
            async with self._room:
                answer = await ask()
            failed = answer is None
        finally:
            self._waiting -= 1
            if not failed:
                # Accepted, or the cluster gave no answer: neither is a guess.
                self._addresses.give_back(key)
        if answer is not None and token is not None:
            self._learn(token.shape)
        return answer

    def _known_shape(self, token: Token | None) -> Shape | None:
        """The kind of a token, if one of that kind was accepted: nobody can invent kinds to get more places."""
        return token.shape if token is not None and token.shape in self._shapes else None

    def _learn(self, shape: Shape) -> None:
        self._shapes[shape] = None
        self._shapes.move_to_end(shape)
        if len(self._shapes) > MAX_SHAPES:
            self._shapes.popitem(last=False)
