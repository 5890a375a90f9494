"""What the loops need besides the store: somebody who counts, and somebody who says who acts."""

from collections.abc import Callable
from typing import Protocol

from moorage_crds.deployment import Change
from moorage_crds.objects import RawObject
from moorage_crds.store import Right

#: A factor between 0.5 and 1, so that retries of many objects do not move together.
Jitter = Callable[[], float]


class Measures(Protocol):
    """Counts what happens; knows nothing of where the figures go."""

    def recorded(self, environment: str, change: Change, *, lag_seconds: float) -> None:
        """A change has its record, so long after it was made."""
        ...

    def found(self, finding: str, count: int = 1) -> None:
        """A sweep found something."""
        ...

    def policy(self, name: str, *, in_force: bool) -> None:
        """An admission policy and its binding are there, or not."""
        ...


class ClusterInfo(Protocol):
    """What `moorage preflight` asks of the cluster besides objects."""

    async def server_version(self) -> RawObject:
        """What the API server says of itself."""
        ...

    async def may_i(self, right: Right) -> bool:
        """May this account do that?"""
        ...


class Leadership(Protocol):
    """Says whether this replica acts at once."""

    @property
    def acts(self) -> bool:
        """This replica holds the Lease, or there is no Lease to hold."""
        ...
