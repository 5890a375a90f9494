"""The records are the outbox: sends what each EventSink has not got yet, in the order of each binding, at least once.

Told by `outbox`: the recorder says what was recorded, the sweep what is there. One sink is worked on by one worker at a
time, for at most `PASS_SECONDS`, so that one that hangs holds up nobody; what is decided is in `decisions`.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from moorage_crds import names
from moorage_crds.clock import Clock
from moorage_crds.conditions import Condition, Reason
from moorage_crds.identifiers import ClusterObjectName, NamespaceName
from moorage_crds.kinds.environment import Environment
from moorage_crds.kinds.event_sink import EventSink
from moorage_crds.moments import parse, to_text
from moorage_crds.store import InvalidError, NotFoundError, ObjectRef
from moorage_operator.events import decisions, messages
from moorage_operator.events.beginning import ListedRecord, begun, not_ready, only_said, status_of
from moorage_operator.events.credentials import SecretProblemError, Secrets, Way
from moorage_operator.events.decisions import END, AnswerMeaning, Backlog, SinkState, after
from moorage_operator.events.listing import Listings
from moorage_operator.events.ports import AddressRefusedError, Courier, NoAddressError, NoTurnError, Post
from moorage_operator.history.record_lookup import record_ref, to_record
from moorage_operator.memory.chain import Chain
from moorage_operator.memory.outbox import MAX_SERVED, SinkKey
from moorage_operator.work.context import Surroundings
from moorage_operator.work.ports import Jitter
from moorage_operator.work.queue import KeyedQueue

#: Seconds that one sink has a worker for itself.
PASS_SECONDS: Final = 2.0
#: Seconds between two statuses of a sink, at least: what is sent in between is sent again if this process dies.
FLUSH_SECONDS: Final = 1.0
#: Sinks of one Namespace that have a worker at once: endpoints that are slow on purpose hold up their own neighbours.
MOST_WORKERS: Final = 2
#: Of these, how many sinks may have whose last attempt failed: what hangs leaves a worker to what answers.
MOST_FOR_FAILING: Final = 1
#: Seconds until the next try of a sink for which there was no worker, or no thread to look its name up.
TURN_SECONDS: Final = 0.25
#: Seconds until a status that the API server does not take is written again.
REFUSED_SECONDS: Final = 60.0
#: Seconds until a Secret or an address that was refused is looked at again.
TROUBLE_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Held:
    """What is known of one sink while this replica sends for it."""

    sink: EventSink
    state: SinkState
    stored: Any
    flushed_at: float = float("-inf")
    looked: bool = False
    trouble: Condition | None = None
    again_at: float = 0.0
    moves: int = -1
    environments: dict[str, Environment] = field(default_factory=dict)

    def is_of(self, sink: EventSink) -> bool:
        mine = (self.sink.uid, self.sink.generation, self.sink.replay)
        return mine == (sink.uid, sink.generation, sink.replay)


@dataclass(frozen=True, slots=True)
class _Parcel:
    """An event, ready to be signed; `made_at`: when what it tells happened."""

    backlog: Backlog
    number: int
    id: str
    body: bytes
    media_type: str
    made_at: str


class Sender:
    """Sends events. `queue` holds the keys of sinks.

    Args:
        around: the cluster and what is known of it.
        queue: keys of sinks.
        courier: carries bodies; None: the administrator has not switched events on.
        jitter: of backoffs.
    """

    def __init__(
        self, around: Surroundings, queue: KeyedQueue[SinkKey], courier: Courier | None, jitter: Jitter
    ) -> None:
        self._store = around.store
        self._world = around.world
        self._outbox = around.outbox
        self._leadership = around.leadership
        self._measures = around.measures
        self._clock: Clock = around.clock
        self._courier = courier
        self._jitter = jitter
        self._secrets = Secrets(around.store, around.clock)
        self._listings = Listings(around.store, around.clock)
        self._held: dict[SinkKey, _Held] = {}
        self._idle: set[SinkKey] = set()
        self._working: Counter[str] = Counter()
        self._working_in_vain: Counter[str] = Counter()
        self._news: dict[SinkKey, dict[str, int]] = {}
        self.queue = queue
        self._outbox.changed = self._look_at
        self._outbox.recorded = self._hear

    @property
    def pending(self) -> int:
        """Bindings and Environments of which something is due, of all sinks."""
        return sum(len(held.state.backlogs) for held in self._held.values())

    @property
    def failing(self) -> int:
        """Sinks that take nothing."""
        return len(self._idle) + sum(
            held.trouble is not None or held.state.circuit.is_open or held.state.circuit.is_gone
            for held in self._held.values()
        )

    def _look_at(self, key: SinkKey) -> None:
        if self._outbox.is_open:
            self.queue.put(key)

    def _hear(self, key: SinkKey, uid: str, sequence: int) -> None:
        held = self._held.get(key)
        if held is not None and held.state.has_done(uid, sequence):
            return
        if self._leadership.acts:
            news = self._news.setdefault(key, {})
            news[uid] = max(sequence, news.get(uid, 0))
            self._look_at(key)

    def hears(self, chain: Chain) -> None:
        """A binding has changed: the other replica may have recorded it."""
        if chain.progress.sequence:
            self._outbox.has_records(chain.deployment.namespace, chain.deployment.uid, chain.progress.sequence)

    async def step(self, key: SinkKey) -> float | None:
        """Send what is due to one sink, for a while; seconds until the next look.

        Raises:
            StoreError: the cluster did not answer as hoped; try again.
        """
        sink = self._outbox.get(key)
        if sink is None or sink.deleting or not self._leadership.acts:
            self._forget(key)
            return None
        if self._courier is None:
            disabled = not_ready(Reason.EVENTS_DISABLED, "the chart's value events.enabled is false")
            await self._only_say(key, sink, disabled)
            return None
        if not self._outbox.serves(key):
            sentence = f"{MAX_SERVED} other EventSinks of the Namespace come before it by name; no more are served"
            await self._only_say(key, sink, not_ready(Reason.TOO_MANY_SINKS, sentence))
            return None
        self._idle.discard(key)
        held = self._held.get(key)
        if held is None or not held.is_of(sink):
            listed = await self._listings.take(key)
            if not isinstance(listed, tuple):
                return listed
            held = self._held[key] = self._begin(sink, held, listed)
        self._take_in(key, held)
        return await self._work(key, held, self._courier)

    async def _work(self, key: SinkKey, held: _Held, courier: Courier) -> float | None:
        now = self._clock.monotonic()
        if now >= held.again_at and (not held.looked or held.trouble is not None or decisions.due(held.state, now)):
            if not self._has_worker(held):
                return TURN_SECONDS
            try:
                await self._send(held, courier)
            except Exception:
                # What was delivered before is not sent again for it.
                await self._flush(key, held, None)
                raise
        return await self._flush(key, held, decisions.wait(held.state, self._clock.monotonic()))

    def _has_worker(self, held: _Held) -> bool:
        namespace = held.sink.namespace
        is_failing = held.state.circuit.failures > 0
        if is_failing and self._working_in_vain[namespace] >= MOST_FOR_FAILING:
            return False
        return self._working[namespace] < MOST_WORKERS

    def _forget(self, key: SinkKey) -> None:
        self._held.pop(key, None)
        self._news.pop(key, None)
        self._idle.discard(key)
        self._listings.forget(key)

    async def _only_say(self, key: SinkKey, sink: EventSink, why: Condition) -> None:
        """Nothing is sent to a sink, so nothing is found out for it: only its condition is written."""
        newest, stored = self._newest(sink, self._held.get(key))
        self._forget(key)
        self._idle.add(key)
        status = only_said(newest, why, to_text(self._clock.now()))
        if status != stored:
            ref = ObjectRef(names.EVENT_SINKS, NamespaceName.parse(sink.namespace), ClusterObjectName.parse(sink.name))
            with contextlib.suppress(NotFoundError):
                await self._store.replace_status(ref, uid=sink.uid, status=status)

    def _newest(self, sink: EventSink, before: _Held | None) -> tuple[EventSink, Any]:
        """What this process knows of a sink, which is newer than what the watch shows; and the stored status."""
        if before is None or before.sink.uid != sink.uid:
            return sink, sink.status
        known = replace(before.sink, status=before.stored)
        status = status_of(known, before.state, None, to_text(self._clock.now()))
        return replace(sink, status=status), before.stored

    def _begin(self, sink: EventSink, before: _Held | None, listed: Sequence[ListedRecord]) -> _Held:
        """What a sink has not got."""
        newest, stored = self._newest(sink, before)
        state = begun(newest, listed)
        if before is not None and _address(before.sink) == _address(sink):
            # An edit is not an answer of the endpoint: constant edits would otherwise cause constant attempts.
            state = replace(state, circuit=replace(before.state.circuit, is_gone=state.circuit.is_gone))
        return _Held(newest, state, stored)

    def _take_in(self, key: SinkKey, held: _Held) -> None:
        """What has happened since the last look."""
        sink = held.sink
        for uid, sequence in self._news.pop(key, {}).items():
            chain = self._world.chains.get(uid)
            place = (chain.deployment.environment, chain.deployment.app) if chain is not None else ("", "")
            if chain is None or sink.filters.takes(*place):
                held.state = after(held.state, decisions.RecordsUpTo(uid, sequence, *place))
        moves = self._outbox.moves(sink.namespace)
        if held.moves == moves:
            return
        held.moves = moves
        held.environments = {view.uid: view for view in self._world.environments_of(sink.namespace)}
        present = {
            view.uid: decisions.Present(view.name, view.generation, known=view.created_at < sink.created_at)
            for view in held.environments.values()
        }
        held.state = after(held.state, decisions.EnvironmentsPresent(present))

    async def _send(self, held: _Held, courier: Courier) -> None:
        held.looked, held.trouble = True, None
        mine = Counter([held.sink.namespace])
        in_vain = mine if held.state.circuit.failures else Counter[str]()
        self._working += mine
        self._working_in_vain += in_vain
        try:
            way = await self._secrets.way(held.sink)
            async with courier.to(way.url, held.state.circuit.failures) as post:
                await self._pass(held, way, post)
        except SecretProblemError as error:
            self._trouble(held, Reason.SECRET_UNUSABLE, str(error))
        except AddressRefusedError as error:
            self._trouble(held, Reason.ADDRESS_REFUSED, str(error))
        except NoTurnError:
            held.looked, held.again_at = False, self._clock.monotonic() + TURN_SECONDS
        except NoAddressError as error:
            self._measures.event("failed", None)
            held.state = after(held.state, decisions.Unreachable(self._clock.monotonic(), self._jitter(), str(error)))
        finally:
            self._working -= mine
            self._working_in_vain -= in_vain

    def _trouble(self, held: _Held, reason: Reason, why: str) -> None:
        held.trouble = not_ready(reason, why[:1024])
        held.again_at = self._clock.monotonic() + TROUBLE_SECONDS
        _log.warning("events wait", extra={"fields": {"sink": f"{held.sink.namespace}/{held.sink.name}", "why": why}})

    async def _pass(self, held: _Held, way: Way, post: Post) -> None:
        until = self._clock.monotonic() + PASS_SECONDS
        while (now := self._clock.monotonic()) < until and self._leadership.acts:
            batch = decisions.due(held.state, now)
            if not batch or not held.is_of(self._outbox.get((held.sink.namespace, held.sink.name)) or held.sink):
                return
            tried = (self._one(held, backlog, way, post) for backlog in batch)
            facts = await asyncio.gather(*tried, return_exceptions=True)
            # What was delivered counts, whatever became of the others.
            errors = [fact for fact in facts if isinstance(fact, BaseException)]
            for fact in facts:
                if not isinstance(fact, BaseException):
                    held.state = after(held.state, fact)
            if errors:
                raise errors[0]

    async def _one(self, held: _Held, backlog: Backlog, way: Way, post: Post) -> decisions.Fact:
        parcel = await self._parcel(held, backlog)
        if not isinstance(parcel, _Parcel):
            return parcel
        headers = {"content-type": parcel.media_type}
        headers |= messages.signed(way.signing, parcel.id, parcel.body, self._clock.now()) if way.signing else {}
        reply = await post(parcel.body, headers)
        verdict, now = decisions.judged(reply.status), self._clock.now()
        self._count(verdict, backlog, (now - parse(parcel.made_at)).total_seconds())
        return decisions.Answered(
            backlog.key,
            parcel.number,
            verdict,
            self._clock.monotonic(),
            to_text(now),
            self._jitter(),
            parcel.id,
            reply.why,
            reply.retry_after,
        )

    def _count(self, verdict: AnswerMeaning, backlog: Backlog, lag: float) -> None:
        outcome = {AnswerMeaning.TAKEN: "sent", AnswerMeaning.REFUSED: "refused", AnswerMeaning.GONE: "gone"}.get(
            verdict, "failed"
        )
        self._measures.event(outcome, max(lag, 0.0) if verdict is AnswerMeaning.TAKEN else None)
        if verdict is AnswerMeaning.REFUSED and backlog.refusals + 1 >= decisions.REFUSALS:
            self._measures.event("dead", None)

    async def _parcel(self, held: _Held, backlog: Backlog) -> _Parcel | decisions.Passed | decisions.Missing:
        """The next event of a backlog, or why there is none."""
        sink, number = held.sink, backlog.next
        if backlog.of_environment:
            if not sink.filters.takes(backlog.environment, None):
                return decisions.Passed(backlog.key, number)
            event = self._of_environment(held, backlog)
        else:
            try:
                raw = await self._store.get(record_ref(sink.namespace, backlog.key, number))
            except NotFoundError:
                return self._missing(backlog, number)
            record = to_record(raw)
            if record is None:
                return self._missing(backlog, number)
            if not sink.filters.takes(record.binding.environment, record.binding.app):
                return decisions.Passed(backlog.key, number)
            event = messages.of_record(record)
        if not sink.filters.takes_type(messages.short_type(event)):
            return decisions.Passed(backlog.key, number)
        body, media_type = messages.body_of(event, sink.format)
        return _Parcel(backlog, number, str(event["id"]), body, media_type, str(event["time"]))

    def _missing(self, backlog: Backlog, number: int) -> decisions.Missing:
        """Retention has removed it, and with it everything before the floor of its chain."""
        chain = self._world.chains.get(backlog.key)
        floor = chain.progress.floor_sequence - 1 if chain is not None else 0
        last = min(max(number, floor), backlog.newest)
        self._measures.event("dead", None)
        return decisions.Missing(backlog.key, last, to_text(self._clock.now()), names.record_name(backlog.key, number))

    def _of_environment(self, held: _Held, backlog: Backlog) -> dict[str, Any]:
        view, number = held.environments.get(backlog.key), backlog.next
        at = to_text(self._clock.now())
        if number == END:
            predicate = "deleted"
        elif backlog.sent == 0:
            predicate, at = "created", view.created_at if view is not None else at
        else:
            predicate, at = "modified", view.updated_at if view is not None else at
        return messages.of_environment(
            held.sink.namespace, backlog.environment, backlog.key, predicate=predicate, number=number, at=at
        )

    async def _flush(self, key: SinkKey, held: _Held, look_again: float | None) -> float | None:
        """Write the status if it is wrong and was not written just now; seconds until the next look."""
        now = self._clock.monotonic()
        if held.again_at > now:
            look_again = held.again_at - now
        sink = replace(held.sink, status=held.stored)
        status = status_of(sink, held.state, held.trouble, to_text(self._clock.now()))
        if status == held.stored:
            return look_again
        pause = held.flushed_at + FLUSH_SECONDS - now
        if pause > 0:
            return pause if look_again is None else min(pause, look_again)
        held.flushed_at = now
        ref = ObjectRef(names.EVENT_SINKS, NamespaceName.parse(sink.namespace), ClusterObjectName.parse(sink.name))
        try:
            await self._store.replace_status(ref, uid=sink.uid, status=status)
        except NotFoundError:
            self._held.pop(key, None)
            return None
        except InvalidError as error:
            _log.error("status of a sink not taken", extra={"fields": {"sink": list(key), "error": str(error)}})
            held.flushed_at = now + REFUSED_SECONDS
            return REFUSED_SECONDS if look_again is None else look_again
        held.stored = status
        return look_again


def _address(sink: EventSink) -> tuple[object, ...]:
    """What says where a sink's events go."""
    return sink.uid, sink.url, sink.secret, sink.format
