"""Bodies and query parameters of the REST API, as pydantic models.

Requests are checked by them, and the document of the API is generated from them and from `replies`.
"""

import re
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from moorage_api.contract.parameters import WHOLE, Cursor, Limit
from moorage_crds import moments, names, patterns
from moorage_crds.kinds.parts import GateName, Instant
from moorage_crds.patterns import whole

LINE = whole(patterns.LINE_ECMA)
TEXT = whole(patterns.TEXT_ECMA)

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=LINE, description="What people call it.")]
Description = Annotated[str, Field(max_length=1024, pattern=TEXT, description="May hold line feeds and tabs.")]
NoteText = Annotated[str, Field(max_length=512, pattern=LINE, description="Why; shown in the history.")]
LockText = Annotated[
    str, Field(min_length=1, max_length=512, pattern=LINE, description="Shown to everybody whose change is refused.")
]
Slug = Annotated[str, Field(min_length=1, max_length=63, pattern=whole(patterns.SLUG), description="A DNS label.")]
App = Annotated[
    str, Field(min_length=1, max_length=63, pattern=whole(patterns.APP), description="An app, such as checkout.")
]
Release = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=whole(patterns.RELEASE),
        description="A release, such as checkout-1.4.2.",
    ),
]
LineId = Annotated[
    str,
    Field(
        pattern=whole(patterns.RECORD),
        max_length=45,
        description="A `deployment_id` from the history.",
    ),
]

_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def _moment(text: str, info: ValidationInfo) -> str:
    if _RFC3339.fullmatch(text) is None:
        # In a query a + is a space, unless it is written as %2B.
        hint = "; in a query + is written %2B" if _RFC3339.fullmatch(text.replace(" ", "+")) else ""
        message = f"{info.field_name} must be a time of RFC 3339 with a zone, such as 2026-01-31T12:00:00Z{hint}"
        raise ValueError(message)
    shorter = re.sub(r"\.(\d{6})(\d+)", _microseconds, text).upper()
    try:
        moments.parse(shorter)
    except OverflowError:
        message = f"{info.field_name} must be a time of the years 1 to 9999 in UTC"
        raise ValueError(message) from None
    except ValueError:
        # Python's own words differ from version to version, and name none of these bounds.
        message = (
            f"{info.field_name} must be a time that there is: a day of the calendar, hours up to 23, minutes and "
            "seconds up to 59, and a zone within 23:59 of UTC"
        )
        raise ValueError(message) from None
    return shorter


def _microseconds(found: re.Match[str]) -> str:
    """Python takes six decimals. What counts for whole seconds is only whether there is any fraction."""
    return ".000001" if not int(found[1]) and int(found[2]) else f".{found[1]}"


Moment = Annotated[
    str,
    # The bounds are those of the expression, which says better what is wrong.
    Field(json_schema_extra={"format": "date-time", "minLength": 20, "maxLength": 40}),
    AfterValidator(_moment),
]


def moment(text: str) -> datetime:
    """The datetime (UTC) of a checked `Moment`."""
    return moments.parse(text)


def whole_second(moment: datetime) -> str:
    """A moment (UTC) without its fraction, as lines have it; four digits for every year, so that texts sort."""
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


