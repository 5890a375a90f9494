"""Approvals: somebody says yes or no to a release in an environment. Schema, view, what the cluster knows. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from moorage_crds import names, patterns
from moorage_crds.admission import Policy, PolicyRefusal
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.kinds.kind import AccountRights, Kind, Role
from moorage_crds.kinds.parts import App, Part, Provenance, Release, Slug
from moorage_crds.objects import RawObject, metadata, version_of
from moorage_crds.patterns import whole


class ApprovalSpec(Part):
    """Who may deploy what where, or may not."""

    environment: Slug = Field(description="The name of the Environment.")
    app: App
    release: Release
    decision: Literal["Approve", "Reject"] = Field(
        description="Reject: nobody deploys this release there until this Approval is deleted by its author."
    )
    comment: Annotated[str, Field(max_length=512, pattern=whole(patterns.LINE))] | None = Field(
        default=None, description="Shown to everybody who asks why."
    )


class ApprovalModel(Part):
    """One person's yes or no to one release of an app in an environment. Immutable; who and when is stamped."""

    spec: ApprovalSpec
    provenance: Provenance | None = None


class Decision(StrEnum):
    """What an Approval says."""

    APPROVE = "Approve"
    """Its author agrees that this release may enter."""
    REJECT = "Reject"
    """Its author refuses this release."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes or no.

    Attributes:
        by: its author, whom the API server authenticated; None where no policy stamped it.
        created_at: when it was given; `metadata.creationTimestamp`, which no client can set.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    environment: str
    app: str
    release: str
    decision: Decision
    comment: str
    by: str | None
    created_at: str
    deleting: bool


def from_object(raw: RawObject) -> Approval:
    """Read an Approval as the API server sent it."""
    meta = metadata(raw)
    spec: Mapping[str, Any] = raw["spec"]
    provenance: Mapping[str, Any] = raw.get("provenance") or {}
    return Approval(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=version_of(raw),
        environment=spec["environment"],
        app=spec["app"],
        release=spec["release"],
        decision=Decision(spec["decision"]),
        comment=spec.get("comment") or "",
        by=provenance.get("createdBy") or None,
        created_at=meta["creationTimestamp"],
        deleting="deletionTimestamp" in meta,
    )


KIND: Final = Kind(
    plural=names.APPROVALS,
    kind="Approval",
    short_names=("mappr",),
    identifier=EnvironmentSlug,
    model=ApprovalModel,
    read=from_object,
    name_schema={"type": "string", "maxLength": 63, "pattern": whole(patterns.SLUG)},
    rules=[{"rule": "self.spec == oldSelf.spec", "message": "an Approval is immutable: delete it and create another"}],
    columns=[
        {"name": "Environment", "type": "string", "jsonPath": ".spec.environment"},
        {"name": "App", "type": "string", "jsonPath": ".spec.app"},
        {"name": "Release", "type": "string", "jsonPath": ".spec.release"},
        {"name": "Decision", "type": "string", "jsonPath": ".spec.decision"},
        {"name": "By", "type": "string", "jsonPath": ".provenance.createdBy"},
        {"name": "Comment", "type": "string", "jsonPath": ".spec.comment", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ],
    selectable=[".spec.environment", ".spec.app"],
    rest_word="approval",
    operator=AccountRights(("list", "watch", "delete"), why="Approvals that were used up or have ended"),
    facade=AccountRights(("list", "watch")),
    callers=("create", "delete"),
    users=dict.fromkeys((Role.APPROVER, Role.RELEASE_MANAGER), ("create", "delete")),
    policies=(
        Policy("rejections.moorage.dev", "rejected releases can be deployed", PolicyRefusal(reason="ApprovalRejected")),
        Policy(names.POLICY_APPROVAL_RIGHTS, "everybody who may create Approvals can approve for every environment"),
    ),
)
