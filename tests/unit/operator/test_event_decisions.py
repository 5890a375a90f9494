"""What a sink is sent next: nothing is lost, the order of a binding holds, and only what is due is tried."""

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from moorage_crds.conditions import Reason
from moorage_crds.kinds.event_sink import ANNOTATION_REPLAY, EventSink, from_object
from moorage_operator.events import beginning, decisions
from moorage_operator.events.beginning import ListedRecord, begun, status_of
from moorage_operator.events.decisions import (
    AT_ONCE,
    END,
    OPENS_AFTER,
    REFUSALS,
    Answered,
    AnswerMeaning,
    EnvironmentsPresent,
    Missing,
    Passed,
    Present,
    RecordsUpTo,
    SinkState,
    after,
    due,
    judged,
    pause_asked,
    wait,
)

NOW = "2026-01-31T12:00:00Z"
EMPTY = SinkState(since=NOW)


def sink(status: dict[str, Any] | None = None, *, replay: str = "", generation: int = 1, **filters: Any) -> EventSink:
    meta = {
        "namespace": "shop",
        "name": "audit",
        "uid": "s",
        "resourceVersion": "1",
        "generation": generation,
        "creationTimestamp": NOW,
        "annotations": {ANNOTATION_REPLAY: replay} if replay else {},
    }
    spec = {"url": "https://events.example.com/in", "secretRef": {"name": "a", "key": "b"}, "filters": filters}
    return from_object({"metadata": meta, "spec": spec, "status": status or {}})


def listed(key: str, *sequences: int, made: str = NOW, app: str = "web") -> list[ListedRecord]:
    return [ListedRecord(key, sequence, made, "production", app) for sequence in sequences]


def answer(backlog: decisions.Backlog, verdict: AnswerMeaning, now: float = 0.0, **more: Any) -> Answered:
    return Answered(backlog.key, backlog.next, verdict, now, NOW, 1.0, f"{backlog.key}-{backlog.next}", "why", **more)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, AnswerMeaning.TAKEN),
        (204, AnswerMeaning.TAKEN),
        (0, AnswerMeaning.LATER),
        (302, AnswerMeaning.LATER),
        (400, AnswerMeaning.REFUSED),
        (401, AnswerMeaning.LATER),
        (404, AnswerMeaning.LATER),
        (410, AnswerMeaning.GONE),
        (413, AnswerMeaning.REFUSED),
        (422, AnswerMeaning.REFUSED),
        (429, AnswerMeaning.LATER),
        (503, AnswerMeaning.LATER),
    ],
)
def test_an_answer_means_one_thing(status: int, verdict: AnswerMeaning) -> None:
    assert judged(status) is verdict


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("7", 7.0),
        ("soon", None),
        ("-3", None),
        ("Sat, 31 Jan 2026 12:01:00 GMT", 60.0),
        ("Sat, 31 Jan 2026 11:00:00 GMT", 0.0),
        ("1 Jan 2026 00:00:00 +99999999999999", None),
        ("9" * 400, 999_999_999.0),
    ],
)
def test_an_endpoint_says_how_long_to_wait(header: str, seconds: float | None) -> None:
    assert pause_asked(header, datetime(2026, 1, 31, 12, tzinfo=UTC)) == seconds


def test_backlogs_take_turns_and_one_binding_has_one_event_under_way() -> None:
    state = EMPTY
    for key in range(AT_ONCE + 2):
        state = after(state, RecordsUpTo(f"b{key}", 3))

    first = due(state, 0.0)
    state = after(state, answer(first[0], AnswerMeaning.TAKEN))

    assert [backlog.key for backlog in first] == [f"b{key}" for key in range(AT_ONCE)]
    assert {backlog.next for backlog in first} == {1}
    assert [backlog.key for backlog in state.backlogs.values()][-1] == "b0"
    assert state.backlogs["b0"].next == 2


def test_failures_back_off_open_the_circuit_and_one_answer_closes_it() -> None:
    state, now, pauses = after(after(EMPTY, RecordsUpTo("b", 1)), RecordsUpTo("c", 1)), 0.0, []
    for _ in range(OPENS_AFTER + 6):
        backlog = due(state, now)[0]
        state = after(state, answer(backlog, AnswerMeaning.LATER, now))
        pause = wait(state, now)
        assert pause is not None
        pauses.append(pause)
        assert due(state, now + pause / 2) == ()
        now += pause
        assert len(due(state, now)) == 1

    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert state.circuit.is_open
    state = after(state, answer(due(state, now)[0], AnswerMeaning.TAKEN, now))
    assert not state.circuit.is_open
    assert state.circuit.failures == 0


