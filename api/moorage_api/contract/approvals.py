"""Bodies of Approvals: what is asked for and what is answered."""

from typing import Literal

from pydantic import Field

from moorage_api.contract.replies import GateVerdict, Reply
from moorage_api.contract.schemas import App, Body, NoteText, Query, Release


class ApprovalRequest(Body):
    """A yes or a no to one release; whose it is, the token says."""

    app_id: App
    release_id: Release
    decision: Literal["Approve", "Reject"] = Field(
        default="Approve", description="Reject: nobody deploys this release there until its author takes it back."
    )
    comment: NoteText | None = Field(default=None, description="Shown to everybody who asks why.")


class ApprovalsQuery(Query):
    """Of which app, and of which release."""

    app_id: App | None = Field(default=None, description="Those for that app only.")
    release_id: Release | None = Field(default=None, description="Those for that release only.")


class ApprovalReply(Reply):
    """One person's yes or no."""

    name: str
    environment_id: str
    app_id: str
    release_id: str
    decision: Literal["Approve", "Reject"]
    comment: str | None
    decided_by: str
    decided_by_known: bool = Field(description="False: nobody is known, and `decided_by` is `unknown`.")
    decided_at: str
    counts: bool = Field(description="A yes counts until the app changes or it ends, a no until it is deleted.")
    until: str | None = Field(description="When a yes ends by itself; null: it does not.")
    deleting: bool = Field(description="It is being deleted, and goes when the last of its finalizers is removed.")


class Candidate(Reply):
    """A release that may come next, and what it lacks when the caller deploys it now."""

    app_id: str
    release_id: str
    present_release_id: str | None = Field(description="The one that is active here.")
    approved_by: list[str] = Field(description="Whose yes counts. Nobody approves a change of their own.")
    rejected_by: list[str]
    missing: int = Field(description="How many people have to say yes yet.")
    allowed: bool = Field(description="Promotion and approvals let it pass; locks and Freezes are not asked.")
    opens_at: str | None = Field(description="The first moment at which they do, if that is only a matter of time.")
    gates: list[GateVerdict] = Field(description="What promotion and approvals say.")


class ApprovalList(Reply):
    """The Approvals of an environment, oldest first, and the releases that may come next, by app."""

    total: int
    required: int = Field(description="How many people have to say yes; 0: the environment does not ask for that.")
    may_approve: bool = Field(description="The caller has the right to the verb `approve` on the environment.")
    approvals: list[ApprovalReply]
    candidates: list[Candidate] | None = Field(
        description="What runs in the environment before and differs here, and what was approved. Null without the "
        "right to `list deployments`; `hidden` says so then. At most 200: ask by `app_id` if there are more."
    )
    candidates_total: int | None = Field(description="How many candidates there are; null with `candidates`.")
    hidden: list[str] = Field(description="The fields that the caller may not see.")


class ApprovalGiven(Reply):
    """The Approval as it is now."""

    message: Literal["Approval saved successfully"]
    approval: ApprovalReply


class ApprovalDeleted(Reply):
    """It is gone."""

    message: Literal["Approval deleted successfully"]
