"""The time of a change: honest stamps are kept to the second, others win nothing, and replicas agree."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from moorage_crds.moments import to_moment, to_text
from moorage_crds.stamps import MAX_BEHIND, MAX_SKEW, Bounds, agrees, believed, time_of

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
SKEW, BEHIND = int(MAX_SKEW.total_seconds()), int(MAX_BEHIND.total_seconds())

seconds = st.integers(-100, 100)
stamps = st.one_of(st.none(), st.sampled_from(["", "yesterday", "0001-01-01T00:00:00+05:00"]), seconds)


def at(second: float) -> str:
    return to_text(START + timedelta(seconds=second))


def text(stamp: int | str | None) -> str | None:
    return at(stamp) if isinstance(stamp, int) else stamp


def second(moment: str) -> int:
    found = to_moment(moment)
    assert found is not None
    return int((found - START).total_seconds())


def bounds(*, seen: int, created: int | None = None, after: int | None = None, absent: int | None = None) -> Bounds:
    return Bounds(
        created_at=None if created is None else at(created),
        after=None if after is None else at(after),
        seen_at=at(seen),
        absent_at=None if absent is None else at(absent),
    )


@pytest.mark.parametrize(
    ("times", "known", "expected"),
    [
        pytest.param((3,), {"seen": 9}, 3, id="the stamp"),
        pytest.param((None,), {"seen": 9}, 9, id="none: when it was seen"),
        pytest.param((None, 7), {"seen": 9}, 7, id="not after the next stamp"),
        pytest.param((None, None, 8), {"seen": 9}, 8, id="not after the next change that has one"),
        pytest.param((None,), {"seen": 9, "after": 12}, 12, id="not before the change before it"),
        pytest.param((None, 5), {"seen": 9, "after": 6}, 6, id="the order of the chain wins"),
        pytest.param((3,), {"seen": 9, "after": 5}, 5, id="a stamp, but never before the change before it"),
        pytest.param((12,), {"seen": 10}, 12, id="a little after it was seen"),
        pytest.param((13,), {"seen": 10}, 10, id="long after it was seen"),
        pytest.param((None, 99), {"seen": 9}, 9, id="a next stamp of the future does not count"),
        pytest.param((-1,), {"seen": 9, "created": 1}, -1, id="a little before the creation"),
        pytest.param((-2,), {"seen": 9, "created": 1}, 9, id="long before the creation"),
        pytest.param((None, -9), {"seen": 9, "created": 0}, 9, id="nor does a next one from before the creation"),
        pytest.param((None,), {"seen": 4, "created": 6}, 6, id="a clock that is behind makes none before the creation"),
        pytest.param((3,), {"seen": 400, "created": 0}, 3, id="made while nobody watched"),
        pytest.param((3,), {"seen": 400, "created": 0, "absent": 33}, 3, id="a little before a list without it"),
        pytest.param((3,), {"seen": 400, "created": 0, "absent": 34}, 400, id="long before a list without it"),
    ],
)
def test_the_time_of_a_change(times: tuple[int | None, ...], known: dict[str, int], expected: int) -> None:
    assert time_of([text(one) for one in times], bounds(**known)) == at(expected)


@pytest.mark.parametrize("stamp", ["", "yesterday", "2026-01-31T12:00:00", "0001-01-01T00:00:00+05:00"])
def test_what_is_no_moment_is_no_stamp(stamp: str) -> None:
    assert believed(stamp, bounds(seen=4)) is None


@given(st.lists(st.integers(0, 50), min_size=1, max_size=16), st.integers(-SKEW, SKEW), st.data())
def test_honest_stamps_are_kept_whoever_sees_them_and_when(steps: list[int], clock: int, data: st.DataObject) -> None:
    """Live or after any downtime, with a clock that is apart and with lists between the changes."""
    made = [sum(steps[: number + 1]) for number in range(len(steps))]
    after: str | None = None
    for number, moment in enumerate(made):
        seen = data.draw(st.integers(moment, moment + 10_000), label="seen") + clock
        absent = data.draw(st.one_of(st.none(), st.integers(0, moment)), label="list without it")
        known = Bounds(at(steps[0]), after, at(seen), None if absent is None else at(absent + clock))
        after = time_of([at(one) for one in made[number:]], known)
        assert after == at(moment)


@given(
    st.lists(stamps, min_size=1, max_size=16), seconds, st.integers(0, 100), st.one_of(st.none(), st.integers(0, 100))
)
def test_no_stamp_moves_a_time_out_of_its_bounds(
    wild: list[int | str | None], created: int, later: int, absent: int | None
) -> None:
    """Whatever somebody stamps: not before the creation, the list or the change before, not after it was seen."""
    seen = created + later
    after: str | None = None
    texts = [text(one) for one in wild]
    lowest = max(created - SKEW, -10_000 if absent is None else min(created + absent, seen) - BEHIND)
    for number in range(len(wild)):
        looked = None if absent is None else at(min(created + absent, seen))
        found = time_of(texts[number:], Bounds(at(created), after, at(seen), looked))
        assert lowest <= second(found) <= seen + SKEW
        assert after is None or found >= after
        after = found


@given(
    st.lists(stamps, min_size=1, max_size=4),
    seconds,
    st.one_of(st.none(), seconds),
    st.tuples(seconds, st.integers(0, 100)),
    st.tuples(seconds, st.integers(0, 100)),
)
def test_replicas_accept_the_times_of_each_other(
    wild: list[int | str | None],
    created: int,
    after: int | None,
    first: tuple[int, int],
    second_one: tuple[int, int],
) -> None:
    """For every stamp, and every time at which each replica saw it and looked: the second one finds no conflict."""
    texts = [text(one) for one in wild]
    one, other = (
        bounds(created=created, after=after, seen=seen, absent=seen - before) for seen, before in (first, second_one)
    )
    assert agrees(time_of(texts, one), texts, other)


@given(st.integers(0, 100), st.integers(-200, 200))
def test_a_time_that_no_replica_would_write_is_found(stamp: int, theirs: int) -> None:
    known = bounds(created=0, after=0, seen=stamp + 1)
    assume(theirs < 0 or stamp < theirs <= stamp + BEHIND)
    assert not agrees(at(theirs), [at(stamp)], known)


def test_a_record_without_a_readable_time_is_found() -> None:
    assert not agrees("soon", [None], bounds(seen=1))
