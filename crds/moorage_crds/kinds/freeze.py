"""Freezes: by the calendar, no release changes. Schema, view, and what the cluster knows of the kind. Pure.

Policies alone enforce a Freeze (`freezes.yaml`): nothing has to be computed, and it holds while every operator is dead.
ClusterFreeze (`cluster_freeze`) is the same for all workspaces, or for some.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field

from moorage_crds import names, patterns
from moorage_crds.admission import Policy, PolicyRefusal
from moorage_crds.gates.calendar import Absolute, Calendar, Mode, Weekly, Yearly
from moorage_crds.gates.freezes import Freeze
from moorage_crds.gates.verdict import Enforcement
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.kinds.kind import READ, WRITE, AccountRights, Kind, Role
from moorage_crds.kinds.parts import App, Instant, Part, Provenance, Slug
from moorage_crds.objects import RawObject, metadata
from moorage_crds.patterns import whole

#: Bounds of the lists, for the cost of one evaluation in the API server.
MAX_WINDOWS: Final = 50
MAX_NAMED: Final = 100

_CLOCK: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]"
#: Patterns of the parts of a window, and of the name of a zone.
CLOCK: Final = whole(_CLOCK)
CLOCK_TO_MIDNIGHT: Final = rf"^({_CLOCK}|24:00)$"
DAY_OF_YEAR: Final = whole(r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
ZONE: Final = r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"


def _rule(rule: str, message: str, field: str) -> dict[str, Any]:
    return {"x-kubernetes-validations": [{"rule": rule, "message": message, "fieldPath": field}]}


#: CEL knows the zones that the API server knows: Go's own data, whatever the image. `Local` is Go's word for the zone
#: of the machine that it runs on, and no zone that others know.
_ZONE_RULE: Final = {
    "x-kubernetes-validations": [
        {
            "rule": "self != 'Local' && timestamp('2026-01-01T00:00:00Z').getHours(self) >= 0",
            "message": "must be a time zone of the IANA database, such as Europe/Berlin",
        }
    ]
}


class Window(Part):
    """From one moment to another; the end is not part of it."""

    model_config = ConfigDict(
        json_schema_extra=_rule("timestamp(self.from) < timestamp(self.until)", "must be after from", ".until")
    )

    begins: Instant = Field(alias="from", description="The first moment, RFC 3339.")
    until: Instant = Field(description="The first moment after it, RFC 3339.")


class WeeklyWindow(Part):
    """Some hours on some days of each week, in the time zone of the Freeze."""

    model_config = ConfigDict(
        json_schema_extra=_rule(
            "self.from != self.until", "must differ from `from` (a whole day is 00:00 to 24:00)", ".until"
        )
    )

    days: Annotated[
        list[Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]],
        Field(min_length=1, max_length=7, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = Field(description="The days on which it begins.")
    begins: Annotated[str, Field(max_length=5, pattern=CLOCK)] = Field(alias="from", description="HH:MM, local time.")
    until: Annotated[str, Field(max_length=5, pattern=CLOCK_TO_MIDNIGHT)] = Field(
        description="HH:MM up to 24:00; not after `from` means on the next day."
    )


class YearlyWindow(Part):
    """Some days of each year, in the time zone of the Freeze."""

    model_config = ConfigDict(json_schema_extra=_rule("self.from != self.until", "must differ from `from`", ".until"))

    begins: Annotated[str, Field(max_length=5, pattern=DAY_OF_YEAR)] = Field(
        alias="from", description="MM-DD, the first day."
    )
    until: Annotated[str, Field(max_length=5, pattern=DAY_OF_YEAR)] = Field(
        description="MM-DD, the first day after it; before `from` means in the next year."
    )


class FreezeSpec(Part):
    """When no release changes, where, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.windows) || has(self.weekly) || has(self.yearly)",
                    "message": "give at least one of windows, weekly and yearly",
                }
            ]
        }
    )

    reason: Annotated[str, Field(min_length=1, max_length=512, pattern=whole(patterns.LINE))] = Field(
        description="Shown to everybody whose change is refused."
    )
    mode: Literal["Closed", "OpenOnly"] = Field(
        default="Closed",
        description="Closed: no changes inside the listed times. OpenOnly: changes only inside the listed times.",
    )
    environments: Annotated[list[Slug], Field(min_length=1, max_length=MAX_NAMED)] | None = Field(
        default=None, description="The environments it is about; absent: all."
    )
    apps: Annotated[list[App], Field(min_length=1, max_length=MAX_NAMED)] | None = Field(
        default=None, description="The apps it is about; absent: all."
    )
    windows: Annotated[list[Window], Field(min_length=1, max_length=MAX_WINDOWS)] | None = Field(
        default=None, description="Times from one moment to another."
    )
    weekly: Annotated[list[WeeklyWindow], Field(min_length=1, max_length=MAX_WINDOWS)] | None = Field(
        default=None, description="Hours of the week, in timeZone."
    )
    yearly: Annotated[list[YearlyWindow], Field(min_length=1, max_length=MAX_WINDOWS)] | None = Field(
        default=None, description="Days of the year, in timeZone."
    )
    time_zone: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            pattern=ZONE,
            json_schema_extra=_ZONE_RULE,
        ),
    ] = Field(default="UTC", description="IANA name of the zone in which weekly and yearly are meant.")
    allow_rollback: bool = Field(
        default=False, description="Let releases pass that the binding's own log shows to have been active here."
    )
    enforcement: Literal["Deny", "Warn"] = Field(
        default="Deny", description="Warn: changes pass with a warning and a line in the audit log."
    )


