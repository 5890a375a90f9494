"""The schemas of a Deployment's changes: the note, the log, the newest change, the kept history."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from moorage_crds import names
from moorage_crds.kinds.parts import (
    MAX_SEQUENCE,
    ActionText,
    HashText,
    Moment,
    Override,
    Part,
    ReasonText,
    Release,
    RequestId,
    Sequence,
    SequenceOrZero,
    UserName,
)

RecordedSequence = Annotated[
    int,
    Field(
        ge=0,
        le=MAX_SEQUENCE,
        json_schema_extra={
            "format": "int64",
            "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "recordedSequence never goes back"}],
        },
    ),
]


class ChangeNote(Part):
    """A note on the change of the release made in the same write.

    Each part counts only in a write that changes it, so an old reason never sticks to a new change.
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
    complete_for: RequestId | None = Field(
        default=None,
        description="The requestId of the write that wrote this note as a whole: its reason and action count even "
        "where they are what they were. Without it each part counts only where it changed.",
    )
    override: Override | None = Field(
        default=None,
        description="The gates that this change passes although they refuse, such as freeze/black-friday, promotion or "
        "approvals. Needs a reason in the same note and the right to the verb override on the Environment.",
    )


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
    override: Override | None = Field(default=None, description="The gates that the writer overrode.")


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
    override: Override | None = Field(default=None, description="The gates that the writer overrode.")


class KeptHistory(Part):
    """Where the kept chain of records begins and ends, so that retention does not look like truncation."""

    floor_sequence: Sequence = Field(description="The sequence of the oldest kept record.")
    floor_hash: HashText = Field(description="What the oldest kept record names as its predecessor.")
    tip_hash: HashText = Field(description="The hash of the newest record.")
    last_adopted: SequenceOrZero | None = Field(default=None, description="The newest change that no policy watched.")
