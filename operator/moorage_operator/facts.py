"""The frozen inputs of all decisions: what is known of a chain, a binding, an environment, at one moment.

A chain is the history of one Deployment (by uid): its records, numbered from 1, each naming the hash of the one before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from moorage_crds.conditions import Reason
from moorage_crds.kinds.deployment import Change, Deployment
from moorage_crds.kinds.environment import Environment
from moorage_crds.kinds.refresh import Followed


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the history of a chain has been written.

    Attributes:
        sequence: the newest change that has a record; 0 without any.
        release: the release after that change.
        tip_hash: hash of its record; None if only the number is known (a status restored from an old backup).
        last: that change, with its time; None if not known.
        floor_sequence: the oldest record that is kept.
        floor_hash: what that record names as its predecessor; None means the beginning of the chain.
        last_adopted: the newest change that no policy watched; 0 if there is none.
    """

    sequence: int = 0
    release: str | None = None
    tip_hash: str | None = None
    last: Change | None = None
    floor_sequence: int = 1
    floor_hash: str | None = None
    last_adopted: int = 0

    @property
    def degraded(self) -> bool:
        """True while the kept chain holds a change that no policy watched."""
        return self.last_adopted > 0 and self.last_adopted >= self.floor_sequence


@dataclass(frozen=True, slots=True)
class Unstamped:
    """A release that was seen in the spec while neither change log nor records know of it.

    `sequence` is the number it takes in the chain, unless log or records come to it first.
    """

    sequence: int
    release: str | None
    seen_at: str


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """Everything that decides what has to be recorded next.

    Attributes:
        unstamped: releases seen while no policy watched, in order, none of them recorded yet.
        deleted_at: when the Deployment was seen to be gone, RFC 3339; None while it lives.
    """

    deployment: Deployment
    progress: Progress
    unstamped: tuple[Unstamped, ...] = ()
    deleted_at: str | None = None


class Trouble(StrEnum):
    """Why the next change of a chain cannot be recorded; the value is the reason of the condition."""

    CONFLICT = Reason.RECORD_CONFLICT.value
    REFUSED = Reason.RECORD_REFUSED.value


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """Everything that the status of a Deployment is made of.

    Attributes:
        environment_uid: uid of the Environment of that name; None if there is none.
        up_to_date: nothing is waiting to be recorded.
        now: RFC 3339.
        targets: what follows the binding; None while that is not known: what is stored of it stays then.
        evidence: what is known for the rules of its Environment; None: there are none.
    """

    deployment: Deployment
    stored: Mapping[str, Any]
    progress: Progress
    environment_uid: str | None
    up_to_date: bool
    trouble: Trouble | None
    now: str
    targets: "tuple[Target, ...] | None" = None
    evidence: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ActiveApp:
    """An app that is deployed to an environment, and since when."""

    app: str
    release: str
    since: str | None


@dataclass(frozen=True, slots=True)
class Published:
    """What became of the ConfigMap of an Environment.

    Attributes:
        name: of the ConfigMap.
        digest: of what was to be in it.
        reason: `Published`, or why it is not as it should be.
        message: a sentence.
    """

    name: str
    digest: str
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Unlock:
    """Somebody ended a lock, RFC 3339; by None: nobody is known."""

    at: str
    by: str | None = None
    locked_by: str | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """Everything that the status of an Environment is made of.

    Attributes:
        gates: what stands before it; None: nothing.
        published: what became of its ConfigMap; None while that is not known: what is stored of it stays then.
        is_left: nothing of ours is left in the ConfigMap that the stored status names.
        unlock: the last one that this process has seen; None: none.
    """

    environment: Environment
    stored: Mapping[str, Any]
    active: tuple[ActiveApp, ...]
    now: str
    gates: Mapping[str, Any] | None = None
    published: Published | None = None
    is_left: bool = False
    unlock: Unlock | None = None


@dataclass(frozen=True, slots=True)
class Stay:
    """A release was active somewhere from one moment to another, RFC 3339; until None: it still is."""

    release: str
    since: str
    until: str | None = None


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """What retention needs to know of a record: its number, and when it was written (never before its change)."""

    sequence: int
    created_at: datetime


