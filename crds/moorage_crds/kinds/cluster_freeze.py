"""ClusterFreezes: a Freeze for all workspaces, or for some. Schema, view, and what the cluster knows of it. Pure."""

from typing import Annotated, Final

from pydantic import Field

from moorage_crds import names, patterns
from moorage_crds.admission import Policy
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.kinds.freeze import COLUMNS, FROZEN, MAX_NAMED, FreezeSpec, StoredFreeze, stored
from moorage_crds.kinds.kind import AccountRights, Kind, Scope
from moorage_crds.kinds.parts import Part, Provenance
from moorage_crds.objects import RawObject
from moorage_crds.patterns import whole

_WORKSPACE: Final = rf"{patterns.LABEL_VALUE}/{patterns.LABEL_VALUE}"


class ClusterFreezeSpec(FreezeSpec):
    """When no release changes, in which workspaces, and why."""

    workspaces: (
        Annotated[
            list[Annotated[str, Field(max_length=127, pattern=whole(_WORKSPACE))]],
            Field(min_length=1, max_length=MAX_NAMED),
        ]
        | None
    ) = Field(default=None, description="The workspaces it is about, as <org>/<workspace>; absent: all.")


class ClusterFreezeModel(Part):
    """Refuses release changes by the calendar in many workspaces at once, by every door."""

    spec: ClusterFreezeSpec
    provenance: Provenance | None = None


def from_object(raw: RawObject) -> StoredFreeze:
    """Read a ClusterFreeze as the API server sent it."""
    return stored(raw, prefix="clusterfreeze")


KIND: Final = Kind(
    plural=names.CLUSTER_FREEZES,
    kind="ClusterFreeze",
    scope=Scope.CLUSTER,
    short_names=("mcfrz",),
    identifier=EnvironmentSlug,
    model=ClusterFreezeModel,
    read=from_object,
    name_schema={"type": "string", "maxLength": 63, "pattern": whole(patterns.SLUG)},
    columns=(*COLUMNS, {"name": "Workspaces", "type": "string", "jsonPath": ".spec.workspaces", "priority": 1}),
    operator=AccountRights(("list", "watch")),
    facade=AccountRights(("list", "watch")),
    policies=(
        Policy(
            "clusterfreezes.moorage.dev", "ClusterFreezes do not hold back changes of releases", FROZEN, observed=True
        ),
    ),
)
