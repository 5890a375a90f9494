"""What is sent and answered, as types. Generated from docs/openapi.json by `make generate`. Do not edit."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

ConflictReason = str
UnavailableReason = str


class AppState(TypedDict):
    """One app in one environment."""

    environment_id: str
    app_id: str
    release_id: str | None
    line: HistoryLine | None
    rollout: RolloutState | None


class ApprovalDeleted(TypedDict):
    """It is gone."""

    message: str


class ApprovalGiven(TypedDict):
    """The Approval as it is now."""

    message: str
    approval: ApprovalReply


class ApprovalList(TypedDict):
    """The Approvals of an environment, oldest first, and the releases that may come next, by app."""

    total: int
    required: int
    may_approve: bool
    approvals: list[ApprovalReply]
    candidates: list[Candidate] | None
    candidates_total: int | None
    hidden: list[str]


class ApprovalReply(TypedDict):
    """One person's yes or no."""

    name: str
    environment_id: str
    app_id: str
    release_id: str
    decision: str
    comment: str | None
    decided_by: str
    decided_by_known: bool
    decided_at: str
    counts: bool
    until: str | None
    deleting: bool


class ApprovalRequest(TypedDict):
    """A yes or a no to one release; whose it is, the token says."""

    app_id: str
    release_id: str
    decision: NotRequired[Literal["Approve", "Reject"]]
    comment: NotRequired[str | None]


class Candidate(TypedDict):
    """A release that may come next, and what it lacks when the caller deploys it now."""

    app_id: str
    release_id: str
    present_release_id: str | None
    approved_by: list[str]
    rejected_by: list[str]
    missing: int
    allowed: bool
    opens_at: str | None
    gates: list[GateVerdict]


class Cell(TypedDict):
    """An app in an environment. All but `distance` is null where it never was and its predecessor has a release."""

    release_id: str | None
    since: str | None
    by: str | None
    deployment_id: str | None
    action: str | None
    recorded: bool | None
    phase: str | None
    distance: DistanceReply | None


class ClosedFreeze(TypedDict):
    """A Freeze that is closed now."""

    gate: str
    reason: str
    apps: list[str] | None
    enforcement: str
    allow_rollback: bool
    opens_at: str | None


ComparedApp = TypedDict(
    "ComparedApp",
    {"app_id": "str", "from": "ComparedState | None", "to": "ComparedState | None", "distance": "DistanceReply"},
)
#: One app on both sides.


class ComparedSide(TypedDict):
    """One side of a comparison."""

    environment_id: str
    slug: str
    name: str
    at: str | None


class ComparedState(TypedDict):
    """What was active."""

    release_id: str
    since: str
    by: str
    deployment_id: str


Comparison = TypedDict(
    "Comparison",
    {"from": "ComparedSide", "to": "ComparedSide", "apps": "list[ComparedApp]", "same": "int", "different": "int"},
)
#: Two environments side by side, or one at two moments.


class ConflictDetails(TypedDict):
    """Why a 409."""

    reason: ConflictReason


class ConflictReply(TypedDict):
    """409: something is in the way."""

    error: str
    message: str
    timestamp: str
    status_code: int
    details: ConflictDetails


class DeliveryNumbers(TypedDict):
    """The numbers of delivery. What is not known is null, and `unknown` says why."""

    deployments: int
    rollbacks: int
    undeploys: int
    failures: int
    deployments_per_day: float
    days_with_deployments: int
    lead_time: Spread | None
    time_to_healthy: Spread | None
    change_failure_rate: float | None
    time_to_restore: Spread | None
    rework_rate: float | None
    unknown: dict[str, str]


class DeployRequest(TypedDict):
    """Which release of which app."""

    app_id: str
    release_id: str
    reason: NotRequired[str | None]
    expected_release_id: NotRequired[str | None]


class Deployed(TypedDict):
    """The release is active."""

    message: str
    deployment_id: str
    environment_id: str
    app_id: str
    release_id: str
    rollout: NotRequired[RolloutState | None]


class DistanceReply(TypedDict):
    """How an app's release in one environment stands to its release in another."""

    relation: str
    changes: int | None
    since: str | None


class EnvironmentCreate(TypedDict):
    """A new environment."""

    name: str
    slug: str
    description: NotRequired[str | None]


class EnvironmentCreated(TypedDict):
    """The new environment."""

    message: str
    environment: EnvironmentReply


class EnvironmentDeleted(TypedDict):
    """It is gone."""

    message: str


class EnvironmentList(TypedDict):
    """A page of environments, by slug."""

    total: int
    has_more: bool
    next_cursor: str | None
    environments: list[EnvironmentReply]


