"""Times that clients could have set hide nothing and turn nothing round."""

from dataclasses import replace
from typing import Any

import pytest
from fixed_clock import FixedClock
from history_lines import ALL, UIDS, binding, change, environment, line, page
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_api.cache.history import LOST_SECONDS, HistoryIndex
from moorage_api.cache.line import recorded_place
from moorage_api.cache.lines import Filters
from moorage_crds.kinds.deployment import Action, Change
from moorage_crds.moments import to_moment

FORGED = ["0001-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "2026-01-31T11:59:59Z", "9999-12-31T23:59:59Z", "rubbish"]


@pytest.mark.parametrize("stamp", FORGED)
@pytest.mark.parametrize("recorded", [False, True])
def test_no_time_hides_a_change_from_the_history_of_its_environment(stamp: str, recorded: bool) -> None:
    """Deployed and undeployed after the Environment was created, both with a forged time."""
    clock = FixedClock()
    index, now = HistoryIndex(clock), "2026-01-31T12:00:00Z"
    there = environment("2026-01-31T11:00:00Z")
    gone = Change(2, Action.UNDEPLOY, "v1", None, by="alice", at=stamp)
    view = replace(binding(UIDS[0], change(1, stamp), gone, release=None), created_at="2026-01-31T11:30:00Z")
    index.binding_changed(view)
    if recorded:
        for number in (1, 2):
            place = recorded_place(stamp, now)
            made = line(UIDS[0], number, stamp, created=now, key=(place, UIDS[0], number), version=str(30 + number))
            index.apply("ADDED", replace(made, release=None) if number == 2 else made)

    for birth in (None, "15"):
        answers = [
            page(index, there, birth=birth, filters=filters)
            for filters in (ALL, Filters(app="app-0"), Filters(until="2026-01-31T12:00:02Z"))
        ]
        assert [([one.sequence for one in answer.lines], answer.total) for answer in answers] == [([2, 1], 2)] * 3
        assert len(index.chains(there, birth)) == 1


@pytest.mark.parametrize("stamp", FORGED)
def test_time_of_an_unrecorded_change_is_within_its_bounds(stamp: str) -> None:
    index = HistoryIndex(FixedClock())
    view = replace(binding(UIDS[0], change(1, stamp), release="v1"), created_at="2026-01-31T11:59:00Z")
    index.binding_changed(view)

    (shown,) = page(index).lines

    assert "2026-01-31T11:59:00Z" <= shown.at <= "2026-01-31T12:00:02Z"


def test_unrecorded_change_keeps_the_moment_at_which_it_was_seen() -> None:
    clock = FixedClock()
    index = HistoryIndex(clock)
    view = binding(UIDS[0], change(1, None))
    index.binding_changed(view)
    (first,) = page(index).lines
    clock.advance(60)
    index.binding_changed(replace(view, resource_version="25"))
    index.binding_gone(replace(view, resource_version="26"), namespace_stays=True)

    newest, again = page(index).lines

    assert (first.at, again.at, newest.at) == ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z", "2026-01-31T12:01:00Z")


@settings(max_examples=200, deadline=None)
@given(
    stamps=st.lists(st.none() | st.sampled_from([*FORGED, "2026-01-31T11:59:58Z"]), min_size=1, max_size=6),
    recorded=st.integers(0, 6),
    shuffled=st.randoms(use_true_random=False),
)
def test_lines_of_a_binding_stand_in_the_order_of_the_chain(
    stamps: list[str | None], recorded: int, shuffled: Any
) -> None:
    """Recorded or not, whatever their times are, and in whatever order the records come."""
    index, now = HistoryIndex(FixedClock()), "2026-01-31T12:00:00Z"
    numbers = list(range(1, len(stamps) + 1))
    changes = [change(number, stamp) for number, stamp in zip(numbers, stamps, strict=True)]
    index.binding_changed(binding(UIDS[0], *changes))
    records = [
        line(
            UIDS[0],
            number,
            stamp,
            created=now,
            version=str(30 + number),
            key=(recorded_place(stamp, now), UIDS[0], number),
        )
        for number, stamp in zip(numbers[:recorded], (stamp or now for stamp in stamps), strict=False)
    ]
    shuffled.shuffle(records)
    for record in records:
        index.apply("ADDED", record)

    assert [one.sequence for one in page(index).lines] == numbers[::-1]
    assert all(to_moment(one.at) is not None or one.recorded for one in page(index).lines)
    chain = index.chain(UIDS[0])
    assert chain is not None
    assert [one.sequence for one in chain.descending()] == numbers[::-1]
    moments = [one.moment for one in chain.descending()]
    assert moments == sorted(moments, reverse=True)


def test_what_was_lost_with_the_object_is_not_kept() -> None:
    """The answer of a write said more than the object that was deleted: the end tells what was."""
    index = HistoryIndex(FixedClock())
    evil = Change(2, Action.DEPLOY, "v1", "evil", by="mallory", at="2026-01-02T00:00:01Z")
    index.apply("ADDED", line(UIDS[0], 1))
    index.binding_changed(binding(UIDS[0], evil, release="evil", recorded=1))

    index.binding_gone(binding(UIDS[0], release="v1", recorded=1, version="30"), namespace_stays=True)

    assert [(one.sequence, one.action, one.previous) for one in page(index).lines] == [
        (2, Action.UNDEPLOY, "v1"),
        (1, Action.DEPLOY, None),
    ]


def test_recorded_end_of_a_chain_drops_what_was_expected_after_it() -> None:
    index = HistoryIndex(FixedClock())
    index.apply("ADDED", line(UIDS[0], 1))
    view = binding(UIDS[0], change(2), change(3), recorded=1)
    index.binding_changed(view)
    index.binding_gone(view, namespace_stays=True)
    before = [one.sequence for one in page(index).lines]

    index.apply("ADDED", line(UIDS[0], 2, action=Action.UNDEPLOY, release=None, by=None, version="40"))

    assert before == [4, 3, 2, 1]
    assert [(one.sequence, one.recorded) for one in page(index).lines] == [(2, True), (1, True)]


def test_nothing_is_expected_of_a_binding_that_goes_with_its_namespace() -> None:
    clock = FixedClock()
    index = HistoryIndex(clock)
    index.apply("ADDED", line(UIDS[0], 1))
    view = binding(UIDS[0], change(2), recorded=1)
    index.binding_changed(view)
    index.binding_gone(view, namespace_stays=False)
    clock.advance(LOST_SECONDS)

    index.drop_lost()

    assert [one.sequence for one in page(index).lines] == [1]


@pytest.mark.parametrize(("records", "left"), [(1, [(2, Action.UNDEPLOY), (1, Action.DEPLOY)]), (0, [])])
def test_lines_that_nobody_can_record_any_more_go(records: int, left: list[tuple[int, Action]]) -> None:
    """No operator saw the Deployment go: it ends the chain after the newest record, or knows nothing of it."""
    clock = FixedClock()
    index = HistoryIndex(clock)
    if records:
        index.apply("ADDED", line(UIDS[0], 1))
    view = binding(UIDS[0], change(records + 1), change(records + 2), recorded=records)
    index.binding_changed(view)
    index.binding_gone(view, namespace_stays=True)
    clock.advance(LOST_SECONDS - 1)
    index.drop_lost()
    early = len(index)
    clock.advance(1)

    index.drop_lost()

    assert early == records + 3
    assert [(one.sequence, one.action) for one in page(index).lines] == left
    assert len(index) == len(left)
