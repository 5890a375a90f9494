"""The binding of one app to one environment: its view, its change log, and what of it is not recorded yet.

Everything here is pure. The change log is written by the API server (policy `deployments-changelog.moorage.dev`);
`due_changes` is the one place that reads it, used by the recorder (which makes records of it) and by the facade
(which shows it before it is recorded), so that both always mean the same changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from moorage_crds import names, patterns
from moorage_crds.admission import Policy, PolicyRefusal
from moorage_crds.identifiers import BindingName
from moorage_crds.kinds.change_log import ChangeLog, ChangeNote, KeptHistory, LastChange, RecordedSequence
from moorage_crds.kinds.kind import READ, WRITE, AccountRights, Kind, Role
from moorage_crds.kinds.parts import App, Conditions, Generation, Part, Slug, UidText
from moorage_crds.kinds.protection import AppEvidence
from moorage_crds.kinds.rollout import Outcomes, Rollout
from moorage_crds.objects import RawObject, metadata, version_of
from moorage_crds.patterns import whole


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
    release: Annotated[str, Field(max_length=128, pattern=whole(f"({patterns.RELEASE})?"))] | None = Field(
        default=None, description="The release that is deployed; absent or empty: none."
    )
    change: ChangeNote | None = None


class DeploymentStatus(Part):
    """What the operator observed and recorded."""

    observed_generation: Generation | None = Field(default=None, description="The generation this status is about.")
    recorded_sequence: RecordedSequence | None = Field(default=None, description="The newest change that has a record.")
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
    rollout: Rollout | None = None
    outcomes: Outcomes | None = None
    evidence: AppEvidence | None = None
    conditions: Conditions | None = None


class DeploymentModel(Part):
    """The place of one app in one environment: which release is there. Its name is `<environment>.<app>`."""

    spec: DeploymentSpec
    change_log: ChangeLog | None = None
    status: DeploymentStatus | None = None


REASON_DELETED: Final = "the Deployment was deleted"
"""Reason in the record of a bare delete, which admission cannot stamp."""


class Action(StrEnum):
    """What a change did."""

    DEPLOY = "deploy"
    UNDEPLOY = "undeploy"
    ROLLBACK = "rollback"
    ADOPT = "adopt"
    """The release was changed while no policy watched: by whom and when exactly is not known."""
    IMPORT = "import"
    """An import claims it of the time before; no API server saw it. Never in a change log."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What an import claims about a change, in place of a stamp.

    Attributes:
        at: when, RFC 3339 to the second.
        source: where that was read.
        by: by whom; None if the source does not say.
    """

    at: str
    source: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One accepted change of the release of a binding: a line of the history, recorded or not.

    Attributes:
        sequence: its number in the chain of the binding, from 1, without gaps.
        previous: the release that was active before; None if there was none.
        release: the release that is active after it; None after an undeploy.
        by: the user whom the API server authenticated; None if unknown.
        at: when the API server accepted it, RFC 3339 to the second; None if it left no time.
        override: the gates that the writer overrode.
        claim: of an imported change, instead of `by` and `at`.
    """

    sequence: int
    action: Action
    previous: str | None
    release: str | None
    by: str | None = None
    at: str | None = None
    reason: str | None = None
    request_id: str | None = None
    override: tuple[str, ...] = ()
    claim: Claim | None = None

    @property
    def moment(self) -> str | None:
        """When it was made, as its stamp says, or else its claim."""
        return self.claim.at if self.claim is not None else self.at