class EnvironmentLocked(TypedDict):
    """The environment with its lock."""

    message: str
    environment: EnvironmentReply


class EnvironmentNumbers(TypedDict):
    """The numbers of one environment."""

    environment: str
    environment_id: str | None
    total: DeliveryNumbers
    apps: dict[str, DeliveryNumbers] | None
    steps: list[NumbersStep] | None


class EnvironmentReply(TypedDict):
    """One environment."""

    environment_id: str
    workspace_id: str
    org_id: str
    name: str
    slug: str
    description: str
    is_default: bool
    active_deployments: dict[str, str] | None
    status: str
    created_by: str
    created_at: str
    updated_at: str
    lock: LockState | None
    managed_by: str | None
    deleting: bool
    hidden: list[str]
    created_by_known: bool
    rollouts: dict[str, RolloutState] | None
    closed: bool | None
    next_open: str | None
    next_close: str | None
    last_unlock: UnlockState | None


class EnvironmentUnlocked(TypedDict):
    """The environment without a lock."""

    message: str
    environment: EnvironmentReply


class EnvironmentUpdate(TypedDict):
    """Any subset of the fields; absent or null means unchanged. What a GET answered may be sent back whole: what cannot be changed must be equal to what is there, and what moves by itself is ignored."""

    name: NotRequired[str | None]
    description: NotRequired[str | None]
    environment_id: NotRequired[str | None]
    workspace_id: NotRequired[str | None]
    org_id: NotRequired[str | None]
    slug: NotRequired[str | None]
    is_default: NotRequired[bool | None]
    status: NotRequired[str | None]
    created_by: NotRequired[str | None]
    created_at: NotRequired[str | None]
    active_deployments: NotRequired[Any]
    updated_at: NotRequired[Any]
    lock: NotRequired[Any]
    managed_by: NotRequired[Any]
    deleting: NotRequired[Any]
    hidden: NotRequired[Any]
    created_by_known: NotRequired[Any]
    rollouts: NotRequired[Any]
    closed: NotRequired[Any]
    next_open: NotRequired[Any]
    next_close: NotRequired[Any]
    last_unlock: NotRequired[Any]


class EnvironmentUpdated(TypedDict):
    """The environment after the change."""

    message: str
    environment: EnvironmentReply


class ErrorReply(TypedDict):
    """Every error but 422; those of 409, 412, 429 and 503 say more of their `details`."""

    error: str
    message: str
    timestamp: str
    status_code: int
    details: dict[str, Any]


class FreezeDeleted(TypedDict):
    """It is gone."""

    message: str


class FreezeList(TypedDict):
    """All Freezes of a workspace, by name."""

    total: int
    freezes: list[FreezeReply]


class FreezeReply(TypedDict):
    """One Freeze."""

    name: str
    workspace_id: str
    org_id: str
    reason: str
    mode: str
    environments: list[str] | None
    apps: list[str] | None
    windows: list[WindowReply] | None
    weekly: list[WeeklyReply] | None
    yearly: list[WindowReply] | None
    time_zone: str
    allow_rollback: bool
    enforcement: str
    created_by: str
    created_at: str
    updated_by: str
    updated_at: str
    managed_by: str | None
    deleting: bool
    closed: bool
    next_open: str | None
    next_close: str | None


class FreezeRequest(TypedDict):
    """What the Freeze shall say; what is absent or null it does not say any more. What a GET answered may be sent back whole: what cannot be changed is ignored, but `name` must be that of the path."""

    reason: str
    mode: NotRequired[Literal["Closed", "OpenOnly"]]
    environments: NotRequired[list[str] | None]
    apps: NotRequired[list[str] | None]
    windows: NotRequired[list[Window] | None]
    weekly: NotRequired[list[WeeklyWindow] | None]
    yearly: NotRequired[list[YearlyWindow] | None]
    time_zone: NotRequired[str]
    allow_rollback: NotRequired[bool]
    enforcement: NotRequired[Literal["Deny", "Warn"]]
    name: NotRequired[str | None]
    workspace_id: NotRequired[Any]
    org_id: NotRequired[Any]
    created_by: NotRequired[Any]
    created_at: NotRequired[Any]
    updated_by: NotRequired[Any]
    updated_at: NotRequired[Any]
    managed_by: NotRequired[Any]
    deleting: NotRequired[Any]
    closed: NotRequired[Any]
    next_open: NotRequired[Any]
    next_close: NotRequired[Any]


class FreezeSaved(TypedDict):
    """The Freeze as it is now."""

    message: str
    freeze: FreezeReply


