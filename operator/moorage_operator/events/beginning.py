"""Where a sink begins: its stored status and a list of records → a state; and back, a state → its status. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moorage_crds.conditions import Condition, ConditionType, Reason, find, with_conditions
from moorage_crds.kinds.event_sink import Chosen, EventSink, chosen, stored_filters
from moorage_crds.moments import to_moment, to_text
from moorage_crds.objects import mapping
from moorage_operator.events.decisions import Backlog, Circuit, Letter, SinkState

_LATEST: Final = "latestDeadLetters"


@dataclass(frozen=True, slots=True)
class ListedRecord:
    """What a list shows of a record; `made`: when it was written, RFC 3339."""

    key: str
    sequence: int
    made: str
    environment: str
    app: str


@dataclass(slots=True)
class _Chain:
    environment: str
    app: str
    first: int = 0
    newest: int = 0


def begun(sink: EventSink, records: Iterable[ListedRecord]) -> SinkState:
    """The state in which a sink resumes, or begins."""
    status = sink.status
    replays = is_replay_wanted(sink)
    moment = to_moment(sink.replay) if replays else None
    since = to_text(moment) if moment is not None else str(status.get("since") or sink.created_at)
    delivered: dict[str, int] = {} if replays else _numbers(status.get("delivered"))
    chains = _chains(records, since)
    before = chosen(mapping(status.get("filters"))) if "since" in status and not replays else sink.filters
    kept, passed, backlogs = {}, {}, {}
    for key, chain in chains.items():
        sent = _place(key, chain, delivered, before=before, filters=sink.filters)
        if key in delivered or (sent == chain.newest and chain.first):
            kept[key] = sent
        elif not chain.first or not sink.filters.takes(chain.environment, chain.app):
            passed[key] = chain.newest
            continue
        if sent < chain.newest:
            backlogs[key] = Backlog(key, sent, chain.newest, chain.environment, chain.app)
    return SinkState(
        since=since,
        delivered=kept,
        passed=passed,
        backlogs=backlogs,
        environments=_environments(status.get("environments")),
        circuit=Circuit(is_gone=_is_gone(sink) and not replays),
        sent=int(status.get("sent") or 0),
        last_sent=str(status.get("lastSent") or ""),
        letters=int(status.get("deadLetters") or 0),
        latest=tuple(Letter(one["id"], one["at"], one["reason"]) for one in status.get(_LATEST) or ()),
    )


def is_replay_wanted(sink: EventSink) -> bool:
    """The annotation asks for a replay that was not begun yet, and says a time."""
    return bool(sink.replay) and sink.replay != sink.status.get("replayedSince") and to_moment(sink.replay) is not None


def _chains(records: Iterable[ListedRecord], since: str) -> dict[str, _Chain]:
    """By key: the first record that counts (0: none does), and the newest."""
    chains: dict[str, _Chain] = {}
    for one in records:
        chain = chains.setdefault(one.key, _Chain(one.environment, one.app))
        chain.newest = max(chain.newest, one.sequence)
        if one.made >= since and (not chain.first or one.sequence < chain.first):
            chain.first = one.sequence
    return chains


def _place(key: str, chain: _Chain, delivered: Mapping[str, int], *, before: Chosen, filters: Chosen) -> int:
    if key in delivered:
        return delivered[key]
    # What the old filters left out stays out, also when the new ones would take it.
    if not before.takes(chain.environment, chain.app) and filters.takes(chain.environment, chain.app):
        return chain.newest
    return chain.first - 1 if chain.first else chain.newest


def _numbers(stored: Any) -> dict[str, int]:
    return {key: int(number) for key, number in mapping(stored).items()}


def _environments(stored: Any) -> dict[str, tuple[str, int]]:
    return {key: (str(one["name"]), int(one["generation"])) for key, one in mapping(stored).items()}


def _is_gone(sink: EventSink) -> bool:
    found = find(sink.status.get("conditions") or (), ConditionType.STALLED)
    return (
        found is not None
        and found.get("reason") == Reason.ENDPOINT_GONE
        and found.get("observedGeneration") == sink.generation
    )


def status_of(sink: EventSink, state: SinkState, trouble: Condition | None, now: str) -> dict[str, Any]:
    """The status that says a state; `trouble`: why nothing can be sent, beside what the state itself knows."""
    optional: dict[str, Any] = {
        "replayedSince": sink.replay if to_moment(sink.replay) is not None else sink.status.get("replayedSince"),
        "lastSent": state.last_sent,
        _LATEST: [{"id": one.id, "at": one.at, "reason": one.reason} for one in state.latest],
        "filters": stored_filters(sink.filters),
    }
    return {
        "observedGeneration": sink.generation,
        "since": state.since,
        "sent": state.sent,
        "pending": len(state.backlogs),
        "deadLetters": state.letters,
        **{key: value for key, value in optional.items() if value},
        "delivered": dict(state.delivered),
        "environments": {
            uid: {"name": name, "generation": generation} for uid, (name, generation) in state.environments.items()
        },
        "conditions": with_conditions(
            sink.status.get("conditions") or (),
            _conditions(state, trouble),
            observed_generation=sink.generation,
            now=now,
        ),
    }


def only_said(sink: EventSink, why: Condition, now: str) -> dict[str, Any]:
    """The status of a sink that nothing is sent to: as it was, but for the condition. What stalled it is kept."""
    present = sink.status.get("conditions") or ()
    said = with_conditions(present, [why], observed_generation=sink.generation, now=now)
    stalled = find(present, ConditionType.STALLED)
    conditions = [*said, dict(stalled)] if stalled is not None else said
    return {**sink.status, "observedGeneration": sink.generation, "conditions": conditions}


def not_ready(reason: Reason, message: str) -> Condition:
    """Why nothing can be sent."""
    return Condition(ConditionType.READY, False, reason, message)


def _conditions(state: SinkState, trouble: Condition | None) -> Iterable[Condition]:
    if state.circuit.is_gone:
        sentence = "the endpoint answered 410: change the spec, or ask for a replay, to send again"
        yield not_ready(Reason.ENDPOINT_GONE, sentence)
        yield Condition(ConditionType.STALLED, True, Reason.ENDPOINT_GONE, sentence)
    elif trouble is not None:
        yield trouble
    elif state.circuit.is_open:
        yield not_ready(Reason.UNREACHABLE, f"events wait: {state.circuit.why}")
    else:
        yield Condition(ConditionType.READY, True, Reason.DELIVERING, "the endpoint takes what is sent")