def test_events_that_fail_together_are_one_failure() -> None:
    state = EMPTY
    for key in range(AT_ONCE):
        state = after(state, RecordsUpTo(f"b{key}", 1))
    for backlog in due(state, 0.0):
        state = after(state, answer(backlog, AnswerMeaning.LATER))
    assert state.circuit.failures == 1


def test_what_the_endpoint_asks_for_is_kept_to_within_bounds() -> None:
    state = after(EMPTY, RecordsUpTo("b", 1))
    backlog = due(state, 0.0)[0]
    assert wait(after(state, answer(backlog, AnswerMeaning.LATER, retry_after=90.0)), 0.0) == 90.0
    assert wait(after(state, answer(backlog, AnswerMeaning.LATER, retry_after=1e9)), 0.0) == decisions.LONGEST_PAUSE


def test_an_event_that_is_refused_waits_alone_and_is_given_up() -> None:
    state, now = after(after(EMPTY, RecordsUpTo("bad", 2)), RecordsUpTo("good", 1)), 0.0
    for _ in range(REFUSALS - 1):
        state = after(state, answer(state.backlogs["bad"], AnswerMeaning.REFUSED, now))
        assert [backlog.key for backlog in due(state, now)] == ["good"]
        now = state.backlogs["bad"].not_before
    state = after(state, answer(state.backlogs["bad"], AnswerMeaning.REFUSED, now))

    assert (state.letters, state.latest[0].id) == (1, "bad-1")
    assert (state.backlogs["bad"].next, state.backlogs["bad"].refusals) == (2, 0)


def test_410_stops_until_the_spec_changes_or_a_replay_is_asked() -> None:
    state = after(EMPTY, RecordsUpTo("b", 1))
    state = after(state, answer(due(state, 0.0)[0], AnswerMeaning.GONE))
    assert due(state, 1e9) == ()
    assert wait(state, 0.0) is None
    status = status_of(sink(), state, None, NOW)
    assert [(one["type"], one["reason"]) for one in status["conditions"]] == [
        ("Ready", Reason.ENDPOINT_GONE),
        ("Stalled", Reason.ENDPOINT_GONE),
    ]

    records = listed("b", 1)
    assert begun(sink(status), records).circuit.is_gone
    for again in (sink(status, generation=2), sink(status, replay=NOW)):
        state = begun(again, records)
        assert [backlog.next for backlog in due(state, 0.0)] == [1]


def test_a_sink_begins_when_it_was_made_and_a_replay_where_it_is_asked() -> None:
    records = [*listed("old", 1, 2, made="2026-01-01T00:00:00Z"), *listed("b", 1, made="2026-01-02T00:00:00Z")]
    records += listed("b", 2, 3)
    state = begun(sink(), records)
    assert {key: (backlog.next, backlog.newest) for key, backlog in state.backlogs.items()} == {"b": (2, 3)}
    assert after(state, RecordsUpTo("old", 2)) == state
    assert after(state, RecordsUpTo("old", 3)).backlogs["old"].next == 3

    status = status_of(sink(), replace(state, delivered={"b": 3}, backlogs={}), None, NOW)
    again = sink(status, replay="2026-01-02T00:00:00+00:00")
    replayed = begun(again, records)
    assert {key: backlog.next for key, backlog in replayed.backlogs.items()} == {"b": 1}
    status = status_of(again, replayed, None, NOW)
    assert not beginning.is_replay_wanted(replace(again, status=status))
    assert not beginning.is_replay_wanted(sink(replay="yesterday"))


def test_what_a_filter_left_out_stays_out_when_it_becomes_wider() -> None:
    records = [*listed("web", 1, 2), *listed("api", 1, 2, app="api")]
    narrow = begun(sink(apps=["web"]), records)
    assert set(narrow.backlogs) == {"web"}
    assert after(narrow, RecordsUpTo("api", 2)) == narrow
    status = status_of(sink(apps=["web"]), narrow, None, NOW)

    wide = begun(sink(status, generation=2), [*records, *listed("new", 1, app="new")])
    assert {key: backlog.next for key, backlog in wide.backlogs.items()} == {"web": 1}
    assert after(wide, RecordsUpTo("api", 3)).backlogs["api"].next == 3
    # And once more after a restart.
    again = begun(sink(status_of(sink(status, generation=2), wide, None, NOW), generation=2), records)
    assert set(again.backlogs) == {"web"}