@dataclass(frozen=True, slots=True)
class Deployment:
    """View of a stored Deployment.

    Attributes:
        release: the wanted release; None if not deployed.
        log: the entries of `changeLog`, oldest first.
        logged: `changeLog.sequence`, 0 without a log.
        recorded: `status.recordedSequence`, 0 without a status.
        recorded_release: the release after the last recorded change (`status.release`).
        status: the raw status, to compare with a wanted one.
        note_request_id: `spec.change.requestId`.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    environment: str
    app: str
    release: str | None
    log: tuple[Change, ...]
    logged: int
    recorded: int
    recorded_release: str | None
    environment_uid: str | None
    created_at: str
    deleting: bool
    status: Mapping[str, Any]


def from_object(raw: RawObject) -> Deployment:
    """Read a Deployment as the API server sent it (so schema and CEL hold)."""
    meta = metadata(raw)
    spec: Mapping[str, Any] = raw.get("spec") or {}
    log: Mapping[str, Any] = raw.get("changeLog") or {}
    status: Mapping[str, Any] = raw.get("status") or {}
    return Deployment(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=version_of(raw),
        generation=meta.get("generation", 0),
        environment=spec["environment"],
        app=spec["app"],
        release=spec.get("release") or None,
        log=tuple(_change(entry) for entry in log.get("entries", ())),
        logged=log.get("sequence", 0),
        recorded=status.get("recordedSequence", 0),
        recorded_release=status.get("release") or None,
        environment_uid=status.get("environmentUid") or None,
        created_at=meta["creationTimestamp"],
        deleting="deletionTimestamp" in meta,
        status=status,
    )


def active_of(raw: RawObject) -> tuple[str, str, str] | None:
    """Environment, app and release; None if it is not deployed. A small part of what `from_object` reads."""
    spec: Mapping[str, Any] = raw.get("spec") or {}
    return (spec["environment"], spec["app"], spec["release"]) if spec.get("release") else None


def _change(entry: Mapping[str, Any]) -> Change:
    return Change(
        sequence=entry["sequence"],
        action=Action(entry["action"]),
        previous=entry.get("from") or None,
        release=entry.get("to") or None,
        by=entry.get("by") or None,
        at=entry.get("at") or None,
        reason=entry.get("reason") or None,
        request_id=entry.get("requestId") or None,
        override=tuple(entry.get("override") or ()),
    )


def due_changes(
    deployment: Deployment, *, recorded: int | None = None, recorded_release: str | None = None
) -> tuple[Change, ...]:
    """The changes of a binding that have no record yet, oldest first.

    Stamped entries come from the log. A release that neither log nor records know of was set while no policy
    watched: it is one `adopt`, numbered after both, exactly as the policy itself numbers it at the next stamped change.

    Args:
        deployment: the newest known state.
        recorded: the last sequence that has a record; default: what the status says. The recorder knows more than the
            status, which is written later.
        recorded_release: the release after that record; only looked at when `recorded` is given.
    """
    if recorded is None or recorded < deployment.recorded:
        recorded, recorded_release = deployment.recorded, deployment.recorded_release
    stamped = tuple(entry for entry in deployment.log if entry.sequence > recorded)
    known = recorded_release
    if recorded <= deployment.logged:
        known = deployment.log[-1].release if deployment.log else None
    if deployment.release == known:
        return stamped
    adopted = Change(
        sequence=max(deployment.logged, recorded) + 1,
        action=Action.ADOPT,
        previous=known,
        release=deployment.release,
    )
    return (*stamped, adopted)


def deletion_change(*, last_sequence: int, release: str | None) -> Change | None:
    """The undeploy that a bare delete of a Deployment is; None if nothing was deployed.

    Args:
        last_sequence: the last sequence of the chain, recorded or logged.
        release: the release that was active when the object went.
    """
    if release is None:
        return None
    return Change(
        sequence=last_sequence + 1,
        action=Action.UNDEPLOY,
        previous=release,
        release=None,
        reason=REASON_DELETED,
    )


KIND: Final = Kind(
    plural=names.DEPLOYMENTS,
    kind="Deployment",
    short_names=("mdep",),
    identifier=BindingName,
    model=DeploymentModel,
    read=from_object,
    name_schema={"type": "string", "maxLength": 127},
    rules=[
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
    ],
    columns=[
        {"name": "Environment", "type": "string", "jsonPath": ".spec.environment"},
        {"name": "App", "type": "string", "jsonPath": ".spec.app"},
        {"name": "Release", "type": "string", "jsonPath": ".spec.release"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Rollout", "type": "string", "jsonPath": ".status.rollout.phase"},
        # From the stamp, which stands in the object from the write on: the status comes later, and would show the new
        # release beside the user of the one before.
        {"name": "Changed By", "type": "string", "jsonPath": ".changeLog.entries[-1:].by"},
        {"name": "Changed", "type": "date", "jsonPath": ".changeLog.entries[-1:].at"},
        {"name": "Why", "type": "string", "jsonPath": ".changeLog.entries[-1:].reason", "priority": 1},
        {"name": "Previous", "type": "string", "jsonPath": ".changeLog.entries[-1:].from", "priority": 1},
        {"name": "Changes", "type": "integer", "jsonPath": ".changeLog.sequence", "priority": 1},
        {"name": "Recorded", "type": "integer", "jsonPath": ".status.recordedSequence", "priority": 1},
        {
            "name": "State",
            "type": "string",
            "jsonPath": '.status.conditions[?(@.type=="Ready")].reason',
            "priority": 1,
        },
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "priority": 1},
    ],
    selectable=[".spec.environment", ".spec.app"],
    rest_word="deployment",
    operator=AccountRights(
        (*READ, "patch", "delete"),
        status=("patch",),
        why="patch and delete: bindings of an Environment that was deleted",
    ),
    facade=AccountRights(READ, why="get: what changed between the cache and a write is read again"),
    callers=WRITE,
    users={
        Role.EDIT: (*WRITE, "update"),
        **dict.fromkeys((Role.DEPLOYER, Role.RELEASE_MANAGER), ("create", "patch", "update")),
    },
    policies=(
        Policy(
            names.POLICY_CHANGE_LOG,
            "changes have no user and no true time; HistoryComplete becomes False",
            mutating=True,
        ),
        Policy(
            names.POLICY_STAMPS,
            "another policy or webhook can change releases without a stamp, or the stamp",
            checks_mutation=True,
        ),
        Policy(
            names.POLICY_NOTES,
            "nobody is warned that a reason is left out of the history because it is the one of an earlier change",
        ),
        Policy(
            names.POLICY_DEPLOYMENT_DELETES,
            "a Deployment can be deleted before its last changes are recorded",
            PolicyRefusal(reason="Busy", retryable=True, message="The last changes are not recorded yet; try again"),
        ),
        Policy(
            names.POLICY_LIFECYCLE,
            "changes of a Deployment that is being deleted are lost, and what is deleted later can cross a lock",
            PolicyRefusal(reason="BeingDeleted"),
        ),
        Policy(names.POLICY_OVERRIDES, "everybody who may deploy can override every gate but locks"),
        Policy("statuses.moorage.dev", "everybody who may write statuses can make changes count as recorded"),
    ),
)
