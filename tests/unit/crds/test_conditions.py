"""Conditions do not flap."""

from moorage_crds.conditions import Condition, ConditionType, Reason, find, with_conditions

READY = Condition(ConditionType.READY, status=True, reason=Reason.RECORDED, message="every change is recorded")
NOT_READY = Condition(
    ConditionType.READY, status=False, reason=Reason.ENVIRONMENT_NOT_FOUND, message="there is no Environment qa"
)


def test_transition_time_moves_only_with_the_status() -> None:
    first = with_conditions([], [READY], observed_generation=1, now="2026-01-01T00:00:00Z")
    second = with_conditions(first, [READY], observed_generation=2, now="2026-01-02T00:00:00Z")
    third = with_conditions(second, [NOT_READY], observed_generation=3, now="2026-01-03T00:00:00Z")
    times = [conditions[0]["lastTransitionTime"] for conditions in (first, second, third)]
    assert times == ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"]
    assert [conditions[0]["observedGeneration"] for conditions in (first, second, third)] == [1, 2, 3]


def test_condition_that_is_not_wanted_any_more_goes() -> None:
    stalled = Condition(ConditionType.STALLED, status=True, reason=Reason.RECORD_REFUSED, message="quota")
    before = with_conditions([], [READY, stalled], observed_generation=1, now="2026-01-01T00:00:00Z")
    after = with_conditions(before, [READY], observed_generation=1, now="2026-01-01T00:00:00Z")
    assert find(before, ConditionType.STALLED) is not None
    assert find(after, ConditionType.STALLED) is None
