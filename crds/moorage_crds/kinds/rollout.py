"""The schemas of a Deployment's status about the rollout of its releases."""

from typing import Annotated, Final, Literal

from pydantic import Field

from moorage_crds.conditions import MAX_MESSAGE
from moorage_crds.kinds.parts import Moment, Part, Sequence

#: Replaced changes that a status remembers.
MAX_OUTCOMES: Final = 16

Count = Annotated[int, Field(ge=0, json_schema_extra={"format": "int32"})]


class Rollout(Part):
    """What became of the present release; absent where nothing follows the binding."""

    sequence: Sequence = Field(description="The change that put the release there.")
    phase: Literal["Waiting", "Progressing", "Healthy", "Degraded", "Failed"]
    since: Moment = Field(description="When the phase began.")
    healthy_since: Moment | None = Field(default=None, description="When the release was healthy first.")
    targets: Count = Field(description="How many objects follow the binding.")
    ready: Count = Field(description="How many of them are healthy with this release.")
    message: Annotated[str, Field(max_length=MAX_MESSAGE)] | None = Field(
        default=None, description="What is in the way, at the target that is least far."
    )


class Outcome(Part):
    """How a change ended that another one replaced."""

    sequence: Sequence
    outcome: Literal["healthy", "failed", "superseded"]
    healthy_at: Moment | None = None


Outcomes = Annotated[
    list[Outcome],
    Field(
        max_length=MAX_OUTCOMES,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["sequence"]},
        description="How the latest changes ended that another one replaced, oldest first.",
    ),
]
