"""Which records are due, with which number and which time."""

from dataclasses import replace

import builders
import pytest
from builders import at, entry
from fixed_clock import START
from hypothesis import given
from hypothesis import strategies as st

from moorage_crds.kinds.deployment import Action, Change, Deployment, due_changes, from_object
from moorage_crds.kinds.record import from_object as to_record
from moorage_crds.kinds.record import to_object
from moorage_crds.stamps import Bounds
from moorage_operator.facts import ChainFacts, Progress, Unstamped
from moorage_operator.history import decisions as history
from moorage_operator.history.decisions import Due


def view(**options: object) -> Deployment:
    raw = builders.deployment(**options)  # type: ignore[arg-type]
    return from_object(raw)


def facts(deployment: Deployment, **more: object) -> ChainFacts:
    return ChainFacts(deployment, history.progress_of(deployment), **more)  # type: ignore[arg-type]


def sequences(due: tuple[Due, ...]) -> list[int]:
    return [one.change.sequence for one in due]


def test_all_log_entries_without_a_record_are_due_in_order() -> None:
    deployment = view(log=builders.chain_log("v1", "v2", "v3"), status={"recordedSequence": 1, "release": "v1"})
    assert sequences(history.due(facts(deployment))) == [2, 3]


def test_memory_that_is_ahead_of_the_status_counts() -> None:
    deployment = view(log=builders.chain_log("v1", "v2", "v3"), status={"recordedSequence": 1})
    ahead = ChainFacts(deployment, Progress(sequence=2, release="v2"))
    assert sequences(history.due(ahead)) == [3]


def test_a_bare_delete_is_an_undeploy_after_everything_else() -> None:
    deployment = view(log=builders.chain_log("v1", "v2"), status={"recordedSequence": 1})
    due = history.due(facts(deployment, deleted_at=at(9)))
    assert sequences(due) == [2, 3]
    assert due[-1].change.action is Action.UNDEPLOY
    assert (due[-1].change.previous, due[-1].change.release, due[-1].change.by) == ("v2", None, None)


def test_deleting_what_is_not_deployed_adds_nothing() -> None:
    deployment = view(log=builders.chain_log("v1", None), status={"recordedSequence": 2})
    assert history.due(facts(deployment, deleted_at=at(9))) == ()


def test_each_unstamped_release_becomes_a_record_of_its_own() -> None:
    chain = facts(view(release="v1"))
    chain = replace(chain, unstamped=history.with_unstamped(chain, at(1)))
    for second, release in ((2, "v2"), (3, "v1")):
        chain = replace(chain, deployment=view(release=release))
        chain = replace(chain, unstamped=history.with_unstamped(chain, at(second)))
    due = history.due(chain)
    assert [(one.change.sequence, one.change.previous, one.change.release) for one in due] == [
        (1, None, "v1"),
        (2, "v1", "v2"),
        (3, "v2", "v1"),
    ]
    assert [one.seen_at for one in due] == [at(1), at(2), at(3)]
    assert all(one.change.action is Action.ADOPT for one in due)


def test_one_unstamped_release_is_what_the_shared_rule_says() -> None:
    deployment = view(release="v2", log=builders.chain_log("v1"), status={"recordedSequence": 1, "release": "v1"})
    chain = facts(deployment)
    chain = replace(chain, unstamped=history.with_unstamped(chain, at(1)))
    assert [one.change for one in history.due(chain)] == list(due_changes(deployment))


def test_unstamped_releases_that_somebody_else_recorded_fall_off() -> None:
    waiting = (Unstamped(1, "v1", at(1)), Unstamped(2, "v2", at(2)))
    chain = ChainFacts(view(release="v2"), Progress(sequence=1, release="v1"), waiting)
    assert history.with_unstamped(chain, at(3)) == waiting[1:]


def test_once_the_log_has_taken_over_it_speaks_for_unstamped_releases() -> None:
    log = [entry(1, "v2", action="adopt", by=None, when=None), entry(2, "v3", previous="v2")]
    waiting = (Unstamped(1, "v1", at(1)), Unstamped(2, "v2", at(2)))
    chain = ChainFacts(view(release="v3", log=log), Progress(), waiting)
    assert history.with_unstamped(chain, at(3)) == ()
    assert sequences(history.due(chain)) == [1, 2]


def test_an_adopted_release_that_is_deleted_is_recorded_twice() -> None:
    chain = ChainFacts(view(release="v1"), Progress(), (Unstamped(1, "v1", at(1)),), at(2))
    assert [one.change.action for one in history.due(chain)] == [Action.ADOPT, Action.UNDEPLOY]


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=12), st.data())
def test_records_of_any_unstamped_sequence_form_one_chain(releases: list[str | None], data: st.DataObject) -> None:
    """However far the recorder is between two sightings, nothing is lost, repeated or out of order."""
    progress, waiting, recorded = Progress(), (), []
    for release in releases:
        chain = ChainFacts(view(release=release), progress, waiting)
        waiting = history.with_unstamped(chain, at(0))
        due = history.due(ChainFacts(view(release=release), progress, waiting))
        for one in due[: data.draw(st.integers(0, len(due)))]:
            progress = history.advanced(progress, one.change, "h")
            recorded.append(one.change)
    last = ChainFacts(view(release=releases[-1]), progress, waiting)
    recorded += [one.change for one in history.due(last)]
    seen = [one for before, one in zip([None, *releases], releases, strict=False) if one != before]
    assert [change.release for change in recorded] == seen
    assert [change.sequence for change in recorded] == list(range(1, len(seen) + 1))
    assert [change.previous for change in recorded] == [None, *seen][: len(seen)]


