"""The ports of the loops besides the store: one counts, one tells whether this replica acts."""

from collections.abc import Callable
from typing import Protocol

from moorage_crds.kinds.deployment import Change

#: A factor between 0.5 and 1, so that retries of many objects do not move together.
Jitter = Callable[[], float]


class Measures(Protocol):
    """Counts what happens; knows nothing of where the figures go."""

    def recorded(self, environment: str, change: Change, *, exists: bool, lag_seconds: float) -> None:
        """A change has its record, so long after it was made. `exists`: there is an Environment of that name."""
        ...

    def found(self, finding: str, count: int = 1) -> None:
        """A sweep found something."""
        ...

    def removed(self, why: str) -> None:
        """Retention has removed a record, because of its age or because there were too many."""
        ...

    def policy(self, name: str, *, in_force: bool) -> None:
        """An admission policy and its binding are there, or not."""
        ...

    def event(self, outcome: str, lag_seconds: float | None) -> None:
        """An event was sent, or not; `lag_seconds`: how long after what it tells, if it was taken."""
        ...


class Leadership(Protocol):
    """Says whether this replica acts at once."""

    @property
    def acts(self) -> bool:
        """This replica holds the Lease, or there is no Lease to hold."""
        ...
