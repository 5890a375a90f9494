"""A Freeze as a gate: whom it is about, and when it lets a change pass. Pure.

The policies `freezes.yaml` and `clusterfreezes.yaml` decide; a test drives random calendars against both.
"""

from dataclasses import dataclass
from datetime import datetime

from moorage_crds import names
from moorage_crds.gates.calendar import Calendar
from moorage_crds.gates.verdict import AskedChange, Code, Enforcement, Refusal

_NO_TIME = "; the write leaves no time: send spec.change in the same write, and only one in a second"


@dataclass(frozen=True, slots=True)
class Freeze:
    """The part of a Freeze or ClusterFreeze that a gate needs.

    Attributes:
        gate: `freeze/<name>` or `clusterfreeze/<name>`.
        environments: the slugs that it is about; None: all.
        apps: the apps that it is about; None: all.
        allow_rollback: a release that was active here before passes.
    """

    gate: str
    reason: str
    calendar: Calendar
    environments: frozenset[str] | None = None
    apps: frozenset[str] | None = None
    allow_rollback: bool = False
    enforcement: Enforcement = Enforcement.DENY

    @property
    def can_be_overridden(self) -> bool:
        """By naming it."""
        return True

    def is_about(self, environment: str, app: str) -> bool:
        """Whether it is about that app in that environment."""
        if self.environments is not None and environment not in self.environments:
            return False
        return self.apps is None or names.app_place(app) in map(names.app_place, self.apps)

    def concerns(self, change: AskedChange) -> bool:
        """Whether it names the app and the environment, or none."""
        return self.is_about(change.environment, change.app)

    def refusal(self, change: AskedChange, moment: datetime | None) -> Refusal | None:
        """Refuses while its calendar is closed; a write without a time is inside every window."""
        if moment is not None and not self.calendar.is_closed(moment):
            return None
        if self.allow_rollback and change.goes_back:
            return None
        message = f"environment {change.environment} is frozen by {self.gate}: {self.reason}"
        details = {"freeze": self.gate, "freeze_reason": self.reason, "allow_rollback": self.allow_rollback}
        return Refusal(Code.FROZEN, message if moment is not None else message + _NO_TIME, details)

    def turn(self, change: AskedChange, after: datetime, *, refuses: bool) -> datetime | None:
        """As its calendar does, but for the way back."""
        if self.allow_rollback and change.goes_back:
            return None if refuses else after
        return self.calendar.next(after, closed=refuses)