def due_of(*times: float | None) -> list[Due]:
    return [
        Due(Change(number, Action.DEPLOY, None, "v", at=None if when is None else at(when)), stamped=True)
        for number, when in enumerate(times, 1)
    ]


def bounds(**known: float) -> Bounds:
    texts = {"created_at": None, "after": None} | {name: at(second) for name, second in known.items()}
    return Bounds(**texts)  # type: ignore[arg-type]


def test_a_change_without_a_time_was_made_before_the_next_one() -> None:
    assert history.timed(due_of(None, 7), bounds(seen_at=9)).at == at(7)


def test_a_release_that_no_policy_watched_was_changed_when_it_was_seen() -> None:
    adopted = Due(Change(1, Action.ADOPT, None, "v"), stamped=False, seen_at=at(4))
    assert history.timed([adopted], bounds(seen_at=9)).at == at(4)


class TestDifference:
    def stored(self, change: Change, previous_hash: str = "p") -> object:
        binding = history.binding_of(view(release="v1"))
        raw = to_object(binding, change, previous_hash=previous_hash)
        raw["metadata"]["resourceVersion"] = "1"
        return to_record(raw)

    def ask(
        self, theirs: Change, ours: Change, *, own_time: bool = True, previous_hash: str | None = "p"
    ) -> str | None:
        due = Due(ours if own_time else replace(ours, at=None), stamped=True)
        return history.difference(
            self.stored(theirs),  # type: ignore[arg-type]
            ours,
            waiting=[due],
            bounds=bounds(created_at=0, seen_at=4),
            previous_hash=previous_hash,
        )

    ours = Change(1, Action.DEPLOY, None, "v1", by="alice", at=at(3))

    def test_the_same_record_is_no_difference(self) -> None:
        assert self.ask(self.ours, self.ours) is None

    @pytest.mark.parametrize("field", ["release", "by", "previous", "reason", "request_id"])
    def test_other_content_is_one(self, field: str) -> None:
        assert self.ask(replace(self.ours, **{field: "other"}), self.ours) is not None

    def test_another_predecessor_is_one(self) -> None:
        assert self.ask(self.ours, self.ours, previous_hash="q") is not None

    def test_the_time_may_differ_where_the_entry_has_none(self) -> None:
        assert self.ask(replace(self.ours, at=at(8)), self.ours, own_time=False) is None

    def test_an_earlier_time_is_that_of_a_clock_behind(self) -> None:
        assert self.ask(replace(self.ours, at=at(1)), self.ours) is None

    def test_a_time_before_the_creation_is_a_difference(self) -> None:
        assert self.ask(replace(self.ours, at=at(-60)), self.ours, own_time=False) is not None

    def test_a_later_time_than_the_entry_is_a_difference(self) -> None:
        assert self.ask(replace(self.ours, at=at(9)), self.ours) is not None


def test_progress_comes_from_the_status() -> None:
    status = {
        "recordedSequence": 2,
        "release": "v2",
        "lastChange": {"sequence": 2, "action": "deploy", "release": "v2", "previousRelease": "v1", "at": at(1)},
        "history": {"floorSequence": 2, "floorHash": "f" * 64, "tipHash": "a" * 64, "lastAdopted": 1},
    }
    progress = history.progress_of(view(log=builders.chain_log("v1", "v2"), status=status))
    assert (progress.sequence, progress.release, progress.tip_hash) == (2, "v2", "a" * 64)
    assert progress.last is not None
    assert progress.last.previous == "v1"
    assert not progress.degraded


def test_the_further_progress_wins_and_keeps_the_higher_floor() -> None:
    known = Progress(sequence=5, tip_hash="t", floor_sequence=1)
    seen = Progress(sequence=3, tip_hash="s", floor_sequence=2, floor_hash="f")
    merged = history.further(known, seen)
    assert (merged.sequence, merged.tip_hash, merged.floor_sequence, merged.floor_hash) == (5, "t", 2, "f")


def test_the_end_of_a_chain_is_not_before_its_last_line() -> None:
    binding = history.binding_of(view(release="v1"))
    raw = to_object(binding, Change(4, Action.DEPLOY, None, "v1", at=at(20)), previous_hash="p")
    raw["metadata"]["resourceVersion"] = "1"
    end = history.ended(to_record(raw), at=START)
    assert end is not None
    assert (end.sequence, end.action, end.previous, end.at) == (5, Action.UNDEPLOY, "v1", at(20))