class GateVerdict(TypedDict):
    """What one gate says of a change."""

    gate: str
    allowed: bool
    enforcement: str
    code: str | None
    message: str
    opens_at: str | None
    details: dict[str, Any]
    override: bool
    overridden: bool


class GatesReply(TypedDict):
    """What all gates before an environment say of a change at a moment."""

    environment_id: str
    app_id: str | None
    release_id: str | None
    at: str
    may_override: bool
    allowed: bool
    opens_at: str | None
    gates: list[GateVerdict]


class HealthReply(TypedDict):
    """State of the process."""

    status: str


class HistoryLine(TypedDict):
    """One change."""

    deployment_id: str
    app_id: str
    release_id: str
    previous_release_id: str | None
    action: str
    deployed_by: str
    deployed_at: str
    reason: str | None
    sequence: int
    recorded: bool
    deployed_by_known: bool
    outcome: str | None
    healthy_at: str | None
    override: list[str]
    hash: str | None
    removed: bool
    imported: bool
    imported_from: str | None
    environment_id: str


class HistoryPage(TypedDict):
    """A page of the history, newest first."""

    deployments: list[HistoryLine]
    total: int
    matching: int
    has_more: bool
    next_cursor: str | None


class Input(TypedDict):
    """One active release."""

    org: str
    workspace: str
    namespace: str
    environment: str
    environment_id: str
    app: str
    release: str
    previous_release: str
    deployment_id: str
    sequence: str
    deployed_by: str
    deployed_at: str
    parameters: dict[str, str]
    id: str


class InputsReply(TypedDict):
    """All active releases of the selection, by environment and app."""

    inputs: list[Input]


class InvalidInput(TypedDict):
    """One entry of a 422."""

    loc: list[str | int]
    msg: str
    type: str
    input: Any
    ctx: dict[str, Any]


class LockRequest(TypedDict):
    """Why nobody may change a release here, and until when."""

    reason: str
    until: NotRequired[str | None]


class LockState(TypedDict):
    """Who locked an environment, when and why."""

    reason: str
    locked_by: str
    locked_at: str
    locked_by_known: bool
    until: str | None
    first_locked_by: str


class MatrixColumn(TypedDict):
    """A column of the matrix with its cells."""

    environment_id: str
    slug: str
    name: str
    is_default: bool
    deleting: bool
    before: str | None
    lock: LockState | None
    protection: ProtectionReply | None
    closed: list[ClosedFreeze] | None
    cells: dict[str, Cell] | None


class MatrixReply(TypedDict):
    """All apps in all environments of a workspace."""

    org_id: str
    workspace_id: str
    apps: list[str] | None
    hidden: list[str]
    environments: list[MatrixColumn]


class Me(TypedDict):
    """Who is asking, and what they may do."""

    username: str
    groups: list[str]
    token_expires_at: str | None
    workspace: str | None
    permissions: dict[str, bool]
    operations: dict[str, bool]


class NumbersReply(TypedDict):
    """The numbers of delivery of a workspace, by environment."""

    since: str
    until: str
    environments: list[EnvironmentNumbers]


class NumbersStep(TypedDict):
    """The numbers of one step. What became of a deployment counts in the step in which it was made."""

    since: str
    until: str
    numbers: DeliveryNumbers


class PluginInput(TypedDict):
    """`spec.generators[].plugin.input`."""

    parameters: NotRequired[PluginParameters]


class PluginOutput(TypedDict):
    """All sets."""

    parameters: list[PluginSet]


class PluginParameters(TypedDict):
    """Which releases; each a name or a list of names, and all without it."""

    org: NotRequired[str | list[str] | None]
    workspace: NotRequired[str | list[str] | None]
    environment: NotRequired[str | list[str] | None]
    app: NotRequired[str | list[str] | None]


class PluginReply(TypedDict):
    """What the plugin generator reads."""

    output: PluginOutput


class PluginRequest(TypedDict):
    """What Argo CD asks."""

    input: NotRequired[PluginInput]


class PluginSet(TypedDict):
    """One active release."""

    org: str
    workspace: str
    namespace: str
    environment: str
    environment_id: str
    app: str
    release: str
    previous_release: str
    deployment_id: str
    sequence: str
    deployed_by: str
    deployed_at: str
    parameters: dict[str, str]


class PreconditionDetails(TypedDict):
    """Why a 412."""

    etag: str


class PreconditionReply(TypedDict):
    """412: the environment has changed since the client read it."""

    error: str
    message: str
    timestamp: str
    status_code: int
    details: PreconditionDetails


