"""Settings of the commands that people run: `MOORAGE_*` variables and flags."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import Field, field_validator

from moorage_crds.clock import SystemClock
from moorage_crds.identifiers import AppId, EnvironmentSlug
from moorage_crds.process.settings import ClusterSettings, InstallationSettings
from moorage_crds.rights import Process

_AGO: Final = re.compile(r"(\d{1,6})([mhdw])")
_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


class Format(StrEnum):
    """How an export writes records."""

    JSONL = "jsonl"
    CSV = "csv"


class VerifySettings(ClusterSettings):
    """Check the hash chains of the history: of a cluster, or of an export. Exit code 0: whole, 1: broken."""

    file: Path | None = Field(default=None, description="verify this export (JSON Lines) instead of a cluster")
    anchor: Path | None = Field(default=None, description="compare with the tips in this file")
    write_anchor: Path | None = Field(default=None, description="write the tips of all chains to this file")
    retention_days: int = Field(default=90, ge=1, le=36_500, description="anchored records that are older may be gone")
    retention_max_records: int = Field(
        default=10_000, ge=16, le=1_000_000, description="anchored records with this many newer ones may be gone"
    )


class ExportSettings(ClusterSettings):
    """Write the history as JSON Lines or CSV."""

    workspace: str | None = Field(default=None, description="only this workspace: <org>/<workspace>")
    environment: str | None = Field(default=None, description="only this environment (its slug)")
    app: str | None = Field(default=None, description="only this app")
    since: str | None = Field(
        default=None, description="only what was changed or recorded from this time on: 2h (ago), a date, or RFC 3339"
    )
    until: str | None = Field(
        default=None, description="only what was changed or recorded before this time: 2h (ago), a date, or RFC 3339"
    )
    format: Format | None = Field(
        default=None, description="jsonl or csv; without it what the name of the output says, else jsonl"
    )
    output: Path | None = Field(default=None, description="file to write; without it standard output")

    @field_validator("workspace")
    @classmethod
    def _workspace(cls, value: str | None) -> str | None:
        if value is not None and not all(value.partition("/")[::2]):
            message = "must be <org>/<workspace>, such as northwind/storefront"
            raise ValueError(message)
        return value

    @field_validator("environment")
    @classmethod
    def _slug(cls, value: str | None) -> str | None:
        return value if value is None else EnvironmentSlug.parse(value)

    @field_validator("app")
    @classmethod
    def _app(cls, value: str | None) -> str | None:
        return value if value is None else AppId.parse(value)

    @field_validator("since", "until")
    @classmethod
    def _moment(cls, value: str | None) -> str | None:
        to_utc(value)
        return value


def to_utc(value: str | None) -> datetime | None:
    """A date (its beginning in UTC), a time of RFC 3339, or a distance from now, as a moment; None of None.

    Raises:
        ValueError: it is neither.
    """
    if value is None:
        return None
    if found := _AGO.fullmatch(value):
        return SystemClock().now() - int(found[1]) * _UNITS[found[2]]
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        message = "must be a distance (2h), a date (2026-01-31) or a time with zone (2026-01-31T12:00:00Z)"
        raise ValueError(message) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


class PreflightSettings(InstallationSettings):
    """Check whether this cluster has what Moorage needs. Exit code 1: something needed is missing or cannot be seen."""

    process: Process = Field(
        default=Process.OPERATOR,
        description="whose account this is: operator (with CRDs and policies), or api (its rights alone)",
    )
