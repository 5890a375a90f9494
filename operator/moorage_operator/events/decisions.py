"""Decides what a sink is sent next, and what follows from an answer: frozen states, `after(state, fact)`. Pure.

A backlog is what a sink has not been sent yet of one binding or one Environment. Its events go one after the other, so
that their order holds. Up to `AT_ONCE` backlogs go at once. The status keeps for each the number that was sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Final

#: Backlogs whose next event is under way at once, for each sink; one while the circuit is open.
AT_ONCE: Final = 8
#: Seconds until the next attempt after a failure: first and longest; what the endpoint asks for instead, at most.
BACKOFF_SECONDS: Final = (0.5, 300.0)
LONGEST_PAUSE: Final = 3600.0
#: Failures in a row that open the circuit.
OPENS_AFTER: Final = 5
#: Attempts after which an event is given up that the endpoint refuses for its content.
REFUSALS: Final = 8
#: Dead letters that a status shows.
SHOWN_LETTERS: Final = 10
#: The number that stands for the end of an Environment; its generations come before.
END: Final = 2**62


class AnswerMeaning(Enum):
    """What an answer means."""

    TAKEN = auto()
    """The event arrived."""
    REFUSED = auto()
    """The endpoint does not want this very event."""
    GONE = auto()
    """The endpoint wants no events any more."""
    LATER = auto()
    """The endpoint cannot take events now."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a sink has not been sent yet of one binding or one Environment.

    Attributes:
        key: uid of the Deployment or Environment.
        sent: the newest number that is done; 0: none.
        newest: the newest number that there is.
        environment: empty while it is not known, as is `app`, which an Environment has not.
        refusals: how often the endpoint refused the next event for its content.
        not_before: monotonic time of the next attempt after a refusal.
        of_environment: an Environment's own events.
    """

    key: str
    sent: int
    newest: int
    environment: str = ""
    app: str = ""
    refusals: int = 0
    not_before: float = 0.0
    of_environment: bool = False

    @property
    def next(self) -> int:
        """The number of the event that is next. An Environment's generations between two looks are one event."""
        if not self.of_environment:
            return self.sent + 1
        return 1 if self.sent == 0 and self.newest == END else self.newest


@dataclass(frozen=True, slots=True)
class Circuit:
    """Whether the endpoint can be reached.

    Attributes:
        failures: how many attempts in a row failed.
        not_before: monotonic time of the next attempt.
        why: what the last failure was.
        is_gone: the endpoint answered 410.
    """

    failures: int = 0
    not_before: float = 0.0
    why: str = ""
    is_gone: bool = False

    @property
    def is_open(self) -> bool:
        """Nothing but one probe is sent now and then."""
        return self.failures >= OPENS_AFTER


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that was given up; `at` is RFC 3339."""

    id: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class SinkState:
    """Everything that decides what a sink is sent.

    Attributes:
        since: RFC 3339: records that were made before are not sent.
        delivered: uid → the newest change that is done; what the status keeps.
        passed: the same of bindings whose records are all older than `since`; not kept.
        backlogs: what is due, by key, in the order in which it became so.
        environments: uid → name and generation of which events were sent.
        sent: events taken, ever.
        letters: events given up, ever; `latest` are some of them.
    """

    since: str
    delivered: Mapping[str, int] = field(default_factory=dict)
    passed: Mapping[str, int] = field(default_factory=dict)
    backlogs: Mapping[str, Backlog] = field(default_factory=dict)
    environments: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    circuit: Circuit = field(default_factory=Circuit)
    sent: int = 0
    last_sent: str = ""
    letters: int = 0
    latest: tuple[Letter, ...] = ()

    def has_done(self, key: str, sequence: int) -> bool:
        """Whether nothing is due of a binding that has records up to that number."""
        return key not in self.backlogs and sequence <= self.delivered.get(key, self.passed.get(key, 0))


@dataclass(frozen=True, slots=True)
class RecordsUpTo:
    """A fact: a binding has records up to that number. Where it is may not be known yet."""

    key: str
    sequence: int
    environment: str = ""
    app: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """A fact: the next event of a backlog was sent, and this is what became of it.

    Attributes:
        retry_after: seconds that the endpoint asked for; None: it did not.
        now: monotonic.
        at: RFC 3339.
        jitter: between 0.5 and 1.
        id: of the event.
    """

    key: str
    number: int
    verdict: AnswerMeaning
    now: float
    at: str
    jitter: float
    id: str
    why: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A fact: events of a backlog up to that number are not for this sink."""

    key: str
    number: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact: records of a backlog up to that number were removed before they were sent."""

    key: str
    number: int
    at: str
    id: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A fact: nothing could be sent at all; `why` for people."""

    now: float
    jitter: float
    why: str


