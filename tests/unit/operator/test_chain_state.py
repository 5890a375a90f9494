"""Facts and the states of a chain, without any loop: progress never goes back, and exactly the unrecorded wait."""

import builders
from builders import at
from hypothesis import given
from hypothesis import strategies as st

from moorage_crds.kinds.deployment import Deployment, from_object
from moorage_operator.facts import Progress, Trouble
from moorage_operator.memory.chain_state import (
    ChainState,
    Fact,
    Gone,
    HasHome,
    Listed,
    Now,
    Recorded,
    Seen,
    Stalled,
    StatusSent,
    StatusStored,
    first,
)

RELEASES = ("v1", "v2", "v3", "v4", "v5")
NOW = Now(10.0, at(100))


def seen(changes: int, *, recorded: int = 0) -> Deployment:
    """The binding after a number of changes, with a status that counts a number of records."""
    status = {"recordedSequence": recorded, "release": RELEASES[recorded - 1]} if recorded else {}
    log = builders.chain_log(*RELEASES[:changes])
    raw = builders.deployment(release=RELEASES[changes - 1], log=log, status=status)
    return from_object(raw)


def far(sequence: int) -> Progress:
    return Progress(sequence, RELEASES[sequence - 1] if sequence else None)


FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(lambda changes, recorded: Seen(seen(changes, recorded=min(changes, recorded))), *[st.integers(1, 5)] * 2),
    st.builds(lambda sequence: Recorded(far(sequence)), st.integers(1, 5)),
    st.builds(Listed, st.integers(0, 5), st.just(at(50))),
    st.sampled_from(
        [Gone(), Stalled(Trouble.REFUSED), HasHome(False), HasHome(True), StatusSent(), StatusStored(b"{}")]
    ),
)


@given(st.lists(FACTS, max_size=12))
def test_whatever_happens_progress_never_goes_back_and_what_waits_has_no_record(facts: list[Fact]) -> None:
    state = first(seen(1), NOW)
    for fact in facts:
        before, state = state, fact.after(state, NOW)
        assert state.progress.sequence >= before.progress.sequence
        assert state.written >= before.written
        assert [one.sequence for one in state.arrivals] == [one.change.sequence for one in state.due()]
        assert before.deleted_at in {None, state.deleted_at}


def test_a_change_waits_since_it_was_seen_first() -> None:
    state = first(seen(1), NOW)
    later = Seen(seen(2)).after(state, Now(20.0, at(200)))
    assert [(one.sequence, one.monotonic) for one in later.arrivals] == [(1, 10.0), (2, 20.0)]
    assert [one.sequence for one in Recorded(far(1)).after(later, NOW).arrivals] == [2]


def test_a_record_ends_the_trouble() -> None:
    stalled = Stalled(Trouble.CONFLICT).after(first(seen(2), NOW), NOW)
    assert stalled.trouble is Trouble.CONFLICT
    assert Recorded(far(1)).after(stalled, NOW).trouble is None


def test_a_status_on_its_way_counts_what_is_recorded() -> None:
    state = Recorded(far(2)).after(first(seen(3), NOW), NOW)
    assert (state.written, StatusSent().after(state, NOW).written) == (0, 2)


def test_facts_leave_the_state_before_them_alone() -> None:
    state: ChainState = first(seen(1), NOW)
    Gone().after(state, NOW)
    assert state.deleted_at is None