class Body(BaseModel):
    """A request body: nothing unknown, nothing converted.

    Attributes:
        may_be_absent: no body at all means one without fields.
    """

    may_be_absent: ClassVar[bool] = False

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """Query parameters: nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
    deleting: Any = Field(default=None, description="Ignored.")
    hidden: Any = Field(default=None, description="Ignored.")
    created_by_known: Any = Field(default=None, description="Ignored.")
    rollouts: Any = Field(default=None, description="Ignored.")
    closed: Any = Field(default=None, description="Ignored.")
    next_open: Any = Field(default=None, description="Ignored.")
    next_close: Any = Field(default=None, description="Ignored.")
    last_unlock: Any = Field(default=None, description="Ignored.")


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

    may_be_absent: ClassVar[bool] = True

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
    """Why nobody may change a release here, and until when."""

    reason: LockText
    until: Instant | None = Field(default=None, description="When it ends by itself; null: when somebody unlocks.")


class SessionRequest(Body):
    """Who logs in at the page: a token, or the code of a link that was made with one."""

    token: Annotated[str, Field(min_length=1, max_length=9_000, pattern=r"^[!-~]+$")] | None = None
    code: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[-_A-Za-z0-9]+$")] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "SessionRequest":
        if (self.token is None) == (self.code is None):
            message = "give token or code, and not both"
            raise ValueError(message)
        return self


# --- query parameters ------------------------------------------------------------------------------------------------

DryRun = Annotated[bool, Field(description="Ask the API server what it would say; nothing is stored.")]
Override = Annotated[bool, Field(description="Change it although a GitOps tool declares it.")]

_LABEL_PAIR = rf"{patterns.LABEL_VALUE}/{patterns.LABEL_VALUE}"
WorkspacePath = Annotated[str, Field(min_length=3, max_length=127, pattern=whole(_LABEL_PAIR))]

EnvironmentId = Annotated[str, Field(min_length=1, max_length=63, pattern=whole(patterns.SLUG))]
User = Annotated[str, Field(min_length=1, max_length=1024, pattern=LINE)]
Action = Literal["deploy", "undeploy", "rollback", "adopt", "import"]
_SLUGS = rf"{patterns.SLUG}(,{patterns.SLUG})*"


class LockQuery(Query):
    """How to lock."""

    dry_run: DryRun = False
    override_ownership: Override = False
    take_over: bool = Field(default=False, description="Change a lock that somebody else has set.")


class NoQuery(Query):
    """No parameters."""


class MeQuery(Query):
    """Where to ask what the caller may."""

    workspace: WorkspacePath | None = Field(
        default=None, description="`<org_id>/<workspace_id>`; without it: what the caller may in the whole cluster."
    )


class WorkspacesQuery(Query):
    """Pages of workspaces."""

    limit: Limit = 100
    cursor: Cursor | None = None


class ListQuery(Query):
    """Pages of environments; without `limit` all of them, up to 1,000."""

    limit: Limit | None = None
    cursor: Cursor | None = None


class EnvironmentQuery(Query):
    """Which moment to show."""

    at: Moment | None = Field(
        default=None,
        description="Show `active_deployments` as they were then; needs the right to `list deploymentrecords`.",
    )


class GatesQuery(Query):
    """Of which change, and of which moment."""

    app_id: App | None = Field(default=None, description="Without it: an app that no Freeze names.")
    release_id: Release | None = Field(default=None, description="Without it: a release that was never there.")
    at: Moment | None = Field(
        default=None, description="What the gates of today say of that moment. Without it: of the present one."
    )


class CreateQuery(Query):
    """How to create."""

    dry_run: DryRun = False


class WriteQuery(Query):
    """How to write."""

    dry_run: DryRun = False
    override_ownership: Override = False


class ReleaseQuery(WriteQuery):
    """How to change a release."""

    override: Annotated[list[GateName], Field(max_length=names.MAX_OVERRIDE)] | None = Field(
        default=None,
        description="A gate that the change passes although it refuses, such as freeze/black-friday; repeat it for "
        "more. Needs a reason, and the right to the verb `override` on the environment.",
    )


class WaitingQuery(ReleaseQuery):
    """How to write, and what to wait for."""

    wait: Literal["healthy"] | None = Field(
        default=None,
        description="Answer when the release was healthy once, failed, or was replaced: `rollout` says which.",
    )
    timeout: Annotated[int, Field(ge=1, le=120), WHOLE] = Field(default=60, description="Seconds to wait at most.")


class UndeployQuery(ReleaseQuery):
    """The rest of an undeploy, which has no body."""

    reason: NoteText | None = None
    expected_release_id: Release | None = Field(default=None, description="Refuse if another release is active.")


class Period(Query):
    """Which part of a history, by time."""

    since: Moment | None = Field(default=None, description="Lines of that time or later.")
    until: Moment | None = Field(default=None, description="Lines of that time or earlier.")


class HistoryQuery(Period):
    """Which part of the history."""

    limit: Limit = 50
    cursor: Cursor | None = None
    app_id: App | None = Field(default=None, description="Lines of that app only.")
    action: Action | None = Field(default=None, description="Lines of that kind of change only.")


class WorkspaceHistoryQuery(HistoryQuery):
    """Which part of the history of a workspace."""

    environment_id: EnvironmentId | None = Field(
        default=None, description="Id or slug. A slug finds what earlier environments of that name have left, too."
    )
    user: User | None = Field(default=None, description="Who made the change, exactly as `deployed_by` says it.")
    outcome: Literal["healthy", "failed", "superseded"] | None = Field(
        default=None, description="How the change ended, where the line itself tells it."
    )


class NumbersQuery(Period):
    """Which time, and of what."""

    environment_id: EnvironmentId | None = Field(
        default=None, description="Id or slug; with it, the numbers of each app are told, too."
    )
    app_id: App | None = Field(default=None, description="The numbers of that app only.")
    step: Literal["day", "week"] | None = Field(
        default=None,
        description="Divide the time, into at most 100 steps: the last one ends with it, the first one takes what is "
        "left over.",
    )


class EventsQuery(Query):
    """The place to continue from."""

    last_event_id: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="The same as the header `Last-Event-ID`, which wins."
    )


class MatrixQuery(Query):
    """How environments follow each other."""

    order: Annotated[str, Field(min_length=1, max_length=2048, pattern=whole(_SLUGS))] | None = Field(
        default=None,
        description="Slugs in the order in which releases go through the environments, separated by commas; "
        "without it: as the environments themselves say (`spec.promotion.from`).",
    )

    @property
    def slugs(self) -> list[str]:
        """The order as a list."""
        return self.order.split(",") if self.order is not None else []


class CompareQuery(Query):
    """What to compare with what."""

    from_: EnvironmentId = Field(alias="from", description="Id or slug of an environment.")
    to: EnvironmentId = Field(description="Id or slug of an environment; may be the same.")
    from_at: Moment | None = Field(default=None, description="At that moment instead of now.")
    to_at: Moment | None = Field(default=None, description="At that moment instead of now.")