@dataclass(frozen=True, slots=True)
class Present:
    """An Environment that is there; `known`: it was there before the sink, so that its creation is not news."""

    name: str
    generation: int
    known: bool = False


@dataclass(frozen=True, slots=True)
class EnvironmentsPresent:
    """A fact: these Environments are there, by uid."""

    present: Mapping[str, Present]


Fact = RecordsUpTo | Answered | Passed | Missing | Unreachable | EnvironmentsPresent


def after(state: SinkState, fact: Fact) -> SinkState:
    """The state that follows from a fact."""
    match fact:
        case RecordsUpTo():
            return _recorded(state, fact)
        case Answered():
            return _answered(state, fact)
        case Passed(key, number):
            return _done(state, key, number)
        case Missing(key, number, at, id):
            backlog = state.backlogs.get(key)
            lost = number - backlog.sent if backlog is not None else 0
            letter = Letter(id, at, "the record was removed before it was sent")
            return _done(_buried(state, letter, lost), key, number)
        case Unreachable(now, jitter, why):
            return replace(state, circuit=_failed(state.circuit, now, jitter, why, None))
        case EnvironmentsPresent(present):
            return _with_environments(state, present)


def due(state: SinkState, now: float) -> tuple[Backlog, ...]:
    """The backlogs whose next event is to be sent now, those that have waited longest first."""
    if state.circuit.is_gone or now < state.circuit.not_before:
        return ()
    ready = (backlog for backlog in state.backlogs.values() if backlog.not_before <= now)
    most = 1 if state.circuit.failures else AT_ONCE
    return tuple(backlog for backlog, _ in zip(ready, range(most), strict=False))


def wait(state: SinkState, now: float) -> float | None:
    """Seconds until something is to be sent; None: not before something happens."""
    if state.circuit.is_gone or not state.backlogs:
        return None
    first = min(backlog.not_before for backlog in state.backlogs.values())
    return max(first, state.circuit.not_before, now) - now


def judged(status: int) -> AnswerMeaning:
    """What an HTTP status means; 0: there was no answer.

    Only what speaks of the event itself refuses it. A wrong path or token is somebody's to mend, and nothing is lost
    until then. No redirect is followed: where it leads was never allowed.
    """
    if 200 <= status < 300:
        return AnswerMeaning.TAKEN
    if status == 410:
        return AnswerMeaning.GONE
    return AnswerMeaning.REFUSED if status in {400, 406, 413, 415, 422} else AnswerMeaning.LATER


def pause_asked(header: str, now: datetime) -> float | None:
    """The seconds that a `Retry-After` asks for, which is a number or a date; None: it says neither."""
    if header.isdecimal():
        return float(header[:9])
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _recorded(state: SinkState, fact: RecordsUpTo) -> SinkState:
    backlog = state.backlogs.get(fact.key)
    if backlog is None:
        if state.has_done(fact.key, fact.sequence):
            return state
        backlog = Backlog(fact.key, state.delivered.get(fact.key, state.passed.get(fact.key, 0)), fact.sequence)
    backlog = replace(
        backlog,
        newest=max(backlog.newest, fact.sequence),
        environment=backlog.environment or fact.environment,
        app=backlog.app or fact.app,
    )
    return replace(state, backlogs={**state.backlogs, fact.key: backlog})


