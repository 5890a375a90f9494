"""A lock as a gate: nobody changes a release until somebody unlocks, or until it ends by itself. Pure.

The policy `deployments-locks.yaml` decides; nobody can override a lock.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moorage_crds.gates.verdict import AskedChange, Code, Enforcement, Refusal, first_turn
from moorage_crds.moments import to_text


@dataclass(frozen=True, slots=True)
class Lock:
    """The part of an EnvironmentLock that a gate needs.

    Attributes:
        environment: the slug of what it locks.
        locked_by: user of its last change; None if nobody is known.
        until: the first moment at which it does not lock any more; None: until somebody unlocks.
    """

    environment: str
    reason: str
    locked_by: str | None = None
    until: datetime | None = None

    @property
    def gate(self) -> str:
        """There is one lock at most."""
        return "lock"

    @property
    def enforcement(self) -> Enforcement:
        """A lock never only warns."""
        return Enforcement.DENY

    @property
    def can_be_overridden(self) -> bool:
        """A user who has to pass unlocks."""
        return False

    def concerns(self, change: AskedChange) -> bool:
        """All apps of its environment."""
        return change.environment == self.environment

    def refusal(self, change: AskedChange, moment: datetime | None) -> Refusal | None:
        """Refuses every change, the way back too."""
        if moment is not None and self.until is not None and self.until <= moment:
            return None
        by = f" by {' '.join(self.locked_by.splitlines())}" if self.locked_by else ""
        until = f" until {to_text(self.until)}" if self.until is not None else ""
        details: dict[str, Any] = {"lock_reason": self.reason, "locked_by": self.locked_by}
        if self.until is not None:
            details["until"] = to_text(self.until)
        return Refusal(Code.LOCKED, f"environment {change.environment} is locked{by}{until}: {self.reason}", details)

    def turn(self, change: AskedChange, after: datetime, *, refuses: bool) -> datetime | None:
        """It opens at its end, and never closes again."""
        ends = (self.until,) if self.until is not None else ()
        return first_turn(self, change, after, ends, refuses=refuses)