class PromoteRequest(TypedDict):
    """The app to promote; without one, every app whose release differs."""

    app_id: NotRequired[str | None]
    from_environment_id: NotRequired[str | None]
    reason: NotRequired[str | None]


class Promoted(TypedDict):
    """What became of each app, by name."""

    message: str
    environment_id: str
    from_environment_id: str
    promoted: int
    refused: int
    lines: list[PromotionLine]


class PromotionLine(TypedDict):
    """What became of one app."""

    app_id: str
    release_id: str
    previous_release_id: str | None
    promoted: bool
    deployment_id: str | None
    status_code: int
    message: str
    details: dict[str, Any]


ProtectionReply = TypedDict(
    "ProtectionReply",
    {
        "from": "str | None",
        "soak": "str | None",
        "require": "str | None",
        "required_approvals": "int",
        "valid_for": "str | None",
        "enforcement": "str",
    },
)
#: What an environment asks of a release before it may enter.


class RateLimitDetails(TypedDict):
    """Why a 429."""

    retry_after: int


class RateLimitReply(TypedDict):
    """429: too many requests."""

    error: str
    message: str
    timestamp: str
    status_code: int
    details: RateLimitDetails


class RollbackRequest(TypedDict):
    """Where to go back to; without both: the last different release."""

    to_deployment_id: NotRequired[str | None]
    release_id: NotRequired[str | None]
    reason: NotRequired[str | None]
    expected_release_id: NotRequired[str | None]


class RolledBack(TypedDict):
    """The release is active again."""

    message: str
    deployment_id: str
    environment_id: str
    app_id: str
    release_id: str | None
    rollout: NotRequired[RolloutState | None]
    hidden: list[str]


class RolloutState(TypedDict):
    """What became of a release, as the objects say that follow its binding."""

    phase: str
    since: str | None
    healthy_at: str | None
    message: str | None


class Spread(TypedDict):
    """How long something took."""

    median_seconds: int
    p90_seconds: int
    count: int


class UnavailableDetails(TypedDict):
    """Why a 503."""

    reason: UnavailableReason


class UnavailableReply(TypedDict):
    """503: try again later."""

    error: str
    message: str
    timestamp: str
    status_code: int
    details: UnavailableDetails


class Undeployed(TypedDict):
    """No release is active any more."""

    message: str
    deployment_id: str


class UnlockState(TypedDict):
    """Who ended the last lock of an environment, and when."""

    unlocked_by: str
    unlocked_at: str
    unlocked_by_known: bool
    first_locked_by: str


class ValidationReply(TypedDict):
    """What is wrong with the request."""

    detail: list[InvalidInput]


class VersionReply(TypedDict):
    """Which program answers."""

    name: str
    version: str
    api: str


WeeklyReply = TypedDict("WeeklyReply", {"from": "str", "until": "str", "days": "list[str]"})
#: Some hours on some days of each week.


WeeklyWindow = TypedDict(
    "WeeklyWindow",
    {"days": 'list[Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]]', "from": "str", "until": "str"},
)
#: Some hours on some days of each week; `until` not after `from` means on the next day.


Window = TypedDict("Window", {"from": "str", "until": "str"})
#: From one moment to another; the end is not part of it.


WindowReply = TypedDict("WindowReply", {"from": "str", "until": "str"})
#: From one moment to another.


class WorkspaceEntry(TypedDict):
    """One workspace."""

    org_id: str
    workspace_id: str
    environments: int
    created_at: str
    deleting: bool


class WorkspaceHistoryLine(TypedDict):
    """One change in one of the environments of a workspace."""

    deployment_id: str
    app_id: str
    release_id: str
    previous_release_id: str | None
    action: str
    deployed_by: str
    deployed_at: str
    reason: str | None
    sequence: int
    recorded: bool
    deployed_by_known: bool
    outcome: str | None
    healthy_at: str | None
    override: list[str]
    hash: str | None
    removed: bool
    imported: bool
    imported_from: str | None
    environment_id: str | None
    environment: str


class WorkspaceHistoryPage(TypedDict):
    """A page of the history of a workspace, newest first. It may hold fewer lines than `limit` and yet have a next."""

    deployments: list[WorkspaceHistoryLine]
    has_more: bool
    next_cursor: str | None


class WorkspaceList(TypedDict):
    """A page of workspaces in which the caller may list environments, by organisation and name."""

    workspaces: list[WorkspaceEntry]
    has_more: bool
    next_cursor: str | None


YearlyWindow = TypedDict("YearlyWindow", {"from": "str", "until": "str"})
#: Some days of each year; `until` before `from` means in the next year.
