"""Who is the caller, and may they? Answers of the cluster's reviews, kept for a second (who) and for ten (may they).

Bounded, one review in flight for each question, keyed by a keyed hash of the token, and closed when in doubt: an error
of a review is never an answer and never kept.
"""

import asyncio
import secrets
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Generic, TypeVar

import orjson

from moorage_crds.clock import Clock
from moorage_crds.store import Identity, Reviewer, Right

#: How long an answer of a review is believed, in seconds: a right that is taken away works no longer than this.
BELIEVED_SECONDS: Final = 10.0
#: How long an accepted token is believed. The API server itself goes on accepting the token of a deleted account for up
#: to 10 s (its own cache): both together stay below 11 s.
TOKEN_SECONDS: Final = 1.0
MAX_ANSWERS: Final = 8_192
#: Reviews that may be in flight at once: a flood of invented tokens is not passed on to the API server.
MAX_REVIEWS: Final = 32
#: No token of a cluster is longer; the headers' limit is above it.
MAX_TOKEN_LENGTH: Final = 16_000

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated user.

    Attributes:
        token: goes out with every write of this caller, and nowhere else.
        digest: of all that the cluster knows of the identity, for keys of caches.
    """

    identity: Identity
    token: str
    digest: bytes

    @property
    def username(self) -> str:
        """The user name."""
        return self.identity.username

    def __repr__(self) -> str:
        """Without the token, which must not reach a log."""
        return f"Caller({self.identity.username!r})"


class Answers(Generic[ValueT]):
    """Answers for a while, at most so many, one question in flight for each key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, ValueT]] = OrderedDict()
        self._asking: dict[Hashable, asyncio.Task[ValueT]] = {}

    async def get(
        self,
        key: Hashable,
        ask: Callable[[], Awaitable[ValueT]],
        *,
        seconds: Callable[[ValueT], float] = lambda _answer: BELIEVED_SECONDS,
    ) -> ValueT:
        """The kept answer, else the answer of `ask`, which is then kept for `seconds`.

        Raises:
            StoreError: what `ask` raised; nothing is kept then.
        """
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._clock.monotonic():
            return kept[1]
        task = self._asking.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(key, ask, seconds))
            self._asking[key] = task
            task.add_done_callback(lambda _done: self._asking.pop(key, None))
        # Whoever goes away while waiting must not take the answer from the others.
        return await asyncio.shield(task)

    def forget(self, key: Hashable) -> None:
        """Ask again next time."""
        self._kept.pop(key, None)

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._kept)

    async def _ask(
        self, key: Hashable, ask: Callable[[], Awaitable[ValueT]], seconds: Callable[[ValueT], float]
    ) -> ValueT:
        # The time counts from before the question: a right may be taken away while the answer is on its way.
        asked = self._clock.monotonic()
        answer = await ask()
        self._kept[key] = (asked + seconds(answer), answer)
        self._kept.move_to_end(key)
        while len(self._kept) > MAX_ANSWERS:
            self._kept.popitem(last=False)
        return answer


class Access:
    """Authentication and authorisation by the cluster's own reviews."""

    def __init__(self, reviewer: Reviewer, clock: Clock) -> None:
        self._reviewer = reviewer
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._callers: Answers[Caller | None] = Answers(clock)
        self._rights: Answers[bool] = Answers(clock)
        self._room = asyncio.Semaphore(MAX_REVIEWS)
        self.reviews = 0

    async def authenticate(self, token: str) -> Caller | None:
        """The caller with that token; None if the cluster does not accept it.

        Raises:
            StoreError: the cluster gave no answer.
        """
        if not token or len(token) > MAX_TOKEN_LENGTH:
            return None
        return await self._callers.get(
            self._digest(token.encode()),
            lambda: self._authenticate(token),
            seconds=lambda caller: BELIEVED_SECONDS if caller is None else min(TOKEN_SECONDS, self._remaining(token)),
        )

    async def allowed(self, caller: Caller, right: Right) -> bool:
        """Whether the caller has that right.

        Raises:
            StoreError: the cluster gave no answer.
        """
        return await self._rights.get((caller.digest, right), lambda: self._allowed(caller, right))

    def distrust(self, caller: Caller, right: Right | None = None) -> None:
        """The API server just said no to a token or right that was believed: ask again next time."""
        if right is not None:
            self._rights.forget((caller.digest, right))
        else:
            self._callers.forget(self._digest(caller.token.encode()))

    async def _authenticate(self, token: str) -> Caller | None:
        async with self._room:
            self.reviews += 1
            identity = await self._reviewer.authenticate(token)
        if identity is None or not identity.username.strip():
            return None
        known = [identity.username, identity.uid, sorted(identity.groups), sorted(identity.extra.items())]
        return Caller(identity, token, self._digest(orjson.dumps(known)))

    async def _allowed(self, caller: Caller, right: Right) -> bool:
        async with self._room:
            self.reviews += 1
            return await self._reviewer.allowed(caller.identity, right)

    def _digest(self, content: bytes) -> bytes:
        return blake2b(content, key=self._key, digest_size=32).digest()

    def _remaining(self, token: str) -> float:
        """Seconds until the token says it expires; infinite if it does not say."""
        expiry = _expiry(token)
        return float("inf") if expiry is None else max(0.0, expiry - self._clock.now().timestamp())


def _expiry(token: str) -> float | None:
    """`exp` of a JSON web token. Read without a check of the signature: it only ever shortens the time of belief."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = orjson.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    expiry = payload.get("exp") if isinstance(payload, dict) else None
    return float(expiry) if isinstance(expiry, int | float) else None
