"""Conditions: one observation each, in the form of Kubernetes' own and with the meaning of kstatus.

The catalogue of types and reasons is here; `docs/spec` explains each. Messages hold no times, counters or unordered
lists, so that a condition does not flap; `with_conditions` moves `lastTransitionTime` only when the status changes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from moorage_crds.objects import mapping

#: Condition of a CustomResourceDefinition: the API server serves the kind.
ESTABLISHED: Final = "Established"

#: Of the message of a condition, in characters.
MAX_MESSAGE: Final = 1024


class ConditionType(StrEnum):
    """What is observed."""

    READY = "Ready"
    """Top summary, always present: everything that the spec asks for has been done."""
    HISTORY_COMPLETE = "HistoryComplete"
    """False while the kept history has a change that no policy watched."""
    ROLLED_OUT = "RolledOut"
    """Present while an object follows the binding: it has become the release."""
    DELIVERED = "Delivered"
    """Present while an Environment asks for a ConfigMap: it says what is deployed there."""
    STALLED = "Stalled"
    """Present only while true: the operator makes no progress until somebody changes something."""


class Reason(StrEnum):
    """Why a condition has its status."""

    RECORDED = "Recorded"
    """Ready: every change of the release is in the history."""
    ENVIRONMENT_NOT_FOUND = "EnvironmentNotFound"
    """Not ready: the history is written, but the Environment that the binding names does not exist."""
    ENVIRONMENT_READY = "Available"
    """Ready: the Environment is there; the message says whether a lock or a Freeze closes it now."""
    DELETING = "Deleting"
    """Not ready: the Environment is being deleted, and finalizers hold it."""
    STAMPED = "Stamped"
    """HistoryComplete: the API server stamped every kept change."""
    CHANGED_WITHOUT_POLICY = "ChangedWithoutPolicy"
    """HistoryComplete is False: a change was made while no policy watched; by whom is not known."""
    WAITING = "Waiting"
    """RolledOut is False: an object that follows the binding does not carry the release yet."""
    PROGRESSING = "Progressing"
    """RolledOut is False: all carry it, and not all have become it."""
    HEALTHY = "Healthy"
    """RolledOut: all have become it."""
    DEGRADED = "Degraded"
    """RolledOut is False: it was healthy or fully rolled out, and is not healthy now."""
    FAILED = "Failed"
    """RolledOut is False: the controller of an object that follows the binding gave it up."""
    UNDEPLOYED = "Undeployed"
    """RolledOut is False: nothing is deployed; what follows the binding is left as it is."""
    PUBLISHED = "Published"
    """Delivered: the ConfigMap says what is deployed in the Environment."""
    CONFIG_MAP_CONFLICT = "ConfigMapConflict"
    """Delivered is False: somebody else owns a key of the ConfigMap, and is never overruled."""
    CONFIG_MAP_REFUSED = "ConfigMapRefused"
    """Delivered is False: the API server refuses the ConfigMap (a right that is missing, a quota, its size)."""
    RECORD_CONFLICT = "RecordConflict"
    """Stalled: a record of that name with other content exists; it is never overwritten."""
    RECORD_REFUSED = "RecordRefused"
    """Stalled: the API server refuses the record (quota, a policy of others, a right that is missing)."""
    DELIVERING = "Delivering"
    """Ready: the endpoint of the EventSink takes what is sent, or nothing was due yet."""
    UNREACHABLE = "Unreachable"
    """Not ready: the endpoint fails again and again; it is tried less and less often, and nothing is lost."""
    ADDRESS_REFUSED = "AddressRefused"
    """Not ready: the address is private, or not https, and the chart does not allow it."""
    SECRET_UNUSABLE = "SecretUnusable"  # noqa: S105 — a word of a status
    """Not ready: the Secret is missing, may not be read, or holds no secret of Standard Webhooks."""
    ENDPOINT_GONE = "EndpointGone"
    """Not ready, and stalled: the endpoint answered 410; a change of the spec or a replay sends again."""
    EVENTS_DISABLED = "EventsDisabled"
    """Not ready: the administrator has not switched events on (chart value `events.enabled`)."""
    TOO_MANY_SINKS = "TooManySinks"
    """Not ready: the Namespace has more EventSinks than are served; the first by name are."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One wanted condition, before it is merged with what is there."""

    type: ConditionType
    status: bool
    reason: Reason
    message: str


def bounded(message: str) -> str:
    """The message, cut to the length that a status has room for.

    Messages quote text that others write, and the API server would refuse a status with one that is too long.
    """
    return message if len(message) <= MAX_MESSAGE else f"{message[: MAX_MESSAGE - 1]}…"


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
    # An entry that is not a condition (in a status that somebody spoiled) is dropped, so that the new list repairs it.
    before = {str(old.get("type")): old for old in map(mapping, present)}
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
                "message": bounded(condition.message),
                "observedGeneration": observed_generation,
                "lastTransitionTime": old["lastTransitionTime"] if same else now,
            }
        )
    return merged


def find(conditions: Sequence[Mapping[str, Any]], kind: ConditionType) -> Mapping[str, Any] | None:
    """The condition of that type, or None."""
    return next((condition for condition in conditions if condition.get("type") == kind), None)


def holds(raw: Mapping[str, Any], kind: str) -> bool:
    """Whether an object, of whatever kind, has that condition with the status True."""
    present = mapping(raw.get("status")).get("conditions") or ()
    return any(one.get("type") == kind and one.get("status") == "True" for one in map(mapping, present))
