"""Decisions about Environments: which ones a workspace starts with, and which bindings go with a deleted one. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from moorage_crds import names
from moorage_crds.kinds.deployment import Deployment
from moorage_crds.kinds.registry import kind_of
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.objects import RawObject

REASON_CASCADE: Final = "environment deleted"
"""Reason in the record of an undeploy that the operator makes because the Environment is gone."""

#: slug → display name of the environments that a seeded workspace starts with, in the order of promotion
DEFAULT_ENVIRONMENTS: Final = {
    "development": "Development",
    "staging": "Staging",
    "production": "Production",
}


class CascadeStep(Enum):
    """The next step that its Environment asks of a Deployment."""

    NONE = auto()
    """It stays."""
    WAIT = auto()
    """It will go, but changes are still to be recorded; look again when that is done."""
    UNDEPLOY = auto()
    """Take the release out, so that the history says so."""
    DELETE = auto()
    """Nothing is deployed and everything is recorded: delete it."""


@dataclass(frozen=True, slots=True)
class CascadeFacts:
    """What decides about a Deployment whose Environment may be gone.

    Attributes:
        environment_exists: an Environment of the name that the Deployment names exists now, going or not.
        outlived: an Environment of that name was seen to go after the Deployment was made. Its status may not say
            so: what is deployed just before the Environment goes never gets the uid of it.
        up_to_date: every change is recorded, and the stored status says so.
    """

    deployment: Deployment
    environment_exists: bool
    outlived: bool
    up_to_date: bool


def cascade_step(facts: CascadeFacts) -> CascadeStep:
    """The next step; the same facts always give the same one, however often it is asked.

    A Deployment that never had an Environment (Git may apply it first) is left alone.
    """
    deployment = facts.deployment
    belonged = deployment.environment_uid is not None or facts.outlived
    if facts.environment_exists or not belonged or deployment.deleting:
        return CascadeStep.NONE
    if not facts.up_to_date:
        return CascadeStep.WAIT
    return CascadeStep.DELETE if deployment.release is None else CascadeStep.UNDEPLOY


def undeploy_patch(deployment: Deployment, *, request_id: str) -> RawObject:
    """Merge patch that takes the release out of exactly this version of the Deployment.

    It carries a note, because a write that only removes a field leaves no time in managedFields; and the request id is
    new, because a note counts only in the write that changes it; the same reason counts because the note is complete.
    """
    return {
        "metadata": {"uid": deployment.uid, "resourceVersion": deployment.resource_version},
        "spec": {
            "release": None,
            "change": {
                "reason": REASON_CASCADE,
                "requestId": request_id,
                "action": None,
                "override": None,
                "completeFor": request_id,
            },
        },
    }


def missing_defaults(workspace: Workspace, slugs: Collection[str]) -> tuple[str, ...]:
    """The default environments that a workspace shall have and has not.

    Args:
        workspace: a workspace.
        slugs: names of the Environments that are there.
    """
    if not workspace.seeded or workspace.deleting:
        return ()
    return tuple(slug for slug in DEFAULT_ENVIRONMENTS if slug not in slugs)


def to_environment(namespace: str, slug: str) -> RawObject:
    """The default Environment of that slug, ready to be created."""
    return {
        **kind_of(names.ENVIRONMENTS).header,
        "metadata": {"name": slug, "namespace": namespace},
        "spec": {"displayName": DEFAULT_ENVIRONMENTS[slug], "isDefault": True},
    }
