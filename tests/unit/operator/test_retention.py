"""Which records may go."""

from datetime import timedelta

import pytest
from fixed_clock import START
from hypothesis import given
from hypothesis import strategies as st

from moorage_operator.facts import KeptRecord
from moorage_operator.retention.decisions import RetentionRule, below, removable, removable_after_end

RULE = RetentionRule(records=3, age=timedelta(days=90), most=1000)


def records(*ages_in_days: float, first: int = 1) -> list[KeptRecord]:
    return [KeptRecord(first + number, START - timedelta(days=age)) for number, age in enumerate(ages_in_days)]


@pytest.mark.parametrize(
    ("ages", "going"),
    [
        ((100, 99, 98), ()),
        ((200, 150, 100, 99, 98), (1, 2)),
        ((200, 80, 70, 60, 50), (1,)),
        ((80, 70, 60, 50, 40), ()),
        ((), ()),
    ],
)
def test_what_is_neither_new_nor_young_goes(ages: tuple[float, ...], going: tuple[int, ...]) -> None:
    assert removable(records(*ages), RULE, now=START) == going


@given(st.lists(st.floats(0, 400), max_size=40).map(lambda ages: sorted(ages, reverse=True)), st.integers(1, 20))
def test_what_goes_is_the_oldest_part_and_never_the_newest_records(ages: list[float], count: int) -> None:
    rule = RetentionRule(records=count, age=timedelta(days=90), most=1000)
    going = removable(records(*ages), rule, now=START)
    assert going == tuple(range(1, len(going) + 1))
    assert len(ages) - len(going) >= min(count, len(ages))
    assert all(age >= 90 for age in ages[: len(going)])


@given(st.integers(0, 60), st.integers(1, 20), st.integers(0, 20))
def test_beyond_the_maximum_the_oldest_go_however_young(count: int, always: int, more: int) -> None:
    rule = RetentionRule(records=always, age=timedelta(days=90), most=always + more)
    going = removable(records(*[1.0] * count), rule, now=START)
    assert going == tuple(range(1, max(0, count - rule.most) + 1))


def test_an_ended_chain_goes_as_a_whole_or_not_at_all() -> None:
    assert removable_after_end(records(300, 200, 91), RULE, now=START) == (1, 2, 3)
    assert removable_after_end(records(300, 200, 89), RULE, now=START) == ()


def test_what_an_interrupted_removal_left_is_found() -> None:
    assert below(records(9, 8, 7, first=4), 6) == (4, 5)
