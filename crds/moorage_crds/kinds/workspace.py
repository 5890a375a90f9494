"""View of a Namespace that is a workspace: it carries the labels of an organisation and of a workspace. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from moorage_crds import names
from moorage_crds.admission import Policy, PolicyRefusal
from moorage_crds.kinds.kind import READ, AccountRights, Resource, Scope
from moorage_crds.objects import RawObject, metadata, version_of


@dataclass(frozen=True, slots=True)
class Workspace:
    """A labelled Namespace.

    Attributes:
        seeded: the operator shall keep the default environments there.
        deleting: the Namespace is on its way out.
    """

    namespace: str
    uid: str
    resource_version: str
    org: str
    workspace: str
    seeded: bool
    created_at: str
    deleting: bool


def from_object(raw: RawObject) -> Workspace | None:
    """Read a Namespace; None if it is not a workspace."""
    meta = metadata(raw)
    labels: Mapping[str, str] = meta.get("labels") or {}
    org, workspace = labels.get(names.LABEL_ORG), labels.get(names.LABEL_WORKSPACE)
    if not org or not workspace:
        return None
    return Workspace(
        namespace=meta["name"],
        uid=meta["uid"],
        resource_version=version_of(raw),
        org=org,
        workspace=workspace,
        seeded=labels.get(names.LABEL_SEED) == "true",
        created_at=meta["creationTimestamp"],
        deleting="deletionTimestamp" in meta,
    )


def chosen(candidates: Iterable[Workspace]) -> Workspace | None:
    """Of several Namespaces that claim one workspace: the oldest, then the smallest name. None of none."""
    return min(candidates, key=lambda one: (one.created_at, one.namespace), default=None)


RESOURCE: Final = Resource(
    plural=names.NAMESPACES,
    group="",
    scope=Scope.CLUSTER,
    operator=AccountRights(READ),
    facade=AccountRights(("list", "watch")),
)

POLICIES: Final = (
    Policy(names.POLICY_WORKSPACES, "two Namespaces can claim one workspace"),
    Policy(
        names.POLICY_WORKSPACE_RIGHTS,
        "everybody who may write a Namespace can make it another workspace, switch guards off, and delete its history",
    ),
    Policy(
        names.POLICY_ATTRIBUTED_DELETES,
        f"the label {names.LABEL_ATTRIBUTED_DELETES} has no effect",
        PolicyRefusal(reason="AttributedDeletes"),
    ),
)
