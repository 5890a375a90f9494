"""The protection of an Environment: promotion and approvals in its spec, and the evidence for both in its status. Pure.

The policies decide from the Environment and from the binding that is written: what is wanted stands in the spec of the
Environment. What is known of releases (where they run, who approved them) is condensed by the operator into
`status.evidence` of the binding, and for apps without a binding into `status.gates` of the Environment (ADR 0065).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from moorage_crds.gates.verdict import Enforcement
from moorage_crds.kinds.parts import Moment, Part, Release, SequenceOrZero, Slug, UserName

#: Bounds of the evidence, for the size of one Environment: apps, and for each app releases.
MAX_APPS: Final = 1000
MAX_PROVEN: Final = 9
MAX_KNOWN: Final = 16
MAX_APPROVED: Final = 4
MAX_APPROVERS: Final = 10
#: Of the reason why it is closed, in characters: a user name alone may be as long.
MAX_REASON: Final = 1024

#: What both CEL's `duration()` and people read: hours, minutes and seconds. At most 90 days.
_DURATION: Final = r"^([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,7}s)?$"
_PARTS: Final = re.compile(r"([0-9]+)([hms])")
_UNITS: Final = {"h": "hours", "m": "minutes", "s": "seconds"}
_MAX_HOURS: Final = 2160


def _duration(least: str) -> Any:
    rule: Any = {
        "rule": f"duration(self) >= duration('{least}') && duration(self) <= duration('{_MAX_HOURS}h')",
        "message": f"must be a time such as 2h or 1h30m, at least {least} and at most {_MAX_HOURS}h (90 days)",
    }
    return Field(min_length=2, max_length=16, pattern=_DURATION, json_schema_extra={"x-kubernetes-validations": [rule]})


class PromotionSpec(Part):
    """Where a release has to run before it may enter, and for how long."""

    origin: Slug = Field(alias="from", description="The Environment of this Namespace that comes before.")
    soak: Annotated[str, _duration("0s")] = Field(
        default="0s", description="How long it has to have been active there without a break: hours, minutes, seconds."
    )
    require: Literal["Deployed", "Healthy"] = Field(
        default="Deployed", description="Healthy: only the time counts for which its rollout was healthy."
    )


class ApprovalsSpec(Part):
    """How many people have to say yes before a release may enter."""

    required: Annotated[int, Field(ge=1, le=MAX_APPROVERS, json_schema_extra={"format": "int32"})] = Field(
        description="How many different people have to approve, other than the one who deploys."
    )
    valid_for: Annotated[str, _duration("1m")] | None = Field(
        default=None, description="How long an Approval counts; absent: until the binding changes."
    )


class ProvenRelease(Part):
    """A release that was seen in the environment before."""

    release: Release
    eligible_at: Moment = Field(description="From when on it may enter.")


class Approver(Part):
    """Somebody who approved."""

    user: UserName
    until: Moment | None = Field(default=None, description="When the Approval ends; absent: it does not.")


class ApprovedRelease(Part):
    """A release that was approved for the next change of its binding."""

    release: Release
    sequence: SequenceOrZero = Field(description="The sequence that the binding had when it was approved; 0: none.")
    by: Annotated[list[Approver], Field(max_length=MAX_APPROVERS)] = Field(description="Who approved, oldest first.")


class AppEvidence(Part):
    """What is known of the releases of this app, for the rules of its environment. Written by the operator."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})

    proven_for: PromotionSpec | None = Field(
        default=None, description="The promotion that `proven` is about; another one has no evidence yet."
    )
    proven: Annotated[list[ProvenRelease], Field(max_length=MAX_PROVEN)] | None = Field(
        default=None,
        description="The release that is active in `from` now, and those that had soaked when they left.",
    )
    known: Annotated[list[Release], Field(max_length=MAX_KNOWN)] | None = Field(
        default=None, description="Releases that were active here, newest first."
    )
    approved: Annotated[list[ApprovedRelease], Field(max_length=MAX_APPROVED)] | None = Field(
        default=None, description="Releases that were approved for the next change."
    )


