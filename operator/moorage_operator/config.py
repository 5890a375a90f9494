"""Settings of the operator: `MOORAGE_*` variables and flags."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from moorage_crds.kinds.refresh import REFRESH_RESOURCES
from moorage_crds.kinds.target import TARGET_RESOURCES
from moorage_crds.process.settings import ProcessSettings


class OperatorSettings(ProcessSettings):
    """Record the history of every Deployment, keep statuses true, sweep, keep retention."""

    lease_enabled: bool = Field(
        default=True,
        description="take part in the Lease by which replicas avoid double work; without it this replica always acts",
    )
    sweep_interval_seconds: int = Field(
        default=300, ge=10, le=86_400, description="seconds between two comparisons with a full list"
    )
    retention_records: int = Field(
        default=50, ge=16, le=1_000_000, description="how many of the newest records of each binding are always kept"
    )
    retention_days: int = Field(default=90, ge=1, le=36_500, description="age in days up to which every record is kept")
    retention_max_records: int = Field(
        default=10_000,
        ge=16,
        le=1_000_000,
        description="of more records than this the oldest of a binding go, however young; at least retention-records",
    )
    retention_per_second: int = Field(
        default=20, ge=1, le=1_000, description="the most records that are removed in a second"
    )
    approvals_kept_hours: int = Field(
        default=24,
        ge=0,
        le=876_000,
        description="hours after it was given at which an Approval is removed that was used up or has ended",
    )

    delivery_kinds: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        max_length=len(TARGET_RESOURCES),
        description="kinds whose objects may follow bindings, as <plural>.<group>, separated by commas; its account "
        "needs list and watch for each",
    )

    delivery_writes: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        max_length=len(TARGET_RESOURCES),
        description="those of the delivery-kinds into which releases are brought; its account needs patch for each",
    )

    kubernetes_events: bool = Field(
        default=True, description="tell of changes and failed rollouts by Events of Kubernetes on the binding"
    )
    delivery_refreshes: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        max_length=len(REFRESH_RESOURCES),
        description="kinds whose tools are told of new releases where an object asks for it, separated by commas; its "
        "account needs list, watch and patch for each",
    )

    events_enabled: bool = Field(default=False, description="send events to the endpoints that EventSinks name")
    events_allowed_cidrs: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        max_length=64,
        description="networks beside the public ones that events may be sent to, also without TLS, separated by commas",
    )

    @field_validator("delivery_kinds", "delivery_writes", "delivery_refreshes", "events_allowed_cidrs", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("delivery_kinds", "delivery_refreshes")
    @classmethod
    def _known(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = TARGET_RESOURCES if info.field_name == "delivery_kinds" else REFRESH_RESOURCES
        for name in value:
            if name not in known:
                message = f"{name} is none of {', '.join(known)}"
                raise ValueError(message)
        return tuple(dict.fromkeys(value))

    @field_validator("events_allowed_cidrs")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                ip_network(text)
            except ValueError as error:
                message = f"{text} is not a network such as 10.0.0.0/8: {error}"
                raise ValueError(message) from error
        return value

    @field_validator("delivery_writes")
    @classmethod
    def _followed(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for name in value:
            if name not in info.data.get("delivery_kinds", ()):
                message = f"{name} must be one of the delivery-kinds, too"
                raise ValueError(message)
        return value

    @field_validator("retention_max_records")
    @classmethod
    def _keeps_what_always_stays(cls, value: int, info: ValidationInfo) -> int:
        least = info.data.get("retention_records", 0)
        if value < least:
            message = (
                f"must be at least retention-records ({least}), because that many records of each binding always stay"
            )
            raise ValueError(message)
        return value

    @property
    def approvals_kept(self) -> timedelta:
        """How long an Approval is kept at least."""
        return timedelta(hours=self.approvals_kept_hours)

    @property
    def retention_age(self) -> timedelta:
        """The age below which every record is kept."""
        return timedelta(days=self.retention_days)
