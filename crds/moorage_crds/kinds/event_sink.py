"""EventSinks: endpoints that are told of every change of a workspace. Schema, view, what the cluster knows. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from moorage_crds import names, patterns
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.kinds.kind import WRITE, AccountRights, Kind, Role
from moorage_crds.kinds.parts import App, Conditions, Generation, Moment, Part, Provenance, Slug
from moorage_crds.objects import RawObject, mapping, metadata, version_of
from moorage_crds.patterns import whole

#: Everything from that moment on is sent again, RFC 3339; annotation of an EventSink.
ANNOTATION_REPLAY: Final = f"{names.GROUP}/replay-since"
#: Bounds of lists.
MAX_NAMED: Final = 100
MAX_LETTERS: Final = 10
MAX_URL: Final = 2048
#: Bindings whose place a status can hold; 45 bytes each, and an object of etcd has 1.5 MB.
MAX_PLACES: Final = 20_000

#: No user, no fragment: what stands in them is not sent, or is a secret in plain sight.
URL: Final = r"https?://([-A-Za-z0-9.]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?][!\"$-~]*)?"
_DATA_KEY: Final = r"[-._a-zA-Z0-9]+"

EventType = Literal[
    "environment.created",
    "environment.modified",
    "environment.deleted",
    "service.deployed",
    "service.upgraded",
    "service.rolledback",
    "service.removed",
]
Count = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
Names = Annotated[list[Slug], Field(min_length=1, max_length=MAX_NAMED)]


class SecretRef(Part):
    """A key of a Secret in the same Namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=whole(patterns.SUBDOMAIN))]
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=whole(_DATA_KEY))]


class SinkFilters(Part):
    """Which changes are sent; what is absent leaves nothing out."""

    environments: Names | None = Field(default=None, description="The environments it is about; absent: all.")
    apps: Annotated[list[App], Field(min_length=1, max_length=MAX_NAMED)] | None = Field(
        default=None, description="The apps it is about; absent: all. Events of environments pass."
    )
    types: Annotated[list[EventType], Field(min_length=1, max_length=7)] | None = Field(
        default=None, description="The types of events; absent: all."
    )


class EventSinkSpec(Part):
    """Where events go, which, and in which form."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.format != 'cdevents' || has(self.url) && has(self.secretRef)",
                    "message": "cdevents need url and secretRef, whose value signs them",
                },
                {
                    "rule": "self.format != 'slack' || has(self.url) != has(self.secretRef)",
                    "message": "slack needs either url or a secretRef whose value is the url",
                },
            ]
        }
    )

    url: Annotated[str, Field(max_length=MAX_URL, pattern=whole(URL))] | None = Field(
        default=None,
        description="Where events are sent by POST; https, unless the address is one that the chart allows.",
    )
    secret_ref: SecretRef | None = Field(
        default=None,
        description="cdevents: the secret of Standard Webhooks (`whsec_…`), or several with white space between them. "
        "slack: the url.",
    )
    format: Literal["cdevents", "slack"] = Field(
        default="cdevents",
        description="cdevents: CDEvents in CloudEvents. slack: a sentence as Slack's webhooks take it.",
    )
    filters: SinkFilters | None = None


class DeadLetter(Part):
    """An event that will not be sent any more."""

    id: Annotated[str, Field(max_length=128)] = Field(description="Of the event; for a change the record's name.")
    at: Moment = Field(description="When it was given up.")
    reason: Annotated[str, Field(max_length=256)]


class SentEnvironment(Part):
    """An Environment whose events were sent."""

    name: Slug
    generation: Generation


class EventSinkStatus(Part):
    """How far the sink is."""

    observed_generation: Generation | None = Field(default=None, description="The generation this status is about.")
    since: Moment | None = Field(
        default=None,
        description="Changes recorded before are not sent: when the sink was made, or what a replay asked.",
    )
    replayed_since: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="The last replay that was begun, as its annotation says."
    )
    sent: Count | None = Field(default=None, description="Events that the endpoint has taken.")
    pending: Count | None = Field(default=None, description="Bindings and environments of which something is due.")
    last_sent: Moment | None = Field(default=None, description="When the endpoint took one last.")
    dead_letters: Count | None = Field(default=None, description="Events that were given up.")
    latest_dead_letters: Annotated[list[DeadLetter], Field(max_length=MAX_LETTERS)] | None = Field(
        default=None, description="The latest of them."
    )
    filters: SinkFilters | None = Field(
        default=None, description="The filters that hold; what they left out stays out."
    )
    delivered: (
        Annotated[
            dict[str, Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]],
            Field(max_length=MAX_PLACES, json_schema_extra={"x-kubernetes-map-type": "atomic"}),
        ]
        | None
    ) = Field(default=None, description="uid of a Deployment → the newest of its changes that was sent.")
    environments: (
        Annotated[
            dict[str, SentEnvironment],
            Field(max_length=MAX_PLACES, json_schema_extra={"x-kubernetes-map-type": "atomic"}),
        ]
        | None
    ) = Field(default=None, description="uid of an Environment → what was sent of it.")
    conditions: Conditions | None = None


class EventSinkModel(Part):
    """An endpoint that is told of every change of releases and environments in its Namespace."""

    spec: EventSinkSpec
    provenance: Provenance | None = None
    status: EventSinkStatus | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which changes a sink wants; None leaves nothing out."""

    environments: frozenset[str] | None = None
    apps: frozenset[str] | None = None
    types: frozenset[str] | None = None

    def takes(self, environment: str, app: str | None) -> bool:
        """Whether changes there are sent; no app: an event of the environment itself.

        Apps that have one binding are one app, so that no change stays untold by another spelling.
        """
        if self.environments is not None and environment not in self.environments:
            return False
        return app is None or self.apps is None or names.app_place(app) in map(names.app_place, self.apps)

    def takes_type(self, kind: str) -> bool:
        """Whether events of that type are sent."""
        return self.types is None or kind in self.types


