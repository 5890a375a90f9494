"""Bodies of Freezes: what is asked for and what is answered. Field for field the kind, in the words of REST."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from moorage_api.contract import errors
from moorage_api.contract.replies import Reply
from moorage_api.contract.schemas import App, Body, LockText, Slug
from moorage_crds.kinds.freeze import CLOCK, CLOCK_TO_MIDNIGHT, DAY_OF_YEAR, MAX_NAMED, MAX_WINDOWS, ZONE
from moorage_crds.kinds.parts import Instant

Clock = Annotated[str, Field(max_length=5, pattern=CLOCK, description="HH:MM, local time.")]
Ending = Annotated[str, Field(max_length=5, pattern=CLOCK_TO_MIDNIGHT, description="HH:MM, up to 24:00.")]
DayOfYear = Annotated[str, Field(max_length=5, pattern=DAY_OF_YEAR, description="MM-DD.")]
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class _Span(Body):
    """From one moment to another; the end is not part of it."""

    model_config = ConfigDict(populate_by_name=True)


class Window(_Span):
    """From one moment to another; the end is not part of it."""

    begins: Instant = Field(alias="from")
    until: Instant


class WeeklyWindow(_Span):
    """Some hours on some days of each week; `until` not after `from` means on the next day."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)]
    begins: Clock = Field(alias="from")
    until: Ending


class YearlyWindow(_Span):
    """Some days of each year; `until` before `from` means in the next year."""

    begins: DayOfYear = Field(alias="from")
    until: DayOfYear


class FreezeRequest(Body):
    """What the Freeze shall say; what is absent or null it does not say any more.

    What a GET answered may be sent back whole: what cannot be changed is ignored, but `name` must be that of the path.
    """

    reason: LockText
    mode: Literal["Closed", "OpenOnly"] = Field(
        default="Closed", description="Closed: no changes inside the listed times. OpenOnly: only inside them."
    )
    environments: Annotated[list[Slug], Field(min_length=1, max_length=MAX_NAMED)] | None = None
    apps: Annotated[list[App], Field(min_length=1, max_length=MAX_NAMED)] | None = None
    windows: Annotated[list[Window], Field(min_length=1, max_length=MAX_WINDOWS)] | None = None
    weekly: Annotated[list[WeeklyWindow], Field(min_length=1, max_length=MAX_WINDOWS)] | None = None
    yearly: Annotated[list[YearlyWindow], Field(min_length=1, max_length=MAX_WINDOWS)] | None = None
    time_zone: Annotated[str, Field(min_length=1, max_length=64, pattern=ZONE)] = Field(
        default="UTC", description="IANA name of the zone in which `weekly` and `yearly` are meant."
    )
    allow_rollback: bool = False
    enforcement: Literal["Deny", "Warn"] = Field(default="Deny", description="Warn: changes pass with a warning.")
    name: str | None = Field(default=None, description="Read-only.")
    workspace_id: Any = Field(default=None, description="Ignored.")
    org_id: Any = Field(default=None, description="Ignored.")
    created_by: Any = Field(default=None, description="Ignored.")
    created_at: Any = Field(default=None, description="Ignored.")
    updated_by: Any = Field(default=None, description="Ignored.")
    updated_at: Any = Field(default=None, description="Ignored.")
    managed_by: Any = Field(default=None, description="Ignored.")
    deleting: Any = Field(default=None, description="Ignored.")
    closed: Any = Field(default=None, description="Ignored.")
    next_open: Any = Field(default=None, description="Ignored.")
    next_close: Any = Field(default=None, description="Ignored.")

    def require_name(self, name: str) -> None:
        """Raises ApiError 422 if the body names another Freeze than the path."""
        if self.name is not None and self.name != name:
            raise errors.invalid(["body", "name"], "name is read-only", kind="read_only", value=self.name)

    def to_spec(self) -> dict[str, Any]:
        """The spec of the kind; None where nothing is said."""
        said = self.model_dump(by_alias=True)
        return {
            **{field: said[field] for field in ("reason", "mode", "environments", "apps")},
            **{field: said[field] for field in ("windows", "weekly", "yearly")},
            "timeZone": self.time_zone,
            "allowRollback": self.allow_rollback,
            "enforcement": self.enforcement,
        }


class WindowReply(Reply):
    """From one moment to another."""

    begins: str = Field(alias="from")
    until: str


class WeeklyReply(WindowReply):
    """Some hours on some days of each week."""

    days: list[Day]


class FreezeReply(Reply):
    """One Freeze."""

    name: str
    workspace_id: str
    org_id: str
    reason: str
    mode: Literal["Closed", "OpenOnly"]
    environments: list[str] | None = Field(description="The environments it is about; null: all.")
    apps: list[str] | None = Field(description="The apps it is about; null: all.")
    windows: list[WindowReply] | None
    weekly: list[WeeklyReply] | None
    yearly: list[WindowReply] | None
    time_zone: str
    allow_rollback: bool
    enforcement: Literal["Deny", "Warn"]
    created_by: str
    created_at: str
    updated_by: str
    updated_at: str
    managed_by: str | None = Field(description="The field manager that declares it.")
    deleting: bool = Field(description="It is being deleted, and holds until the last of its finalizers is removed.")
    closed: bool = Field(description="Whether its times forbid changes now.")
    next_open: str | None = Field(description="While it is closed: when it opens.")
    next_close: str | None = Field(description="While it is open: when it closes.")


class FreezeList(Reply):
    """All Freezes of a workspace, by name."""

    total: int
    freezes: list[FreezeReply]


class FreezeSaved(Reply):
    """The Freeze as it is now."""

    message: Literal["Freeze saved successfully"]
    freeze: FreezeReply


class FreezeDeleted(Reply):
    """It is gone."""

    message: Literal["Freeze deleted successfully"]
