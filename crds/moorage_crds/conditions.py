"""Conditions: one observation each, in the form of Kubernetes' own and with the meaning of kstatus.

The catalogue of types and reasons is here; `docs/spec` explains each. Messages hold no times, counters or unordered
lists, so that a condition does not flap; `with_conditions` moves `lastTransitionTime` only when the status changes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ConditionType(StrEnum):
    """What is observed."""

    READY = "Ready"
    """Top summary, always present: everything that the spec asks for has been done."""
    HISTORY_COMPLETE = "HistoryComplete"
    """False while the kept history has a change that no policy watched."""
    STALLED = "Stalled"
    """Present only while true: the operator cannot go on until somebody changes something."""


class Reason(StrEnum):
    """Why a condition has its status."""

    RECORDED = "Recorded"
    """Ready: every change of the release is in the history."""
    ENVIRONMENT_NOT_FOUND = "EnvironmentNotFound"
    """Not ready: the history is written, but the Environment that the binding names does not exist."""
    ENVIRONMENT_READY = "Available"
    """Ready: the Environment takes deployments."""
    STAMPED = "Stamped"
    """HistoryComplete: the API server stamped every kept change."""
    CHANGED_WITHOUT_POLICY = "ChangedWithoutPolicy"
    """HistoryComplete is False: a change was made while no policy watched; by whom is not known."""
    RECORD_CONFLICT = "RecordConflict"
    """Stalled: a record of that name with other content exists; it is never overwritten."""
    RECORD_REFUSED = "RecordRefused"
    """Stalled: the API server refuses the record (quota, a policy of others, a right that is missing)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One wanted condition, before it is merged with what is there."""

    type: ConditionType
    status: bool
    reason: Reason
    message: str


def with_conditions(
    present: Sequence[Mapping[str, Any]],
    wanted: Iterable[Condition],
    *,
    observed_generation: int,
    now: str,
) -> list[dict[str, Any]]:
    """The complete new list: `wanted`, with the old transition time where the status is the old one.

    Args:
        present: the conditions of the stored status.
        wanted: all conditions that shall be there; what is not wanted goes.
        observed_generation: `metadata.generation` of the object that was looked at.
        now: RFC 3339, used for conditions whose status changed.
    """
    before = {str(old.get("type")): old for old in present}
    merged: list[dict[str, Any]] = []
    for condition in wanted:
        status = "True" if condition.status else "False"
        old = before.get(condition.type, {})
        same = old.get("status") == status and old.get("lastTransitionTime")
        merged.append(
            {
                "type": str(condition.type),
                "status": status,
                "reason": str(condition.reason),
                "message": condition.message,
                "observedGeneration": observed_generation,
                "lastTransitionTime": old["lastTransitionTime"] if same else now,
            }
        )
    return merged


def find(conditions: Sequence[Mapping[str, Any]], kind: ConditionType) -> Mapping[str, Any] | None:
    """The condition of that type, or None."""
    return next((condition for condition in conditions if condition.get("type") == kind), None)
