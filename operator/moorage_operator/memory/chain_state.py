"""One binding and how far its history is: a frozen state, the facts that change it, and the state after each. Pure.

`World` keeps one `Chain` for each binding and is the only one who tells it facts; every loop reads it.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import orjson

from moorage_crds.kinds.deployment import Deployment
from moorage_operator.facts import ChainFacts, Progress, Trouble, Unstamped
from moorage_operator.history import decisions as history
from moorage_operator.history.decisions import Due

NO_STATUS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Now:
    """The present moment: `monotonic` in seconds, `text` in RFC 3339."""

    monotonic: float
    text: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a change that is not recorded yet was seen first; `absent_at`: the last list that did not have it began."""

    sequence: int
    monotonic: float
    seen_at: str
    absent_at: str | None = None


@dataclass(frozen=True, slots=True)
class ChainState:
    """All that is known of one chain.

    Attributes:
        deployment: the newest view; without its status, and of its log only what is still needed.
        progress: how far this process knows the records to go; the status may be behind.
        begun: the first version of the Deployment that was seen.
        stored: the status as it is stored, JSON.
        written: `recordedSequence` of the status that is stored, or on its way.
        written_at: monotonic time of our last status write; 0 if there was none.
        unstamped: releases seen while no policy watched.
        arrivals: changes that are waiting, oldest first.
        deleted_at: when the Deployment was seen to be gone, RFC 3339; None while it lives.
        trouble: why the next change cannot be recorded; None if nothing is known to be in the way.
        listed: `recordedSequence` at the last full list.
        listed_at: when that list began, RFC 3339; None before the first.
        homeless: its Namespace is going or gone, so nothing can be recorded any more.
    """

    deployment: Deployment
    progress: Progress
    begun: str
    stored: bytes
    written: int = 0
    written_at: float = 0.0
    unstamped: tuple[Unstamped, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    deleted_at: str | None = None
    trouble: Trouble | None = None
    listed: int = 0
    listed_at: str | None = None
    homeless: bool = False

    def facts(self) -> ChainFacts:
        """What decides which records are due."""
        return ChainFacts(self.deployment, self.progress, self.unstamped, self.deleted_at)

    def due(self) -> tuple[Due, ...]:
        """The changes that have no record yet."""
        return history.due(self.facts())


# --- what happens to a chain


class Fact(Protocol):
    """Something that happened to a chain."""

    def after(self, state: ChainState, now: Now) -> ChainState:
        """The state after it."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A newer view of the Deployment came."""

    deployment: Deployment

    def after(self, state: ChainState, now: Now) -> ChainState:
        """What is waiting now; progress never goes back."""
        seen = self.deployment
        progress = history.further(state.progress, history.progress_of(seen))
        written = max(state.written, seen.recorded)
        view, stored = _slim(seen, progress), packed(seen.status)
        return _stock_taken(replace(state, deployment=view, progress=progress, stored=stored, written=written), now)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A record was written or found: the chain is that far."""

    progress: Progress

    def after(self, state: ChainState, now: Now) -> ChainState:
        """That far, unless it is further already: what a watch showed meanwhile may be newer than an answer."""
        further = history.further(state.progress, self.progress)
        return _stock_taken(replace(state, progress=further, trouble=None), now)


@dataclass(frozen=True, slots=True)
class Gone:
    """The Deployment is not there any more."""

    def after(self, state: ChainState, now: Now) -> ChainState:
        """The moment of the first such news counts."""
        return _stock_taken(replace(state, deleted_at=state.deleted_at or now.text), now)


@dataclass(frozen=True, slots=True)
class Listed:
    """A full list that began at that time (RFC 3339) had the Deployment, with that number of records counted."""

    recorded: int
    began: str | None

    def after(self, state: ChainState, now: Now) -> ChainState:
        """Nothing waits for it: what was not in the list came later."""
        del now
        return replace(state, listed=self.recorded, listed_at=self.began)


@dataclass(frozen=True, slots=True)
class Stalled:
    """The next change cannot be recorded."""

    trouble: Trouble

    def after(self, state: ChainState, now: Now) -> ChainState:
        """Until a record is written, or nothing waits."""
        del now
        return replace(state, trouble=self.trouble)


@dataclass(frozen=True, slots=True)
class HasHome:
    """Whether there is a Namespace in which something can be recorded."""

    has: bool

    def after(self, state: ChainState, now: Now) -> ChainState:
        """Until somebody looks again."""
        del now
        return replace(state, homeless=not self.has)


@dataclass(frozen=True, slots=True)
class StatusSent:
    """A status is on its way, with everything in it that is recorded."""

    def after(self, state: ChainState, now: Now) -> ChainState:
        """Counted before the answer, so that what is recorded meanwhile does not ask for one more at once."""
        return replace(state, written_at=now.monotonic, written=max(state.written, state.progress.sequence))


@dataclass(frozen=True, slots=True)
class StatusStored:
    """A status was taken, JSON."""

    stored: bytes

    def after(self, state: ChainState, now: Now) -> ChainState:
        """The watch will show the same."""
        del now
        return replace(state, stored=self.stored)


def first(seen: Deployment, now: Now) -> ChainState:
    """The state at the first view of a Deployment."""
    progress = history.progress_of(seen)
    state = ChainState(_slim(seen, progress), progress, seen.resource_version, packed(seen.status), seen.recorded)
    return _stock_taken(state, now)


def _stock_taken(state: ChainState, now: Now) -> ChainState:
    """The state with its due changes computed again."""
    if state.deleted_at is None:
        unstamped = history.with_unstamped(state.facts(), now.text)
        if unstamped != state.unstamped:
            state = replace(state, unstamped=unstamped)
    waiting = state.due()
    if not waiting:
        return replace(state, arrivals=(), trouble=None) if state.arrivals or state.trouble else state
    old = {arrival.sequence: arrival for arrival in state.arrivals}
    arrivals = tuple(
        old.get(one.change.sequence)
        or Arrival(one.change.sequence, now.monotonic, one.seen_at or now.text, state.listed_at)
        for one in waiting
    )
    return replace(state, arrivals=arrivals)


def packed(status: Mapping[str, Any]) -> bytes:
    """A status as JSON that takes no more room than it needs: orjson's own buffer is four times as large."""
    return bytes(memoryview(orjson.dumps(status)))


def _slim(seen: Deployment, progress: Progress) -> Deployment:
    """The view without its status, with shared strings, and without log entries that are recorded (but the last)."""
    log = seen.log[-1:] if seen.logged <= progress.sequence else seen.log
    return replace(
        seen,
        namespace=sys.intern(seen.namespace),
        environment=sys.intern(seen.environment),
        app=sys.intern(seen.app),
        log=log,
        status=NO_STATUS,
    )