@dataclass(frozen=True, slots=True)
class EventSink:
    """An EventSink as it is stored.

    Attributes:
        url: empty: it stands in the Secret.
        secret: name and key of the Secret; None without one.
        format: `cdevents` or `slack`.
        replay: what the annotation asks, as it is written; empty without one.
        status: the raw status.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    created_at: str
    url: str
    secret: tuple[str, str] | None
    format: str
    filters: Chosen
    replay: str
    deleting: bool
    status: Mapping[str, Any]


def chosen(filters: Mapping[str, Any]) -> Chosen:
    """Filters as they are stored."""

    def words(key: str) -> frozenset[str] | None:
        return frozenset(filters[key]) if filters.get(key) else None

    return Chosen(words("environments"), words("apps"), words("types"))


def stored_filters(filters: Chosen) -> dict[str, list[str]]:
    """Filters as a status says them."""
    words = {"environments": filters.environments, "apps": filters.apps, "types": filters.types}
    return {key: sorted(value) for key, value in words.items() if value is not None}


def from_object(raw: RawObject) -> EventSink:
    """Read an EventSink as the API server sent it."""
    meta = metadata(raw)
    spec: Mapping[str, Any] = raw["spec"]
    ref = spec.get("secretRef")
    return EventSink(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=version_of(raw),
        generation=meta.get("generation", 0),
        created_at=meta["creationTimestamp"],
        url=spec.get("url") or "",
        secret=(ref["name"], ref["key"]) if ref else None,
        format=spec.get("format") or "cdevents",
        filters=chosen(mapping(spec.get("filters"))),
        replay=str(mapping(meta.get("annotations")).get(ANNOTATION_REPLAY) or ""),
        deleting="deletionTimestamp" in meta,
        status=mapping(raw.get("status")),
    )


KIND: Final = Kind(
    plural=names.EVENT_SINKS,
    kind="EventSink",
    short_names=("msink",),
    identifier=EnvironmentSlug,
    model=EventSinkModel,
    read=from_object,
    name_schema={"type": "string", "maxLength": 63, "pattern": whole(patterns.SLUG)},
    columns=[
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Reason", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].reason'},
        {"name": "Sent", "type": "integer", "jsonPath": ".status.sent"},
        {"name": "Pending", "type": "integer", "jsonPath": ".status.pending"},
        {"name": "Dead", "type": "integer", "jsonPath": ".status.deadLetters"},
        {"name": "Last", "type": "date", "jsonPath": ".status.lastSent"},
        {"name": "Format", "type": "string", "jsonPath": ".spec.format", "priority": 1},
        {"name": "URL", "type": "string", "jsonPath": ".spec.url", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ],
    operator=AccountRights(("list", "watch"), status=("patch",)),
    users={Role.EDIT: (*WRITE, "update")},
)