def _by_app(description: str, default: None = None) -> Any:
    return Field(default=default, description=description, json_schema_extra={"maxProperties": MAX_APPS})


class GatesStatus(Part):
    """What the gates of the environment look like, and the evidence by which they decide. Written by the operator."""

    model_config = ConfigDict(
        # Atomic: else managedFields would name every app.
        json_schema_extra={"x-kubernetes-map-type": "atomic"}
    )

    closed: bool = Field(description="No release of any app can change now: a lock, or a Freeze about all apps.")
    reason: Annotated[str, Field(max_length=MAX_REASON)] | None = Field(default=None, description="Why it is closed.")
    locked_by: UserName | None = Field(default=None, description="Who locked it; absent: nobody.")
    next_open: Moment | None = Field(default=None, description="When it opens by itself; absent if unknown.")
    next_close: Moment | None = Field(default=None, description="When it closes next; absent if unknown.")
    next: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="The same for people: `opens <time>` or `closes <time>`."
    )
    proven_for: PromotionSpec | None = Field(
        default=None, description="The promotion that `proven` is about; another one has no evidence yet."
    )
    proven: dict[str, Annotated[list[ProvenRelease], Field(max_length=MAX_PROVEN)]] | None = _by_app(
        "By app without a binding: the release that is active in `from` now, and those that had soaked there."
    )
    known: dict[str, Annotated[list[Release], Field(max_length=MAX_KNOWN)]] | None = _by_app(
        "By app without a binding: releases that were active here, newest first."
    )
    approved: dict[str, Annotated[list[ApprovedRelease], Field(max_length=MAX_APPROVED)]] | None = _by_app(
        "By app without a binding: releases that were approved for the next change."
    )


class Requirement(StrEnum):
    """What a release has to be in the environment before."""

    DEPLOYED = "Deployed"
    """It is active there."""
    HEALTHY = "Healthy"
    """It is active there, and its rollout is healthy."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """Where a release has to run before it may enter.

    Attributes:
        origin: slug of the environment that comes before.
        soak: how long it has to have been active there.
    """

    origin: str
    soak: timedelta = timedelta()
    require: Requirement = Requirement.DEPLOYED


@dataclass(frozen=True, slots=True)
class Approvals:
    """How many people have to say yes; `valid_for`: how long that counts, None: until the binding changes."""

    required: int
    valid_for: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Protection:
    """What an Environment asks of a release before it may enter; nothing by default."""

    promotion: Promotion | None = None
    approvals: Approvals | None = None
    enforcement: Enforcement = Enforcement.DENY

    @property
    def is_set(self) -> bool:
        """Something is asked."""
        return self.promotion is not None or self.approvals is not None


def protection_of(spec: Mapping[str, Any]) -> Protection:
    """Read it from the spec of an Environment as the API server sent it."""
    return Protection(
        promotion=_promotion(spec.get("promotion")),
        approvals=_approvals(spec.get("approvals")),
        enforcement=Enforcement(spec.get("enforcement") or "Deny"),
    )


def _promotion(said: Mapping[str, Any] | None) -> Promotion | None:
    if not said:
        return None
    return Promotion(
        origin=said["from"],
        soak=to_duration(said.get("soak") or "0s"),
        require=Requirement(said.get("require") or "Deployed"),
    )


def _approvals(said: Mapping[str, Any] | None) -> Approvals | None:
    if not said:
        return None
    valid_for = said.get("validFor")
    return Approvals(required=said["required"], valid_for=to_duration(valid_for) if valid_for else None)


def to_duration(text: str) -> timedelta:
    """`1h30m` as a timedelta.

    Raises:
        ValueError: it is not hours, minutes and seconds, in this order.
    """
    if not text or re.fullmatch(_DURATION, text) is None:
        message = f"not a duration such as 2h or 1h30m: {text}"
        raise ValueError(message)
    return timedelta(**{_UNITS[unit]: int(number) for number, unit in _PARTS.findall(text)})