class FreezeModel(Part):
    """Refuses release changes by the calendar, by every door: in its windows, or outside of them."""

    spec: FreezeSpec
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class StoredFreeze:
    """A Freeze or ClusterFreeze as it is stored.

    Attributes:
        gate: what decides about changes.
        spec: as it was written, to show it.
        provenance: who made and who changed it, where a policy stamped it.
        workspaces: `<org>/<workspace>` that it is about; None: all that it can be about.
    """

    gate: Freeze
    spec: Mapping[str, Any]
    provenance: Mapping[str, Any]
    workspaces: frozenset[str] | None = None

    def is_about(self, org: str, workspace: str) -> bool:
        """Whether it is about that workspace; a Freeze is about the one it lies in."""
        return self.workspaces is None or f"{org}/{workspace}" in self.workspaces


def from_object(raw: RawObject) -> StoredFreeze:
    """Read a Freeze as the API server sent it."""
    return stored(raw, prefix="freeze")


def stored(raw: RawObject, *, prefix: str) -> StoredFreeze:
    """Read a Freeze or ClusterFreeze.

    Args:
        raw: as the API server sent it.
        prefix: `freeze` or `clusterfreeze`, the first word of its name among the gates.
    """
    spec: Mapping[str, Any] = raw["spec"]
    return StoredFreeze(
        gate=_gate(spec, f"{prefix}/{metadata(raw)['name']}"),
        spec=spec,
        provenance=raw.get("provenance") or {},
        workspaces=_names(spec.get("workspaces")),
    )


def _gate(spec: Mapping[str, Any], gate: str) -> Freeze:
    return Freeze(
        gate=gate,
        reason=spec["reason"],
        calendar=_calendar(spec),
        environments=_names(spec.get("environments")),
        apps=_names(spec.get("apps")),
        allow_rollback=bool(spec.get("allowRollback")),
        enforcement=Enforcement(spec.get("enforcement") or "Deny"),
    )


def _names(given: list[str] | None) -> frozenset[str] | None:
    return None if given is None else frozenset(given)


def _calendar(spec: Mapping[str, Any]) -> Calendar:
    return Calendar(
        mode=Mode(spec.get("mode") or "Closed"),
        absolute=tuple(Absolute(_instant(one["from"]), _instant(one["until"])) for one in spec.get("windows") or ()),
        weekly=tuple(
            Weekly(frozenset(one["days"]), _minutes(one["from"]), _minutes(one["until"]))
            for one in spec.get("weekly") or ()
        ),
        yearly=tuple(Yearly(_day(one["from"]), _day(one["until"])) for one in spec.get("yearly") or ()),
        zone=ZoneInfo(spec.get("timeZone") or "UTC"),
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _day(text: str) -> int:
    return int(text[:2]) * 100 + int(text[3:])


#: The refusal of every policy that looks for a Freeze.
FROZEN: Final = PolicyRefusal(reason="EnvironmentFrozen")

COLUMNS: Final = (
    {"name": "Mode", "type": "string", "jsonPath": ".spec.mode"},
    {"name": "Time Zone", "type": "string", "jsonPath": ".spec.timeZone"},
    {"name": "Reason", "type": "string", "jsonPath": ".spec.reason"},
    {"name": "Enforcement", "type": "string", "jsonPath": ".spec.enforcement"},
    {"name": "Environments", "type": "string", "jsonPath": ".spec.environments", "priority": 1},
    {"name": "Apps", "type": "string", "jsonPath": ".spec.apps", "priority": 1},
    {"name": "Changed By", "type": "string", "jsonPath": ".provenance.updatedBy"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
)

KIND: Final = Kind(
    plural=names.FREEZES,
    kind="Freeze",
    short_names=("mfrz",),
    identifier=EnvironmentSlug,
    model=FreezeModel,
    read=from_object,
    name_schema={"type": "string", "maxLength": 63, "pattern": whole(patterns.SLUG)},
    columns=COLUMNS,
    rest_word="freeze",
    operator=AccountRights(("list", "watch")),
    facade=AccountRights(READ, why="get: what changed between the cache and a write is read again"),
    callers=WRITE,
    users=dict.fromkeys((Role.EDIT, Role.RELEASE_MANAGER), (*WRITE, "update")),
    policies=(
        Policy(
            "freezes.moorage.dev", "Freezes of a workspace do not hold back changes of releases", FROZEN, observed=True
        ),
    ),
)