def test_what_retention_removed_is_counted_and_passed() -> None:
    state = after(EMPTY, RecordsUpTo("b", 9))
    state = after(state, Missing("b", 4, NOW, "b-1"))
    assert (state.letters, state.backlogs["b"].next, state.latest[0].reason) == (
        4,
        5,
        "the record was removed before it was sent",
    )
    state = after(state, Passed("b", 9))
    assert (state.backlogs, state.delivered["b"], state.letters) == ({}, 9, 4)


def test_environments_come_change_and_go() -> None:
    there = {"old": Present("production", 3, known=True), "e": Present("staging", 1)}
    state = after(EMPTY, EnvironmentsPresent(there))
    assert state.environments == {"old": ("production", 3)}
    backlog = state.backlogs["e"]
    assert (backlog.sent, backlog.next) == (0, 1)
    state = after(state, answer(backlog, AnswerMeaning.TAKEN))
    assert after(state, EnvironmentsPresent(there)) is state

    state = after(state, EnvironmentsPresent({**there, "e": Present("staging", 4)}))
    assert (state.backlogs["e"].sent, state.backlogs["e"].next) == (1, 4)
    state = after(state, EnvironmentsPresent({"old": there["old"]}))
    assert state.backlogs["e"].next == END
    state = after(state, answer(state.backlogs["e"], AnswerMeaning.TAKEN))
    assert "e" not in state.environments
    assert state.backlogs == {}


def test_an_environment_that_came_and_went_while_nothing_was_sent_is_told_of_twice() -> None:
    state = after(EMPTY, EnvironmentsPresent({"e": Present("staging", 2)}))
    state = after(state, EnvironmentsPresent({}))
    told = []
    while backlogs := due(state, 0.0):
        told.append(backlogs[0].next)
        state = after(state, answer(backlogs[0], AnswerMeaning.TAKEN))
    assert told == [1, END]
    assert state.environments == {}


@dataclass
class World:
    """Bindings that get records, an endpoint that fails, a sender that dies: a model of all that goes wrong."""

    random: random.Random
    records: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    got: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    status: dict[str, Any] = field(default_factory=dict)
    now: float = 0.0

    def begin(self) -> SinkState:
        found = [one for key, newest in self.records.items() for one in listed(key, *range(1, newest + 1))]
        return begun(sink(self.status), found)

    def change(self, state: SinkState) -> SinkState:
        key = f"b{self.random.randrange(6)}"
        self.records[key] += 1
        # Sometimes nobody is told: the next start finds it.
        return after(state, RecordsUpTo(key, self.records[key])) if self.random.random() < 0.9 else state

    def send(self, state: SinkState) -> SinkState:
        facts = []
        for backlog in due(state, self.now):
            verdict = self.random.choices((AnswerMeaning.TAKEN, AnswerMeaning.LATER, AnswerMeaning.REFUSED), (6, 3, 1))[
                0
            ]
            lost_answer = verdict is AnswerMeaning.LATER and self.random.random() < 0.5
            if verdict is AnswerMeaning.TAKEN or lost_answer:
                self.got[backlog.key].append(backlog.next)
            facts.append(answer(backlog, verdict, self.now))
        for fact in facts:
            state = after(state, fact)
        return state

    def step(self, state: SinkState) -> SinkState:
        self.now += self.random.random() * 5
        match self.random.choices(("change", "send", "flush", "die"), (4, 6, 3, 1))[0]:
            case "change":
                return self.change(state)
            case "send":
                return self.send(state)
            case "flush":
                self.status = status_of(sink(self.status), state, None, NOW)
                return state
        return self.begin()


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_lost_and_the_order_holds_whatever_fails(seed: int) -> None:
    world = World(random.Random(seed))  # noqa: S311 — a seed, to repeat what failed
    state = world.begin()
    for _ in range(300):
        state = world.step(state)
    state = world.begin()
    while state.backlogs:
        pause = wait(state, world.now)
        assert pause is not None
        world.now += pause
        state = world.send(state)

    assert state.letters == 0
    for key, newest in world.records.items():
        numbers = world.got[key]
        assert set(numbers) == set(range(1, newest + 1))
        first_times = [number for place, number in enumerate(numbers) if number not in numbers[:place]]
        assert first_times == sorted(first_times)
