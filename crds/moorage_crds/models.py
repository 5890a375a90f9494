r"""The kinds as pydantic models: the source of the CRDs, and validation at the borders.

Inside the processes objects are slotted views (`environment`, `deployment`, …); these models are for generating the
schemas (`moorage_crds.schema`), for examples in documents, and for checking what comes from outside the cluster.

Every string has a pattern or a format and a maximum, every list a maximum: the API server needs the bounds for the
cost of CEL rules, and people need them for everything else. Patterns are Go regular expressions; `\x{202A}` works in
pydantic too.
"""

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from moorage_crds import names

#: No control characters, no line separators, no bidi marks (they make a text look like another one).
LINE_PATTERN: Final = r"^[^\x00-\x1f\x7f-\x9f\x{2028}\x{2029}\x{202A}-\x{202E}\x{2066}-\x{2069}]*$"
#: The same, but line feeds and tabs are allowed.
TEXT_PATTERN: Final = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\x{2028}\x{2029}\x{202A}-\x{202E}\x{2066}-\x{2069}]*$"
SLUG_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
APP_PATTERN: Final = r"^[A-Za-z0-9]([-_A-Za-z0-9]*[A-Za-z0-9])?$"
RELEASE_PATTERN: Final = r"^[A-Za-z0-9][-+_.:@/A-Za-z0-9]*$"
UID_PATTERN: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
HASH_PATTERN: Final = r"^[0-9a-f]{64}$"

MAX_SEQUENCE: Final = 10**names.SEQUENCE_DIGITS - 1
#: How many apps an Environment's status lists; `activeDeploymentCount` counts all.
MAX_ACTIVE_DEPLOYMENTS: Final = 500

Slug = Annotated[str, Field(max_length=63, pattern=SLUG_PATTERN)]
App = Annotated[str, Field(max_length=63, pattern=APP_PATTERN)]
Release = Annotated[str, Field(max_length=128, pattern=RELEASE_PATTERN)]
ReasonText = Annotated[str, Field(max_length=512, pattern=LINE_PATTERN)]
RequestId = Annotated[str, Field(max_length=64, pattern=r"^[!-~]*$")]
UserName = Annotated[str, Field(max_length=1024)]
UidText = Annotated[str, Field(max_length=36, pattern=UID_PATTERN)]
HashText = Annotated[str, Field(max_length=64, pattern=HASH_PATTERN)]
Moment = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Sequence = Annotated[int, Field(ge=1, le=MAX_SEQUENCE, json_schema_extra={"format": "int64"})]
SequenceOrZero = Annotated[int, Field(ge=0, le=MAX_SEQUENCE, json_schema_extra={"format": "int64"})]
Generation = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
ActionText = Literal["deploy", "undeploy", "rollback", "adopt"]


class Part(BaseModel):
    """Base of all parts of a kind: camelCase outside, unknown fields refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Kind(Part):
    """Base of the kinds themselves; what the CRD needs beside the schema stands in class variables."""

    plural: ClassVar[str]
    singular: ClassVar[str]
    short_name: ClassVar[str]
    description: ClassVar[str]
    #: bounds of `metadata.name`, for the cost of CEL rules
    name_schema: ClassVar[dict[str, Any]]
    rules: ClassVar[list[dict[str, str]]] = []
    columns: ClassVar[list[dict[str, Any]]]
    selectable: ClassVar[list[str]] = []
    has_status: ClassVar[bool] = True


class StatusCondition(Part):
    """One observation, as in Kubernetes' own kinds."""

    type: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z]+$")]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z]+$")]
    message: Annotated[str, Field(max_length=1024)]
    observed_generation: Generation = 0
    last_transition_time: Moment


Conditions = Annotated[
    list[StatusCondition],
    Field(
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        description="Ready and what explains it; docs/spec lists every type and reason.",
    ),
]


class Provenance(Part):
    """Who made the object and who changed its spec last.

    Written by the API server's admission policy; whatever a client sends is ignored.
    """

    created_by: UserName | None = Field(default=None, description="The user of the request that created the object.")
    updated_by: UserName | None = Field(default=None, description="The user of the last change of the spec.")
    updated_at: Moment | None = Field(default=None, description="When the spec changed last, to the second.")


