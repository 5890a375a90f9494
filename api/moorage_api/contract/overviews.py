"""Answers about the caller and about whole workspaces, as pydantic models."""

from typing import Literal

from pydantic import Field

from moorage_api.contract.replies import LineReply, LockState, Reply


class Me(Reply):
    """Who is asking, and what they may do."""

    username: str
    groups: list[str]
    token_expires_at: str | None = Field(description="Null if the token does not say.")
    workspace: str | None = Field(description="Where they may do it; null: in the whole cluster.")
    permissions: dict[str, bool] = Field(
        description="`required_permission` → whether the caller has all rights of every operation that names it."
    )
    operations: dict[str, bool] = Field(
        description="Operation id → whether the caller has all rights that it always needs."
    )


class WorkspaceEntry(Reply):
    """One workspace."""

    org_id: str
    workspace_id: str
    environments: int = Field(description="How many environments it has.")
    created_at: str
    deleting: bool


class WorkspaceList(Reply):
    """A page of workspaces in which the caller may list environments, by organisation and name."""

    workspaces: list[WorkspaceEntry]
    has_more: bool
    next_cursor: str | None


class WorkspaceHistoryLine(LineReply):
    """One change in one of the environments of a workspace."""

    environment_id: str | None = Field(description="Null if that environment is gone.")
    environment: str = Field(description="Its slug.")


class WorkspaceHistoryPage(Reply):
    """A page of the history of a workspace, newest first. It may hold fewer lines than `limit` and yet have a next."""

    deployments: list[WorkspaceHistoryLine]
    has_more: bool
    next_cursor: str | None


class DistanceReply(Reply):
    """How an app's release in one environment stands to its release in another."""

    relation: Literal["same", "behind", "ahead", "different", "missing", "only_here"] = Field(
        description="`behind`: the release was active in the other environment, which has moved on; `ahead`: the other "
        "way round; `different`: neither has had the release of the other within its newest 200 lines."
    )
    changes: int | None = Field(description="By how many changes it is behind or ahead.")
    since: str | None = Field(description="Time of the first of these changes.")


class Cell(Reply):
    """An app in an environment. All but `distance` is null where it never was and its predecessor has a release."""

    release_id: str | None = Field(description="Null if it was taken out.")
    since: str | None
    by: str | None
    deployment_id: str | None
    action: Literal["deploy", "undeploy", "rollback", "adopt"] | None
    recorded: bool | None
    phase: str | None = Field(description="Of the rollout of this release; null where nothing follows it.")
    distance: DistanceReply | None = Field(description="To the environment before; null without one.")


class ClosedFreeze(Reply):
    """A Freeze that is closed now."""

    gate: str
    reason: str
    apps: list[str] | None = Field(description="Null: all apps.")
    enforcement: Literal["Deny", "Warn"]
    allow_rollback: bool
    opens_at: str | None = Field(description="Null if no moment is in sight.")


class ProtectionReply(Reply):
    """What an environment asks of a release before it may enter."""

    from_: str | None = Field(alias="from", description="Slug of the environment where it has to have run; null: none.")
    soak: str | None = Field(description="How long, such as 2h.")
    require: Literal["Deployed", "Healthy"] | None
    required_approvals: int = Field(description="How many people have to say yes; 0: nobody.")
    valid_for: str | None = Field(description="How long a yes counts; null: until the app changes.")
    enforcement: Literal["Deny", "Warn"]


class ColumnReply(Reply):
    """An environment as a column of the matrix."""

    environment_id: str
    slug: str
    name: str
    is_default: bool
    deleting: bool
    before: str | None = Field(description="Slug of the environment from which releases come.")
    lock: LockState | None
    protection: ProtectionReply | None = Field(description="Null: nothing.")
    closed: list[ClosedFreeze] | None


class MatrixColumn(ColumnReply):
    """A column of the matrix with its cells."""

    cells: dict[str, Cell] | None = Field(description="App id → what is there.")


class MatrixReply(Reply):
    """All apps in all environments of a workspace."""

    org_id: str
    workspace_id: str
    apps: list[str] | None
    hidden: list[Literal["cells", "distance", "lock", "closed"]] = Field(
        description="Fields that are null because the caller may not see them: `cells` and `apps` need `list "
        "deployments`, `distance` needs `list deploymentrecords`, `lock` needs `get environmentlocks`, `closed` needs "
        "`list freezes`."
    )
    environments: list[MatrixColumn]


class ComparedSide(Reply):
    """One side of a comparison."""

    environment_id: str
    slug: str
    name: str
    at: str | None = Field(description="Null: now.")


class ComparedState(Reply):
    """What was active."""

    release_id: str
    since: str
    by: str
    deployment_id: str


class ComparedApp(Reply):
    """One app on both sides."""

    app_id: str
    from_: ComparedState | None = Field(alias="from")
    to: ComparedState | None
    distance: DistanceReply = Field(description="How `to` stands to `from`.")


class Comparison(Reply):
    """Two environments side by side, or one at two moments."""

    from_: ComparedSide = Field(alias="from")
    to: ComparedSide
    apps: list[ComparedApp] = Field(description="Every app with a release on one side or both, by id.")
    same: int
    different: int


class Spread(Reply):
    """How long something took."""

    median_seconds: int
    p90_seconds: int = Field(description="Nine in ten took no longer.")
    count: int = Field(description="Of how many that is known.")


class DeliveryNumbers(Reply):
    """The numbers of delivery. What is not known is null, and `unknown` says why."""

    deployments: int = Field(description="Changes that brought a release, without rollbacks.")
    rollbacks: int
    undeploys: int
    failures: int = Field(description="Deployments whose rollout failed, or that were rolled back.")
    deployments_per_day: float
    days_with_deployments: int
    lead_time: Spread | None = Field(
        description="From when a release first came to another environment of the workspace to its deployment here."
    )
    time_to_healthy: Spread | None = Field(description="From a deployment to when it was healthy first.")
    change_failure_rate: float | None = Field(description="Share of deployments that failed.")
    time_to_restore: Spread | None = Field(
        description="From a deployment that failed to the next change that brought a release and did not."
    )
    rework_rate: float | None = Field(description="Share of deployments that were the first one after a failed one.")
    unknown: dict[str, str] = Field(description="Name of a number that is null → why.")


class NumbersStep(Reply):
    """The numbers of one step. What became of a deployment counts in the step in which it was made."""

    since: str
    until: str
    numbers: DeliveryNumbers


class EnvironmentNumbers(Reply):
    """The numbers of one environment."""

    environment: str = Field(description="Its slug.")
    environment_id: str | None = Field(description="Null if it is gone.")
    total: DeliveryNumbers
    apps: dict[str, DeliveryNumbers] | None = Field(
        description="App id → its numbers; null unless one environment was asked for."
    )
    steps: list[NumbersStep] | None = Field(description="Oldest first; null without `step`.")


class NumbersReply(Reply):
    """The numbers of delivery of a workspace, by environment."""

    since: str
    until: str
    environments: list[EnvironmentNumbers]
