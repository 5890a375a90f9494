"""Bodies, query parameters and answers of the REST API, as pydantic models.

Requests are checked by them, and the document of the API is generated from all of them. Answers are built by
`translate`; a test holds them against these models.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from moorage_crds import clock

# Control characters, line and paragraph separators, and marks that turn the direction of text.
_UNSEEN = r"\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_UNSEEN_BUT_LINES = r"\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069"
LINE = f"^[^{_UNSEEN}]*$"
TEXT = f"^[^{_UNSEEN_BUT_LINES}]*$"

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=LINE, description="What people call it.")]
Description = Annotated[str, Field(max_length=1024, pattern=TEXT, description="May hold line feeds and tabs.")]
NoteText = Annotated[str, Field(max_length=512, pattern=LINE, description="Why; shown in the history.")]
LockText = Annotated[
    str, Field(min_length=1, max_length=512, pattern=LINE, description="Shown to everybody whose change is refused.")
]
Slug = Annotated[
    str, Field(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description="A DNS label.")
]
App = Annotated[str, Field(min_length=1, max_length=63, pattern="^[A-Za-z0-9]([-_A-Za-z0-9]*[A-Za-z0-9])?$")]
Release = Annotated[str, Field(min_length=1, max_length=128, pattern="^[A-Za-z0-9][-+_.:@/A-Za-z0-9]*$")]
LineId = Annotated[
    str,
    Field(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}-[0-9]{8}$",
        max_length=45,
        description="A `deployment_id` from the history.",
    ),
]

_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def _moment(text: str) -> str:
    if _RFC3339.fullmatch(text) is None:
        message = "must be a time of RFC 3339 with a zone, such as 2026-01-31T12:00:00Z"
        raise ValueError(message)
    shorter = re.sub(r"\.(\d{6})(\d+)", _microseconds, text).upper()
    try:
        clock.from_rfc3339(shorter)
    except OverflowError:
        message = "must be a time of the years 1 to 9999 in UTC"
        raise ValueError(message) from None
    return shorter


def _microseconds(found: re.Match[str]) -> str:
    """Python takes six decimals. What counts for whole seconds is only whether there is any fraction."""
    return ".000001" if not int(found[1]) and int(found[2]) else f".{found[1]}"


Moment = Annotated[
    str,
    Field(min_length=20, max_length=40, json_schema_extra={"format": "date-time"}),
    AfterValidator(_moment),
]


def moment(text: str) -> datetime:
    """The datetime (UTC) of a checked `Moment`."""
    return clock.from_rfc3339(text)


def whole_second(moment: datetime) -> str:
    """A moment (UTC) without its fraction, as lines have it; four digits for every year, so that texts sort."""
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


class Body(BaseModel):
    """A request body: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """Query parameters: nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reply(BaseModel):
    """An answer, for the document and the tests."""

    model_config = ConfigDict(extra="forbid")


# --- requests --------------------------------------------------------------------------------------------------------


class EnvironmentCreate(Body):
    """A new environment."""

    name: Name
    slug: Slug
    description: Description | None = None


class EnvironmentUpdate(Body):
    """Any subset of the fields; absent or null means unchanged.

    What a GET answered may be sent back whole: what cannot be changed must be equal to what is there, and what moves by
    itself is ignored.
    """

    name: Name | None = None
    description: Description | None = None
    environment_id: str | None = Field(default=None, description="Read-only.")
    workspace_id: str | None = Field(default=None, description="Read-only.")
    org_id: str | None = Field(default=None, description="Read-only.")
    slug: str | None = Field(default=None, description="Read-only.")
    is_default: bool | None = Field(default=None, description="Read-only.")
    status: str | None = Field(default=None, description="Read-only.")
    created_by: str | None = Field(default=None, description="Read-only.")
    created_at: str | None = Field(default=None, description="Read-only.")
    active_deployments: Any = Field(default=None, description="Ignored.")
    updated_at: Any = Field(default=None, description="Ignored.")
    lock: Any = Field(default=None, description="Ignored.")
    managed_by: Any = Field(default=None, description="Ignored.")


#: Fields of `EnvironmentUpdate` that must equal what is there.
READ_ONLY = ("environment_id", "workspace_id", "org_id", "slug", "is_default", "status", "created_by", "created_at")


class DeployRequest(Body):
    """Which release of which app."""

    app_id: App
    release_id: Release
    reason: NoteText | None = None
    expected_release_id: Release | None = Field(default=None, description="Refuse if another release is active.")


class RollbackRequest(Body):
    """Where to go back to; without both: the last different release."""

    to_deployment_id: LineId | None = None
    release_id: Release | None = None
    reason: NoteText | None = None
    expected_release_id: Release | None = Field(default=None, description="Refuse if another release is active.")

    @model_validator(mode="after")
    def _one_target(self) -> "RollbackRequest":
        if self.to_deployment_id is not None and self.release_id is not None:
            message = "give to_deployment_id or release_id, not both"
            raise ValueError(message)
        return self


class LockRequest(Body):
    """Why nobody may change a release here."""

    reason: LockText


# --- query parameters ------------------------------------------------------------------------------------------------

Cursor = Annotated[str, Field(min_length=1, max_length=512, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Field(ge=1, le=200)]
DryRun = Annotated[bool, Field(description="Ask the API server what it would say; nothing is stored.")]
Override = Annotated[bool, Field(description="Change it although a GitOps tool declares it.")]


class NoQuery(Query):
    """No parameters."""


class ListQuery(Query):
    """Pages of environments; without `limit` all of them, up to 1,000."""

    limit: Limit | None = None
    cursor: Cursor | None = None


class EnvironmentQuery(Query):
    """Which moment to show."""

    at: Moment | None = Field(default=None, description="Show `active_deployments` as they were then.")


class CreateQuery(Query):
    """How to create."""

    dry_run: DryRun = False


class WriteQuery(Query):
    """How to write."""

    dry_run: DryRun = False
    override_ownership: Override = False


class UndeployQuery(WriteQuery):
    """What else belongs to an undeploy, which has no body."""

    reason: NoteText | None = None
    expected_release_id: Release | None = Field(default=None, description="Refuse if another release is active.")


class HistoryQuery(Query):
    """Which part of the history."""

    limit: Limit = 50
    cursor: Cursor | None = None
    app_id: App | None = None
    action: Literal["deploy", "undeploy", "rollback", "adopt"] | None = None
    since: Moment | None = Field(default=None, description="Lines of that time or later.")
    until: Moment | None = Field(default=None, description="Lines of that time or earlier.")


# --- answers ---------------------------------------------------------------------------------------------------------


class LockState(Reply):
    """Who locked an environment, when and why."""

    reason: str
    locked_by: str
    locked_at: str


class EnvironmentReply(Reply):
    """One environment."""

    environment_id: str
    workspace_id: str
    org_id: str
    name: str
    slug: str
    description: str
    is_default: bool
    active_deployments: dict[str, str] = Field(description="App id → release id.")
    status: Literal["active"]
    created_by: str
    created_at: str
    updated_at: str
    lock: LockState | None
    managed_by: str | None = Field(description="The field manager that declares the environment.")


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


class RolledBack(Reply):
    """The release is active again."""

    message: Literal["Release rolled back successfully"]
    deployment_id: str
    environment_id: str
    app_id: str
    release_id: str


class Undeployed(Reply):
    """No release is active any more."""

    message: Literal["App undeployed from environment"]
    deployment_id: str


class HistoryLine(Reply):
    """One change."""

    deployment_id: str
    environment_id: str
    app_id: str
    release_id: str
    previous_release_id: str | None
    action: Literal["deploy", "undeploy", "rollback", "adopt"]
    deployed_by: str
    deployed_at: str
    reason: str | None
    sequence: int
    recorded: bool = Field(description="False until the operator has recorded it.")


class HistoryPage(Reply):
    """A page of the history, newest first."""

    deployments: list[HistoryLine]
    total: int
    has_more: bool
    next_cursor: str | None


class ErrorReply(Reply):
    """Every error but 422."""

    error: str
    message: str
    details: dict[str, Any]
    timestamp: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}$")
    status_code: int


class Problem(Reply):
    """One entry of a 422."""

    loc: list[str | int]
    msg: str
    type: str
    input: Any
    ctx: dict[str, Any]


class ValidationReply(Reply):
    """What is wrong with the request."""

    detail: list[Problem]


class HealthReply(Reply):
    """State of the process."""

    status: str


class VersionReply(Reply):
    """Which program answers."""

    name: str
    version: str
    api: str
