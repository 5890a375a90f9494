"""Answers of the REST API, as pydantic models.

The document of the API is generated from them. Answers are built by `translate`; a test holds them against these.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from moorage_api.contract.errors import ConflictReason, UnavailableReason


class Reply(BaseModel):
    """An answer, for the document and the tests."""

    model_config = ConfigDict(extra="forbid")


class LockState(Reply):
    """Who locked an environment, when and why."""

    reason: str
    locked_by: str
    locked_at: str
    locked_by_known: bool = Field(description="False: nobody is known, and `locked_by` is `unknown`.")
    until: str | None = Field(description="When it ends by itself; null: when somebody unlocks.")
    first_locked_by: str = Field(description="Who made the lock; `locked_by` changed it last.")


class UnlockState(Reply):
    """Who ended the last lock of an environment, and when."""

    unlocked_by: str
    unlocked_at: str = Field(description="When; while nobody is known: when an operator heard of it.")
    unlocked_by_known: bool = Field(description="False: nobody is known, and `unlocked_by` is `unknown`.")
    first_locked_by: str = Field(description="Who had made the lock.")


class RolloutState(Reply):
    """What became of a release, as the objects say that follow its binding."""

    phase: Literal["Waiting", "Progressing", "Healthy", "Degraded", "Failed"]
    since: str | None = Field(description="When the phase began; null while the change is not recorded.")
    healthy_at: str | None = Field(description="When the release was healthy first.")
    message: str | None = Field(description="What is in the way.")


class EnvironmentReply(Reply):
    """One environment."""

    environment_id: str
    workspace_id: str
    org_id: str
    name: str
    slug: str
    description: str
    is_default: bool
    active_deployments: dict[str, str] | None = Field(
        description="App id → release id. Null without the right to `list deployments`; `hidden` says so then."
    )
    status: Literal["active"]
    created_by: str
    created_at: str
    updated_at: str
    lock: LockState | None = Field(
        description="Null if it is not locked, or without the right to `get environmentlocks`; `hidden` says so then."
    )
    managed_by: str | None = Field(description="The field manager that declares the environment.")
    deleting: bool = Field(description="It is being deleted, and goes when the last of its finalizers is removed.")
    hidden: list[Literal["active_deployments", "lock", "closed", "next_open", "next_close", "last_unlock"]] = Field(
        description="Fields that are null because the caller may not see them."
    )
    created_by_known: bool = Field(description="False: nobody is known, and `created_by` is `unknown`.")
    rollouts: dict[str, RolloutState] | None = Field(
        description="App id → what became of its release, for apps that something follows. Null where "
        "`active_deployments` is."
    )
    closed: bool | None = Field(
        description="A lock, or a Freeze about all apps, refuses every change now. Null without the rights to "
        "`get environmentlocks` and `list freezes`, as the two below."
    )
    next_open: str | None = Field(description="While it is closed: when it opens by itself; null: nobody knows.")
    next_close: str | None = Field(description="While it is open: when it closes; null: no such moment is in sight.")
    last_unlock: UnlockState | None = Field(
        description="The last unlock that an operator has seen. Null: nobody, or without the right to `get "
        "environmentlocks`; `hidden` says so then."
    )


class GateVerdict(Reply):
    """What one gate says of a change."""

    gate: str = Field(description="Its name: `lock`, `freeze/<name>`, `clusterfreeze/<name>`.")
    allowed: bool
    enforcement: Literal["Deny", "Warn"] = Field(description="Warn: what it does not allow passes with a warning.")
    code: str | None = Field(description="Why it does not allow it: the `details.reason` of a refusal.")
    message: str = Field(description="The same for people; empty if it has nothing against the change.")
    opens_at: str | None = Field(description="From when on it alone lets the change pass; null: nobody knows.")
    details: dict[str, Any]
    override: bool = Field(description="Somebody with the verb `override` on the environment may pass it.")
    overridden: bool = Field(description="It has something against the change, which names it to pass it.")


class GatesReply(Reply):
    """What all gates before an environment say of a change at a moment."""

    environment_id: str
    app_id: str | None
    release_id: str | None
    at: str
    may_override: bool = Field(description="The caller has the right to the verb `override` on the environment.")
    allowed: bool = Field(description="None of them refuses.")
    opens_at: str | None = Field(
        description="While one refuses: the first moment at which the same change passes all; null: nobody knows."
    )
    gates: list[GateVerdict]


class EnvironmentList(Reply):
    """A page of environments, by slug."""

    total: int
    has_more: bool
    next_cursor: str | None
    environments: list[EnvironmentReply]


class EnvironmentCreated(Reply):
    """The new environment."""

    message: Literal["Environment created successfully"]
    environment: EnvironmentReply


class EnvironmentUpdated(Reply):
    """The environment after the change."""

    message: Literal["Environment updated successfully"]
    environment: EnvironmentReply


class EnvironmentDeleted(Reply):
    """It is gone."""

    message: Literal["Environment deleted successfully"]


class EnvironmentLocked(Reply):
    """The environment with its lock."""

    message: Literal["Environment locked"]
    environment: EnvironmentReply


class EnvironmentUnlocked(Reply):
    """The environment without a lock."""

    message: Literal["Environment unlocked"]
    environment: EnvironmentReply


class Deployed(Reply):
    """The release is active."""

    message: Literal["Release deployed successfully"]
    deployment_id: str
    environment_id: str
    app_id: str
    release_id: str
    rollout: RolloutState | None = Field(
        default=None,
        description="With `wait`: what became of the release. Null: nothing follows the app, another change replaced "
        "this one, or `get deployments` is missing.",
    )


class RolledBack(Reply):
    """The release is active again."""

    message: Literal["Release rolled back successfully"]
    deployment_id: str
    environment_id: str
    app_id: str
    release_id: str | None = Field(
        description="Null without `get deployments` and `list deploymentrecords`, unless the request named it."
    )
    rollout: RolloutState | None = Field(
        default=None,
        description="With `wait`: what became of the release. Null: nothing follows the app, another change replaced "
        "this one, or `get deployments` is missing.",
    )
    hidden: list[Literal["release_id"]] = Field(description="Fields that are null because the caller may not see them.")


class AppState(Reply):
    """One app in one environment."""

    environment_id: str
    app_id: str
    release_id: str | None = Field(description="Null: not deployed.")
    line: "HistoryLine | None" = Field(description="The newest line of its history.")
    rollout: RolloutState | None = Field(description="What became of the release; null: nothing follows the app.")


class Undeployed(Reply):
    """No release is active any more."""

    message: Literal["App undeployed from environment"]
    deployment_id: str


class LineReply(Reply):
    """What every line of history has."""

    deployment_id: str
    app_id: str
    release_id: str
    previous_release_id: str | None
    action: Literal["deploy", "undeploy", "rollback", "adopt", "import"]
    deployed_by: str
    deployed_at: str
    reason: str | None
    sequence: int
    recorded: bool = Field(description="False until the operator has recorded it.")
    deployed_by_known: bool = Field(
        description="False: nobody is known, and `deployed_by` is `unknown`, or what an import claims."
    )
    outcome: Literal["healthy", "failed", "superseded"] | None = Field(
        description="How it ended; null: nothing follows the app, it is not decided, or not remembered any more."
    )
    healthy_at: str | None = Field(description="When the release was healthy first.")
    override: list[str] = Field(description="Gates that the change passed although they refused; mostly none.")
    hash: str | None = Field(
        description="SHA-256 of the record, which the next one in the chain names; null until it is recorded."
    )
    removed: bool = Field(
        description="The app was taken out: no release is active after it, and `release_id` is the one that went."
    )
    imported: bool = Field(
        description="An import brought the line along: no API server here saw it, and who and when are claims."
    )
    imported_from: str | None = Field(description="Where the import read it; null: it was not imported.")


class HistoryLine(LineReply):
    """One change."""

    environment_id: str


class HistoryPage(Reply):
    """A page of the history, newest first."""

    deployments: list[HistoryLine]
    total: int = Field(description="All lines of the environment, whatever the filters.")
    matching: int = Field(description="The lines that match the filters, on all pages; without filters `total`.")
    has_more: bool
    next_cursor: str | None


class Failure(Reply):
    """What every error but 422 has."""

    error: str
    message: str = Field(description="For people; it may change.")
    timestamp: str = Field(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}$", description="In UTC, without a zone."
    )
    status_code: int


class ErrorReply(Failure):
    """Every error but 422; those of 409, 412, 429 and 503 say more of their `details`."""

    details: dict[str, Any]


class Details(Reply):
    """What a client may decide on; further details depend on the reason."""

    model_config = ConfigDict(extra="allow")


class ConflictDetails(Details):
    """Why a 409."""

    reason: ConflictReason


class ConflictReply(Failure):
    """409: something is in the way."""

    details: ConflictDetails


class PreconditionDetails(Details):
    """Why a 412."""

    etag: str = Field(description="The present tag.")


class PreconditionReply(Failure):
    """412: the environment has changed since the client read it."""

    details: PreconditionDetails


class RateLimitDetails(Details):
    """Why a 429."""

    retry_after: int = Field(description="Seconds to wait.")


class RateLimitReply(Failure):
    """429: too many requests."""

    details: RateLimitDetails


class UnavailableDetails(Details):
    """Why a 503."""

    reason: UnavailableReason


class UnavailableReply(Failure):
    """503: try again later."""

    details: UnavailableDetails


class InvalidInput(Reply):
    """One entry of a 422."""

    loc: list[str | int]
    msg: str
    type: str
    input: Any
    ctx: dict[str, Any]


class ValidationReply(Reply):
    """What is wrong with the request."""

    detail: list[InvalidInput]


class HealthReply(Reply):
    """State of the process."""

    status: str


class VersionReply(Reply):
    """Which program answers."""

    name: str
    version: str
    api: str
