"""The frozen inputs of all decisions: what is known of a chain, a binding, an environment, at one moment.

A chain is the history of one Deployment (by uid): its records, numbered from 1, each naming the hash of the one before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from moorage_crds.conditions import Reason
from moorage_crds.deployment import Change, Deployment
from moorage_crds.environment import Environment


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
    """

    deployment: Deployment
    stored: Mapping[str, Any]
    progress: Progress
    environment_uid: str | None
    up_to_date: bool
    trouble: Trouble | None
    now: str


@dataclass(frozen=True, slots=True)
class ActiveDeployment:
    """An app that is deployed to an environment, and since when."""

    app: str
    release: str
    since: str | None


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """Everything that the status of an Environment is made of."""

    environment: Environment
    stored: Mapping[str, Any]
    active: tuple[ActiveDeployment, ...]
    now: str


def to_text(moment: datetime) -> str:
    """A moment as Kubernetes writes it: `2026-01-31T12:00:00Z`, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_moment(text: str | None) -> datetime | None:
    """The moment that a text of RFC 3339 means; None if it is none, or has no zone."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return None if moment.tzinfo is None else moment.astimezone(UTC)
