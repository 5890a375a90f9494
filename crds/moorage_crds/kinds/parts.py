"""Parts that the schemas of several kinds share.

Every string has a pattern or a format and a maximum, every list a maximum: the API server needs the bounds for the
cost of CEL rules, and people need them for everything else.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from moorage_crds import names, patterns
from moorage_crds.conditions import MAX_MESSAGE
from moorage_crds.patterns import whole

MAX_SEQUENCE: Final = 10**names.SEQUENCE_DIGITS - 1

Slug = Annotated[str, Field(max_length=63, pattern=whole(patterns.SLUG))]
App = Annotated[str, Field(max_length=63, pattern=whole(patterns.APP))]
Release = Annotated[str, Field(max_length=128, pattern=whole(patterns.RELEASE))]
ReasonText = Annotated[str, Field(max_length=512, pattern=whole(patterns.LINE))]
RequestId = Annotated[str, Field(max_length=64, pattern=r"^[!-~]*$")]
GateName = Annotated[str, Field(max_length=80, pattern=whole(f"({patterns.GATE})"))]
Override = Annotated[list[GateName], Field(max_length=names.MAX_OVERRIDE)]
UserName = Annotated[str, Field(max_length=1024)]
#: A user as a file names them, whom nobody has authenticated.
ClaimedUser = Annotated[str, Field(min_length=1, max_length=1024, pattern=whole(patterns.LINE))]
SourceText = Annotated[str, Field(min_length=1, max_length=256, pattern=whole(patterns.LINE))]
UidText = Annotated[str, Field(max_length=36, pattern=whole(patterns.UID))]
HashText = Annotated[str, Field(max_length=64, pattern=whole(patterns.HASH))]
Moment = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Sequence = Annotated[int, Field(ge=1, le=MAX_SEQUENCE, json_schema_extra={"format": "int64"})]
SequenceOrZero = Annotated[int, Field(ge=0, le=MAX_SEQUENCE, json_schema_extra={"format": "int64"})]
Generation = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
ActionText = Literal["deploy", "undeploy", "rollback", "adopt"]
RecordActionText = Literal["deploy", "undeploy", "rollback", "adopt", "import"]


#: RFC 3339 in upper case and whole seconds: what the API server, CEL's `timestamp()` and Python all read alike;
#: years in which no offset leaves what Python's calendar has (0001 to 9999).
_INSTANT: Final = r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](Z|[-+]([01][0-9]|2[0-3]):[0-5][0-9])"
Instant = Annotated[str, Field(max_length=25, pattern=whole(_INSTANT), json_schema_extra={"format": "date-time"})]


class Part(BaseModel):
    """Base of all schemas: camelCase outside, unknown fields refused.

    Validators are built when one is used: most commands use none.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", defer_build=True)


class StatusCondition(Part):
    """One observation, as in Kubernetes' own kinds."""

    type: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z]+$")]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z]+$")]
    message: Annotated[str, Field(max_length=MAX_MESSAGE)]
    observed_generation: Generation = 0
    last_transition_time: Moment


Conditions = Annotated[
    list[StatusCondition],
    Field(
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        description="Ready and what explains it; docs/spec lists every type and reason.",
    ),
]


class Provenance(Part):
    """Who made the object and who changed its spec last.

    Written by the API server's admission policy; whatever a client sends is ignored.
    """

    created_by: UserName | None = Field(default=None, description="The user of the request that created the object.")
    updated_by: UserName | None = Field(default=None, description="The user of the last change of the spec.")
    updated_at: Moment | None = Field(default=None, description="When the spec changed last, to the second.")
