"""Environments: schema, view, and what the cluster knows of the kind. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from moorage_crds import names, patterns
from moorage_crds.admission import LOCKED, Policy, PolicyRefusal
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.kinds.kind import READ, WRITE, AccountRights, Kind, Role
from moorage_crds.kinds.parts import App, Conditions, Generation, Moment, Part, Provenance, Release, Slug, UserName
from moorage_crds.kinds.protection import ApprovalsSpec, GatesStatus, PromotionSpec, Protection, protection_of
from moorage_crds.objects import RawObject, metadata, version_of
from moorage_crds.patterns import whole

#: How many parameters an Environment may have.
MAX_PARAMETERS: Final = 32

Parameters = Annotated[
    dict[str, Annotated[str, Field(max_length=256, pattern=whole(patterns.LINE))]],
    Field(
        max_length=MAX_PARAMETERS,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"self.all(name, name.size() <= 63 && name.matches('{whole(patterns.PARAMETER)}'))",
                    "message": "names are letters, digits and _, begin with a letter, and have at most 63 characters",
                }
            ],
        },
    ),
]


ConfigMapName = Annotated[str, Field(min_length=1, max_length=253, pattern=whole(patterns.SUBDOMAIN))]


class ConfigMapDelivery(Part):
    """A ConfigMap that says what is deployed here, for tools that read ConfigMaps. The operator keeps it."""

    name: ConfigMapName = Field(description="Its name, in the Namespace of the Environment.")


class Delivery(Part):
    """How releases leave this environment."""

    config_map: ConfigMapDelivery | None = None

    namespaces: (
        Annotated[list[Slug], Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "set"})] | None
    ) = Field(
        default=None,
        description="Other Namespaces whose objects may follow bindings of this environment.",
    )


class EnvironmentSpec(Part):
    """What the environment is."""

    display_name: Annotated[str, Field(max_length=128, pattern=whole(patterns.LINE))] | None = Field(
        default=None, description="What people call it; without it the name."
    )
    description: Annotated[str, Field(max_length=1024, pattern=whole(patterns.TEXT))] | None = Field(
        default=None, description="What it is for."
    )
    is_default: bool = Field(
        default=False,
        description="One of the environments the workspace came with: it cannot be deleted while this is true.",
    )
    parameters: Parameters | None = Field(
        default=None, description="Short texts about the place, such as its cluster or domain, for tools that deliver."
    )
    promotion: PromotionSpec | None = Field(default=None, description="Where a release has to run before it enters.")
    approvals: ApprovalsSpec | None = Field(default=None, description="Who has to agree before a release enters.")
    enforcement: Literal["Deny", "Warn"] | None = Field(
        default=None,
        description="What promotion and approvals do: Deny (also if absent) refuses. Warn: changes pass with a warning "
        "and a line in the audit log.",
    )
    delivery: Delivery | None = None


class ActiveDeployment(Part):
    """An app that is deployed here."""

    app: App
    release: Release
    since: Moment | None = Field(default=None, description="When this release came.")


class DeliveryStatus(Part):
    """How releases leave this environment."""

    config_map: ConfigMapName | None = Field(
        default=None, description="The ConfigMap in which the operator has, or may have, written something."
    )


class LastUnlock(Part):
    """The end of the last lock that somebody ended."""

    by: UserName | None = Field(default=None, description="Who unlocked; absent: a bare delete left no name.")
    at: Moment = Field(description="When; of a bare delete: when an operator heard of it.")
    locked_by: UserName | None = Field(default=None, description="Who had made the lock; absent: nobody is known.")


class EnvironmentStatus(Part):
    """What the operator observed."""

    observed_generation: Generation | None = Field(default=None, description="The generation this status is about.")
    active_deployment_count: Annotated[int, Field(ge=0, json_schema_extra={"format": "int32"})] | None = Field(
        default=None, description="How many apps are deployed here."
    )
    active_deployments: (
        Annotated[
            list[ActiveDeployment],
            Field(
                max_length=names.MAX_ACTIVE_DEPLOYMENTS,
                json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["app"]},
            ),
        ]
        | None
    ) = Field(
        default=None, description=f"The apps that are deployed here, by name; the first {names.MAX_ACTIVE_DEPLOYMENTS}."
    )
    gates: GatesStatus | None = None
    delivery: DeliveryStatus | None = None
    last_unlock: LastUnlock | None = Field(default=None, description="The last unlock that an operator has seen.")
    conditions: Conditions | None = None


class EnvironmentModel(Part):
    """A place where releases run, such as production. Its name is the slug; its Namespace is the workspace."""

    spec: EnvironmentSpec
    provenance: Provenance | None = None
    status: EnvironmentStatus | None = None


NO_PROTECTION: Final = Protection()


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment of a workspace.

    Attributes:
        name: the slug (`metadata.name`).
        display_name: what people call it; the slug if nothing else was said.
        is_default: one of the environments the workspace came with; cannot be deleted.
        created_by: user of the creating request, None where no policy stamped it.
        updated_at: time of the last change of the spec, else of the creation.
        stamp: the same as the policy stamped it, None if it left no time.
        protection: what is asked of a release before it may enter.
        status: the raw status, to compare with a wanted one.
        parameters: short texts about the place, sorted by name.
        delivery_namespaces: other Namespaces whose objects may follow its bindings.
        delivery_config_map: name of the ConfigMap that says what is deployed here; empty: there is none.
        updated_by: user of the last change of the spec, None where no policy stamped it.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    display_name: str
    description: str
    is_default: bool
    created_by: str | None
    created_at: str
    updated_at: str
    stamp: str | None
    deleting: bool
    status: Mapping[str, Any]
    parameters: tuple[tuple[str, str], ...] = ()
    protection: Protection = NO_PROTECTION
    delivery_namespaces: tuple[str, ...] = ()
    delivery_config_map: str = ""
    updated_by: str | None = None


def from_object(raw: RawObject) -> Environment:
    """Read an Environment as the API server sent it."""
    meta = metadata(raw)
    spec: Mapping[str, Any] = raw.get("spec") or {}
    provenance: Mapping[str, Any] = raw.get("provenance") or {}
    return Environment(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=version_of(raw),
        generation=meta.get("generation", 0),
        display_name=spec.get("displayName") or meta["name"],
        description=spec.get("description") or "",
        is_default=bool(spec.get("isDefault", False)),
        created_by=provenance.get("createdBy") or None,
        created_at=meta["creationTimestamp"],
        updated_at=provenance.get("updatedAt") or meta["creationTimestamp"],
        stamp=provenance.get("updatedAt") or None,
        deleting="deletionTimestamp" in meta,
        status=raw.get("status") or {},
        parameters=tuple(sorted((spec.get("parameters") or {}).items())),
        protection=protection_of(spec),
        delivery_namespaces=tuple((spec.get("delivery") or {}).get("namespaces") or ()),
        delivery_config_map=((spec.get("delivery") or {}).get("configMap") or {}).get("name") or "",
        updated_by=provenance.get("updatedBy") or None,
    )


KIND: Final = Kind(
    plural=names.ENVIRONMENTS,
    kind="Environment",
    short_names=("env",),
    identifier=EnvironmentSlug,
    model=EnvironmentModel,
    read=from_object,
    name_schema={"type": "string", "maxLength": 253},
    rules=[
        {
            "rule": "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$') && "
            f"!self.metadata.name.matches('{whole(patterns.UID)}')",
            "message": "must be a DNS label of at most 63 characters that does not look like a UID "
            "(REST takes either in its paths)",
            "fieldPath": ".metadata.name",
        },
        {
            "rule": "!has(self.spec.promotion) || self.spec.promotion.from != self.metadata.name",
            "message": "must be another environment than this one",
            "fieldPath": ".spec.promotion.from",
        },
    ],
    columns=[
        {"name": "Display Name", "type": "string", "jsonPath": ".spec.displayName"},
        {"name": "Default", "type": "boolean", "jsonPath": ".spec.isDefault"},
        {"name": "Deployed", "type": "integer", "jsonPath": ".status.activeDeploymentCount"},
        {"name": "Lock", "type": "string", "jsonPath": ".status.gates.lockedBy"},
        {"name": "Closed", "type": "boolean", "jsonPath": ".status.gates.closed"},
        {"name": "Next", "type": "string", "jsonPath": ".status.gates.next"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Updated By", "type": "string", "jsonPath": ".provenance.updatedBy", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ],
    rest_word="environment",
    operator=AccountRights(
        (*READ, "create"), status=("patch",), why="create: default environments of Namespaces that ask for them"
    ),
    facade=AccountRights(READ, why="get: what changed between the cache and a write is read again"),
    callers=WRITE,
    users={
        Role.EDIT: (*WRITE, "update"),
        Role.APPROVER: (names.APPROVE_VERB,),
        Role.RELEASE_MANAGER: (
            *WRITE,
            "update",
            names.APPROVE_VERB,
            names.OVERRIDE_VERB,
            names.PROTECT_VERB,
        ),
    },
    policies=(
        Policy(
            names.POLICY_ENVIRONMENT_DELETES,
            "default environments can be deleted",
            PolicyRefusal(reason="DefaultEnvironment"),
        ),
        Policy(names.POLICY_ENVIRONMENT_LOCKS, "a locked environment can be deleted", LOCKED),
        Policy(
            "environments-gates.moorage.dev",
            "an environment with what runs in it can be deleted while it is frozen",
            PolicyRefusal(reason="EnvironmentFrozen"),
        ),
        Policy(
            "promotion.moorage.dev",
            "releases enter environments without having run in the one before",
            PolicyRefusal(reason="NotPromoted"),
            observed=True,
        ),
        Policy(
            "approvals.moorage.dev",
            "releases enter environments without the approvals that these ask for",
            PolicyRefusal(reason="ApprovalRequired"),
            observed=True,
        ),
        Policy(
            "protection.moorage.dev",
            "everybody who may write an Environment can remove its protection",
            PolicyRefusal(reason="EnvironmentProtected"),
        ),
    ),
)