class EnvironmentSpec(Part):
    """What the environment is."""

    display_name: Annotated[str, Field(max_length=128, pattern=LINE_PATTERN)] | None = Field(
        default=None, description="What people call it; without it the name."
    )
    description: Annotated[str, Field(max_length=1024, pattern=TEXT_PATTERN)] | None = Field(
        default=None, description="What it is for."
    )
    is_default: bool = Field(
        default=False,
        description="One of the environments the workspace came with: it cannot be deleted while this is true.",
    )


class ActiveDeployment(Part):
    """An app that is deployed here."""

    app: App
    release: Release
    since: Moment | None = Field(default=None, description="When this release came.")


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
                max_length=MAX_ACTIVE_DEPLOYMENTS,
                json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["app"]},
            ),
        ]
        | None
    ) = Field(default=None, description="The apps that are deployed here, by name; the first 500.")
    conditions: Conditions | None = None


class Environment(Kind):
    """A place where releases run, such as production. Its name is the slug; its Namespace is the workspace."""

    plural = names.ENVIRONMENTS
    singular = "environment"
    short_name = "env"
    description = __doc__ or ""
    name_schema: ClassVar[dict[str, Any]] = {"type": "string", "maxLength": 253}
    rules: ClassVar[list[dict[str, str]]] = [
        {
            "rule": "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$') && "
            "!self.metadata.name.matches('^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$')",
            "message": "must be a DNS label of at most 63 characters that does not look like a UID "
            "(REST takes either in its paths)",
            "fieldPath": ".metadata.name",
        }
    ]
    columns: ClassVar[list[dict[str, Any]]] = [
        {"name": "Display Name", "type": "string", "jsonPath": ".spec.displayName"},
        {"name": "Default", "type": "boolean", "jsonPath": ".spec.isDefault"},
        {"name": "Deployed", "type": "integer", "jsonPath": ".status.activeDeploymentCount"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Updated By", "type": "string", "jsonPath": ".provenance.updatedBy", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]

    spec: EnvironmentSpec
    provenance: Provenance | None = None
    status: EnvironmentStatus | None = None


class EnvironmentLockSpec(Part):
    """Why the environment is locked."""

    reason: Annotated[str, Field(min_length=1, max_length=512, pattern=LINE_PATTERN)] = Field(
        description="Shown to everybody whose change is refused."
    )


class EnvironmentLock(Kind):
    """Refuses every release change in the environment of the same name, by every door. Its name is the slug."""

    plural = names.LOCKS
    singular = "environmentlock"
    short_name = "elock"
    description = __doc__ or ""
    name_schema: ClassVar[dict[str, Any]] = {"type": "string", "maxLength": 63, "pattern": SLUG_PATTERN}
    columns: ClassVar[list[dict[str, Any]]] = [
        {"name": "Reason", "type": "string", "jsonPath": ".spec.reason"},
        {"name": "Locked By", "type": "string", "jsonPath": ".provenance.updatedBy"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    has_status = False

    spec: EnvironmentLockSpec
    provenance: Provenance | None = None


class ChangeNote(Part):
    """A note on the change of the release made in the same write.

    It counts only in a write that changes the note too, so an old reason never sticks to a new change.
    """

    model_config = ConfigDict(
        # Atomic: else server-side apply leaves `change: null` behind, which is invalid, when its owners take turns.
        json_schema_extra={"x-kubernetes-map-type": "atomic"}
    )

    reason: ReasonText | None = Field(default=None, description="Why; shown in the history.")
    request_id: RequestId | None = Field(default=None, description="An id of the request, to find its line again.")
    action: Literal["deploy", "rollback"] | None = Field(
        default=None, description="What the writer means. Without it the policy looks at the log."
    )


class DeploymentSpec(Part):
    """Which release of which app shall be where."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.environment == oldSelf.environment",
                    "message": "environment is immutable",
                    "fieldPath": ".environment",
                },
                {"rule": "self.app == oldSelf.app", "message": "app is immutable", "fieldPath": ".app"},
            ]
        }
    )

    environment: Slug = Field(description="The name of the Environment. Cannot be changed.")
    app: App = Field(description="The app. Cannot be changed.")
    release: Annotated[str, Field(max_length=128, pattern=r"^([A-Za-z0-9][-+_.:@/A-Za-z0-9]*)?$")] | None = Field(
        default=None, description="The release that is deployed; absent or empty: none."
    )
    change: ChangeNote | None = None


class ChangeLogEntry(Part):
    """One change of the release, stamped in the write that made it."""

    sequence: Sequence = Field(description="Its number in the chain of this Deployment, from 1.")
    action: ActionText = Field(
        description="adopt: the release was changed while no policy watched; by whom is unknown."
    )
    source: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, alias="from", description="The release that was active before; absent: none."
    )
    target: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, alias="to", description="The release that is active after it; absent: none."
    )
    by: UserName | None = Field(default=None, description="The user whom the API server authenticated.")
    at: Moment | None = Field(default=None, description="When the API server accepted the change, to the second.")
    reason: Annotated[str, Field(max_length=512)] | None = None
    request_id: Annotated[str, Field(max_length=64)] | None = None


class ChangeLog(Part):
    """The latest changes of the release.

    Written by the API server's admission policy; whatever a client sends is ignored.
    """

    sequence: SequenceOrZero = Field(description="The number of the newest change.")
    entries: Annotated[list[ChangeLogEntry], Field(max_length=names.MAX_UNRECORDED)] = Field(
        description="The newest changes, oldest first."
    )


class LastChange(Part):
    """The newest recorded change."""

    sequence: Sequence
    action: ActionText
    release: Release | None = None
    previous_release: Release | None = None
    by: UserName | None = None
    at: Moment
    reason: ReasonText | None = None


class KeptHistory(Part):
    """Where the kept chain of records begins and ends, so that retention does not look like truncation."""

    floor_sequence: Sequence = Field(description="The sequence of the oldest kept record.")
    floor_hash: HashText = Field(description="What the oldest kept record names as its predecessor.")
    tip_hash: HashText = Field(description="The hash of the newest record.")
    last_adopted: SequenceOrZero | None = Field(default=None, description="The newest change that no policy watched.")


class DeploymentStatus(Part):
    """What the operator observed and recorded."""

    observed_generation: Generation | None = Field(default=None, description="The generation this status is about.")
    recorded_sequence: (
        Annotated[
            int,
            Field(
                ge=0,
                le=MAX_SEQUENCE,
                json_schema_extra={
                    "format": "int64",
                    "x-kubernetes-validations": [
                        {"rule": "self >= oldSelf", "message": "recordedSequence never goes back"}
                    ],
                },
            ),
        ]
        | None
    ) = Field(default=None, description="The newest change that has a record.")
    release: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="The release after the newest recorded change; absent: none."
    )
    previous_release: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="The release before the newest recorded change; absent: none."
    )
    environment_uid: UidText | None = Field(
        default=None, description="The uid of the Environment that this binding belongs (or belonged) to."
    )
    last_change: LastChange | None = None
    history: KeptHistory | None = None
    conditions: Conditions | None = None


class Deployment(Kind):
    """The place of one app in one environment: which release is there. Its name is `<environment>.<app>`."""

    plural = names.DEPLOYMENTS
    singular = "deployment"
    short_name = "mdep"
    description = __doc__ or ""
    name_schema: ClassVar[dict[str, Any]] = {"type": "string", "maxLength": 127}
    rules: ClassVar[list[dict[str, str]]] = [
        {
            "rule": "self.metadata.name == self.spec.environment + '.' + self.spec.app.lowerAscii().replace('_', '-')",
            "messageExpression": "'must be \"' + self.spec.environment + '.' + "
            "self.spec.app.lowerAscii().replace('_', '-') + '\": <environment>.<app>, the app in lower case with - "
            "for _ (kustomize namePrefix and nameSuffix cannot be used here)'",
            "fieldPath": ".metadata.name",
        },
        {
            "rule": "!has(self.changeLog) || self.changeLog.sequence - (has(self.status) && "
            f"has(self.status.recordedSequence) ? self.status.recordedSequence : 0) <= {names.MAX_UNRECORDED}",
            "message": f"{names.MAX_UNRECORDED} changes of this Deployment are not recorded yet; "
            "retry when the operator has caught up",
            "reason": "FieldValueForbidden",
            "fieldPath": ".spec.release",
        },
    ]
    columns: ClassVar[list[dict[str, Any]]] = [
        {"name": "Environment", "type": "string", "jsonPath": ".spec.environment"},
        {"name": "App", "type": "string", "jsonPath": ".spec.app"},
        {"name": "Release", "type": "string", "jsonPath": ".spec.release"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Changed By", "type": "string", "jsonPath": ".status.lastChange.by"},
        {"name": "Changed", "type": "date", "jsonPath": ".status.lastChange.at"},
        {"name": "Previous", "type": "string", "jsonPath": ".status.previousRelease", "priority": 1},
        {"name": "Changes", "type": "integer", "jsonPath": ".changeLog.sequence", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "priority": 1},
    ]
    selectable: ClassVar[list[str]] = [".spec.environment", ".spec.app"]

    spec: DeploymentSpec
    change_log: ChangeLog | None = None
    status: DeploymentStatus | None = None


class RecordedDeployment(Part):
    """The Deployment that was changed."""

    name: Annotated[str, Field(max_length=127, pattern=r"^[-.a-z0-9]+$")]
    uid: UidText


class DeploymentRecordSpec(Part):
    """What happened."""

    deployment: RecordedDeployment
    environment: Slug = Field(description="The name of the Environment.")
    app: App
    action: ActionText
    sequence: Sequence = Field(description="Its number in the chain of the Deployment, from 1, without gaps.")
    release: Release | None = Field(default=None, description="The release that is active after it; absent: none.")
    previous_release: Release | None = Field(
        default=None, description="The release that was active before; absent: none."
    )
    by: UserName | None = Field(
        default=None, description="The user whom the API server authenticated; absent: unknown."
    )
    at: Moment = Field(description="When the API server accepted the change, to the second.")
    reason: ReasonText | None = None
    request_id: RequestId | None = None
    previous_hash: HashText = Field(description="The hash of the record before it in the chain.")
    hash: HashText = Field(description="SHA-256 of the canonical JSON of this spec without this field.")


class DeploymentRecord(Kind):
    """One line of the history: a change of one Deployment. Immutable; written by the operator alone."""

    plural = names.RECORDS
    singular = "deploymentrecord"
    short_name = "drec"
    description = __doc__ or ""
    name_schema: ClassVar[dict[str, Any]] = {"type": "string", "maxLength": 45}
    rules: ClassVar[list[dict[str, str]]] = [
        {"rule": "self.spec == oldSelf.spec", "message": "a record is immutable"},
        {
            "rule": "self.metadata.name.matches("
            "'^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}-[0-9]{8}$')",
            "message": "must be <uid of the Deployment>-<sequence, 8 digits>",
            "fieldPath": ".metadata.name",
        },
    ]
    columns: ClassVar[list[dict[str, Any]]] = [
        {"name": "Environment", "type": "string", "jsonPath": ".spec.environment"},
        {"name": "App", "type": "string", "jsonPath": ".spec.app"},
        {"name": "Action", "type": "string", "jsonPath": ".spec.action"},
        {"name": "Release", "type": "string", "jsonPath": ".spec.release"},
        {"name": "Previous", "type": "string", "jsonPath": ".spec.previousRelease"},
        {"name": "By", "type": "string", "jsonPath": ".spec.by"},
        {"name": "When", "type": "date", "jsonPath": ".spec.at"},
        {"name": "Sequence", "type": "integer", "jsonPath": ".spec.sequence", "priority": 1},
        {"name": "Reason", "type": "string", "jsonPath": ".spec.reason", "priority": 1},
    ]
    selectable: ClassVar[list[str]] = [".spec.environment", ".spec.app", ".spec.action"]
    has_status = False

    spec: DeploymentRecordSpec


KINDS: Final[tuple[type[Kind], ...]] = (Environment, EnvironmentLock, Deployment, DeploymentRecord)