def _answered(state: SinkState, fact: Answered) -> SinkState:
    match fact.verdict:
        case AnswerMeaning.TAKEN:
            state = replace(state, circuit=Circuit(), sent=state.sent + 1, last_sent=fact.at)
            return _done(state, fact.key, fact.number)
        case AnswerMeaning.GONE:
            return replace(state, circuit=replace(state.circuit, is_gone=True, why=fact.why))
        case AnswerMeaning.LATER:
            circuit = _failed(state.circuit, fact.now, fact.jitter, fact.why, fact.retry_after)
            return replace(state, circuit=circuit)
        case AnswerMeaning.REFUSED:
            return _refused(state, fact)


def _refused(state: SinkState, fact: Answered) -> SinkState:
    # The endpoint answers, so the circuit is closed; only this backlog waits.
    state, backlog = replace(state, circuit=Circuit()), state.backlogs.get(fact.key)
    if backlog is None:
        return state
    refusals = backlog.refusals + 1
    if refusals >= REFUSALS:
        return _done(_buried(state, Letter(fact.id, fact.at, fact.why), 1), fact.key, fact.number)
    pause = max(_backoff(refusals, fact.jitter), min(fact.retry_after or 0.0, LONGEST_PAUSE))
    waiting = replace(backlog, refusals=refusals, not_before=fact.now + pause)
    return replace(state, backlogs={**state.backlogs, fact.key: waiting})


def _done(state: SinkState, key: str, number: int) -> SinkState:
    """Events of a backlog up to that number need nothing more."""
    backlog = state.backlogs.get(key)
    if backlog is None:
        return state
    backlogs = {other: one for other, one in state.backlogs.items() if other != key}
    if number < backlog.newest:
        # Behind the others, so that a long backlog does not hold them up.
        backlogs[key] = replace(backlog, sent=number, refusals=0, not_before=0.0)
    if not backlog.of_environment:
        return replace(state, backlogs=backlogs, delivered={**state.delivered, key: number})
    environments = dict(state.environments)
    environments.pop(key, None)
    if number != END:
        environments[key] = (backlog.environment, number)
    return replace(state, backlogs=backlogs, environments=environments)


def _buried(state: SinkState, letter: Letter, count: int) -> SinkState:
    latest = (*state.latest, replace(letter, reason=letter.reason[:256]))[-SHOWN_LETTERS:]
    return replace(state, letters=state.letters + count, latest=latest)


def _failed(circuit: Circuit, now: float, jitter: float, why: str, retry_after: float | None) -> Circuit:
    failures = circuit.failures + 1
    pause = max(_backoff(failures, jitter), min(retry_after or 0.0, LONGEST_PAUSE))
    # Several events that were under way at once fail together: that is one failure, and the longest pause counts.
    if now < circuit.not_before:
        failures, pause = circuit.failures, max(pause, circuit.not_before - now)
    return Circuit(failures, now + pause, why)


def _backoff(failures: int, jitter: float) -> float:
    first, longest = BACKOFF_SECONDS
    return min(longest, first * float(2 ** min(failures - 1, 16))) * jitter


def _with_environments(state: SinkState, present: Mapping[str, Present]) -> SinkState:
    """Environments that are there are due up to their generation, those that went up to `END`."""
    backlogs, environments = dict(state.backlogs), dict(state.environments)
    for uid, one in present.items():
        backlog, (name, generation) = backlogs.get(uid), environments.get(uid, ("", 0))
        if backlog is not None:
            backlogs[uid] = replace(backlog, newest=one.generation)
        elif not name and one.known:
            environments[uid] = (one.name, one.generation)
        elif one.generation > generation:
            backlogs[uid] = Backlog(uid, generation, one.generation, environment=one.name, of_environment=True)
    for uid, name in _gone(state, present).items():
        backlog = backlogs.get(uid) or Backlog(uid, environments[uid][1], END, environment=name, of_environment=True)
        backlogs[uid] = replace(backlog, newest=END)
    if backlogs == state.backlogs and environments == state.environments:
        return state
    return replace(state, backlogs=backlogs, environments=environments)


def _gone(state: SinkState, present: Mapping[str, Present]) -> dict[str, str]:
    """Uid → name of the Environments that are gone."""
    known = {uid: name for uid, (name, _) in state.environments.items()}
    known |= {uid: backlog.environment for uid, backlog in state.backlogs.items() if backlog.of_environment}
    return {uid: name for uid, name in known.items() if uid not in present}
