"""Settings of the operator: `MOORAGE_*` variables and flags."""

from datetime import timedelta

from pydantic import Field

from moorage_crds.settings import ClusterSettings, ProcessSettings


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
        default=50, ge=16, le=1_000_000, description="at least so many of the newest records of each binding are kept"
    )
    retention_days: int = Field(
        default=90, ge=1, le=36_500, description="every record younger than so many days is kept"
    )
    retention_per_second: int = Field(
        default=20, ge=1, le=1_000, description="at most so many records are removed in a second"
    )

    @property
    def retention_age(self) -> timedelta:
        """The age below which every record is kept."""
        return timedelta(days=self.retention_days)


class CommandSettings(ClusterSettings):
    """What `verify`, `export` and `preflight` need to reach a cluster."""
