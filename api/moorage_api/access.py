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
from moorage_crds.store import Identity, Reviewer, Right, StoreError, ThrottledError

#: How long an answer of a review is believed, in seconds: a right that is taken away works no longer than this.
BELIEVED_SECONDS: Final = 10.0
#: An accepted token is asked about again after so many seconds: the API server itself goes on accepting the token of a
#: deleted account for up to 10 s (its own cache), and both together stay below 11 s.
TOKEN_SECONDS: Final = 1.0
#: How long such a question may take. Without an answer the old one counts, up to `BELIEVED_SECONDS`: reads go on
#: while the API server restarts.
PATIENCE_SECONDS: Final = 1.0
MAX_ANSWERS: Final = 8_192
#: Reviews that may be in flight at once: a flood of invented tokens is not passed on to the API server.
MAX_REVIEWS: Final = 32
#: Questions that may be open at once, most of them waiting for room. Clients that hang up leave theirs behind.
MAX_OPEN: Final = 1_024
#: How long it is remembered that a token was accepted once, in seconds: whoever has one is no guesser.
ACCEPTED_SECONDS: Final = 3_600.0
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


@dataclass(slots=True)
class Upstream:
    """What one request has spent waiting for the API server, in seconds."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Validity:
    """How long an answer counts, in seconds: without asking again, and at most, when asking again brings no answer."""

    fresh: float = BELIEVED_SECONDS
    believed: float = BELIEVED_SECONDS


def _default_validity(_answer: object) -> Validity:
    return Validity()


@dataclass(frozen=True, slots=True)
class _Kept(Generic[ValueT]):
    answer: ValueT
    fresh_until: float
    believed_until: float


class Answers(Generic[ValueT]):
    """Answers for a while, at most so many, one question in flight for each key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[Hashable, _Kept[ValueT]] = OrderedDict()
        self._asking: dict[Hashable, asyncio.Task[ValueT]] = {}

    async def get(
        self,
        key: Hashable,
        ask: Callable[[], Awaitable[ValueT]],
        *,
        validity: Callable[[ValueT], Validity] = _default_validity,
        upstream: Upstream | None = None,
    ) -> ValueT:
        """The kept answer while it is fresh, else the answer of `ask`, else the kept one while it is believed.

        Args:
            key: what is asked.
            ask: asks it.
            validity: how long an answer counts.
            upstream: gets the time that is waited for an answer.

        Raises:
            StoreError: what `ask` raised, or too many questions are open; nothing is kept then.
        """
        now = self._clock.monotonic()
        self.drop_expired()
        kept = self._kept.get(key)
        if kept is not None and kept.fresh_until > now:
            return kept.answer
        believed = kept if kept is not None and kept.believed_until > now else None
        try:
            return await self._answer(self._question(key, ask, validity), believed)
        finally:
            if upstream is not None:
                upstream.seconds += self._clock.monotonic() - now

    def drop_expired(self) -> None:
        """Let go of what is not believed any more, tokens above all. The oldest answers stand first."""
        now = self._clock.monotonic()
        while self._kept:
            key, kept = next(iter(self._kept.items()))
            if kept.believed_until > now:
                return
            del self._kept[key]

    def forget(self, key: Hashable) -> None:
        """Ask again next time."""
        self._kept.pop(key, None)

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._kept)

    def _question(
        self, key: Hashable, ask: Callable[[], Awaitable[ValueT]], validity: Callable[[ValueT], Validity]
    ) -> "asyncio.Task[ValueT]":
        """The open question, or a new one. Raises ThrottledError."""
        task = self._asking.get(key)
        if task is None:
            if len(self._asking) >= MAX_OPEN:
                raise ThrottledError("too many reviews are open", retry_after=1)
            task = asyncio.ensure_future(self._ask(key, ask, validity))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return task

    async def _answer(self, question: "asyncio.Task[ValueT]", believed: _Kept[ValueT] | None) -> ValueT:
        # Whoever goes away while waiting must not take the answer from the others.
        if believed is None:
            return await asyncio.shield(question)
        try:
            return await asyncio.wait_for(asyncio.shield(question), PATIENCE_SECONDS)
        except (StoreError, TimeoutError):
            return believed.answer

    def _finished(self, key: Hashable, task: "asyncio.Task[ValueT]") -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever still waited for it has it; else it is nobody's

    async def _ask(
        self, key: Hashable, ask: Callable[[], Awaitable[ValueT]], validity: Callable[[ValueT], Validity]
    ) -> ValueT:
        # The time counts from before the question: a right may be taken away while the answer is on its way.
        asked = self._clock.monotonic()
        answer = await ask()
        valid = validity(answer)
        self._kept[key] = _Kept(answer, asked + valid.fresh, asked + valid.believed)
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
        #: digest of a token → until when it counts as accepted before
        self._accepted: OrderedDict[bytes, float] = OrderedDict()
        self.reviews = 0

    async def authenticate(self, token: str, upstream: Upstream | None = None) -> Caller | None:
        """The caller with that token; None if the cluster does not accept it.

        Raises:
            StoreError: the cluster gave no answer.
        """
        if not token or len(token) > MAX_TOKEN_LENGTH:
            return None
        digest = self._digest(token.encode())
        caller = await self._callers.get(
            digest,
            lambda: self._authenticate(token),
            validity=lambda found: self._token_validity(found, token),
            upstream=upstream,
        )
        self._note(digest, accepted=caller is not None)
        return caller

    async def allowed(self, caller: Caller, right: Right, upstream: Upstream | None = None) -> bool:
        """Whether the caller has that right.

        Raises:
            StoreError: the cluster gave no answer.
        """
        return await self._rights.get((caller.digest, right), lambda: self._allowed(caller, right), upstream=upstream)

    def accepted_before(self, token: str) -> bool:
        """Whether the cluster accepted this token not long ago, and has not refused it since."""
        return self._accepted.get(self._digest(token.encode()), 0.0) > self._clock.monotonic()

    def drop_expired(self) -> None:
        """Let go of tokens and answers that are not believed any more."""
        self._callers.drop_expired()
        self._rights.drop_expired()

    def _note(self, digest: bytes, *, accepted: bool) -> None:
        self._accepted.pop(digest, None)
        if accepted:
            self._accepted[digest] = self._clock.monotonic() + ACCEPTED_SECONDS
            if len(self._accepted) > MAX_ANSWERS:
                self._accepted.popitem(last=False)

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

    def _token_validity(self, caller: Caller | None, token: str) -> Validity:
        if caller is None:
            return Validity()
        remaining = self._remaining(token)
        return Validity(fresh=min(TOKEN_SECONDS, remaining), believed=min(BELIEVED_SECONDS, remaining))

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
