"""Bodies of promotions: what is asked for and what is answered."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from moorage_api.contract.replies import Reply
from moorage_api.contract.schemas import App, Body, EnvironmentId, NoteText


class PromoteRequest(Body):
    """The app to promote; without one, every app whose release differs."""

    may_be_absent: ClassVar[bool] = True

    app_id: App | None = None
    from_environment_id: EnvironmentId | None = Field(
        default=None, description="Id or slug; without it the environment that `spec.promotion` names."
    )
    reason: NoteText | None = None


class PromotionLine(Reply):
    """What became of one app."""

    app_id: str
    release_id: str = Field(description="The release that is active in the environment before.")
    previous_release_id: str | None = Field(description="The one that was active here.")
    promoted: bool = Field(description="It is active here now; in a dry run: it would be.")
    deployment_id: str | None = Field(description="The line of history; null if it was refused.")
    status_code: int = Field(description="What a deploy of this release answers: 200, or the status of the refusal.")
    message: str = Field(description="Why it was refused; empty if it was not.")
    details: dict[str, Any] = Field(description="As in the refusal of a deploy: `reason`, `gates`, `opens_at`.")


class Promoted(Reply):
    """What became of each app, by name."""

    message: Literal["Promotion finished"]
    environment_id: str
    from_environment_id: str
    promoted: int = Field(description="How many of the lines were not refused.")
    refused: int
    lines: list[PromotionLine]
