"""Answers of the cluster's reviews, kept for a while, bounded, with one question in flight for each key.

Closed when in doubt: an error of a review is never an answer and never kept.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from moorage_crds.clock import Clock
from moorage_crds.store import StoreError, ThrottledError

#: How long an answer of a review is believed, in seconds: a right that is taken away works no longer than this.
BELIEVED_SECONDS: Final = 10.0
#: How long such a question may take. Without an answer the old one counts, up to `BELIEVED_SECONDS`: reads continue
#: while the API server restarts.
PATIENCE_SECONDS: Final = 1.0
MAX_ANSWERS: Final = 8_192
#: Questions that may be open at once, most of them waiting for room. Clients that hang up leave theirs behind.
MAX_OPEN: Final = 1_024

ValueT = TypeVar("ValueT")


@dataclass(slots=True)
class Upstream:
    """What one request has had to do with the API server.

    Attributes:
        seconds: spent waiting for it.
        warnings: what it warned of, each once, in order.
    """

    seconds: float = 0.0
    warnings: dict[str, None] = field(default_factory=dict)

    def warn(self, text: str) -> None:
        """It warned of something."""
        self.warnings[text] = None


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
    """Answers kept for a while, bounded, with one question in flight for each key."""

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

    def kept(self, key: Hashable, otherwise: ValueT) -> ValueT:
        """The kept answer while it is fresh."""
        kept = self._kept.get(key)
        return kept.answer if kept is not None and kept.fresh_until > self._clock.monotonic() else otherwise

    def drop_expired(self) -> None:
        """Forget answers that are not believed any more, tokens above all. The oldest stand first."""
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
        # A caller that goes away while waiting must not take the answer from the others.
        if believed is None:
            return await asyncio.shield(question)
        try:
            return await asyncio.wait_for(asyncio.shield(question), PATIENCE_SECONDS)
        except (StoreError, TimeoutError):
            return believed.answer

    def _finished(self, key: Hashable, task: "asyncio.Task[ValueT]") -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # callers that still waited for it have it; else nobody needs it

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