class RemovalCause(StrEnum):
    """Why retention removes a record; the value is the label of the metric."""

    AGE = "age"
    """It is old, and there are enough newer ones."""
    MAXIMUM = "maximum"
    """There are too many of its binding, however young."""


class Finding(StrEnum):
    """What a sweep can find; the value is the label of the metric."""

    MISSING_RECORD = "missing_record"
    """A change counts as recorded, but its record is not there."""
    UNKNOWN_RECORD = "unknown_record"
    """A record is there that neither log nor status of its Deployment know of."""
    STATUS_BEHIND = "status_behind"
    """Records are there that the status does not count yet."""
    UNENDED_CHAIN = "unended_chain"
    """The Deployment is gone, and its history does not say so."""
    GHOST = "ghost"
    """An object was remembered that the cluster does not have."""
    UNSEEN = "unseen"
    """A list showed an object, or a version of it, that the watch had not delivered."""
    WRONG_STATUS = "wrong_status"
    """A stored status is not what it should be."""
    RETENTION = "retention"
    """Records are old enough to go."""
    LEFTOVER = "leftover"
    """Records are left below the floor of their chain."""
    WITHOUT_POLICY = "policy_not_in_force"
    """An admission policy or its binding is not there."""


class Phase(StrEnum):
    """How far a release is on its way; the value is what a status says."""

    WAITING = "Waiting"
    """A target does not carry it yet."""
    PROGRESSING = "Progressing"
    """All targets carry it, and not all have become it."""
    HEALTHY = "Healthy"
    """All targets have become it."""
    DEGRADED = "Degraded"
    """It was healthy or fully rolled out, and is not healthy now."""
    FAILED = "Failed"
    """The controller of a target gave it up."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the status of an object tells about its present spec.

    Attributes:
        message: why it is not healthy; without counters, so that it does not flap.
        lost: it was healthy with this spec and is not any more; one in progress only scales or restarts a pod.
    """

    phase: Phase
    message: str = ""
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Declared:
    """A field of a target that the release decides.

    Attributes:
        what: its path, or which container's image.
        template: its value, with `{release}` in it.
        value: the present value.
        path: where it is: `spec.chart.spec.version`, or `spec.template.spec.containers[web].image`.
        problem: a sentence, if the declaration cannot be followed.
    """

    what: str
    template: str
    value: str
    path: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """An object that follows a binding.

    Attributes:
        resource: `<plural>.<group>`.
        binding: Namespace and name of the binding that it names; both empty: none that could be one.
        carried: the `deployment_id` that it says its spec carries; empty: it does not say.
        declared: the fields that the release decides.
        problem: a sentence, if what it says cannot be followed.
        refused_for: the `deployment_id` of a release that could not be brought in; the sentence is in `refusal`.
    """

    resource: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str
    binding: tuple[str, str]
    carried: str
    declared: tuple[Declared, ...]
    problem: str
    health: Health
    refused_for: str = ""
    refusal: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, Namespace and name."""
        return self.resource, self.namespace, self.name

    def same_as(self, other: "Target") -> bool:
        """Nothing but the version differs."""
        return replace(self, resource_version=other.resource_version) == other


@dataclass(frozen=True, slots=True)
class Refreshable:
    """An object whose tool looks again when what it follows has changed.

    Attributes:
        resource: `<plural>.<group>`.
        follows: what it follows.
        problem: a sentence, if a part of what it says cannot be understood.
    """

    resource: str
    namespace: str
    name: str
    uid: str
    follows: frozenset[Followed]
    problem: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, Namespace and name."""
        return self.resource, self.namespace, self.name


@dataclass(frozen=True, slots=True)
class RolloutFacts:
    """Everything that decides what became of a release.

    Attributes:
        sequence: the change that put it there.
        release: empty: nothing is deployed.
        deployment_id: name of the record of that change.
        stored: `status.rollout`, empty without one.
        outcomes: `status.outcomes`.
        now: RFC 3339.
    """

    sequence: int
    release: str
    deployment_id: str
    targets: tuple[Target, ...]
    stored: Mapping[str, Any]
    outcomes: tuple[Mapping[str, Any], ...]
    now: str
