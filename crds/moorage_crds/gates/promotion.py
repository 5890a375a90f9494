"""Promotion as a gate: a release enters only after it has run in the environment before for long enough. Pure.

What ran where is evidence in the status of the Environment, written by the operator. Evidence that is missing refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moorage_crds.gates.verdict import AskedChange, Code, Enforcement, Refusal, first_turn
from moorage_crds.moments import to_text


@dataclass(frozen=True, slots=True)
class PromotionGate:
    """What an Environment asks of a release of one app, with the evidence about that app.

    Attributes:
        environment: slug of the protected environment.
        origin: slug of the one that comes before.
        soak_text: how long the release has to have been active there, as it was written.
        healthy: whether only healthy time counts.
        is_looked_at: whether the evidence is about this promotion; that about another one counts for nothing.
        proven: release → from when on it may enter.
        known: releases that were active here; they may come back.
    """

    environment: str
    origin: str
    soak_text: str = "0s"
    healthy: bool = False
    is_looked_at: bool = True
    proven: Mapping[str, datetime] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    enforcement: Enforcement = Enforcement.DENY

    @property
    def gate(self) -> str:
        """There is one at most."""
        return "promotion"

    @property
    def can_be_overridden(self) -> bool:
        """By naming it."""
        return True

    def concerns(self, change: AskedChange) -> bool:
        """All apps of its environment."""
        return change.environment == self.environment

    def refusal(self, change: AskedChange, moment: datetime | None) -> Refusal | None:
        """Refuses what has not run before. To take an app out, and the way back, it lets pass."""
        release = change.newcomer(self.known)
        if release is None:
            return None
        eligible = self.proven.get(release)
        if eligible is not None and moment is not None and eligible <= moment:
            return None
        return Refusal(Code.NOT_PROMOTED, self._message(change, eligible, moment), self._details(eligible, moment))

    def turn(self, change: AskedChange, after: datetime, *, refuses: bool) -> datetime | None:
        """It opens when the release has soaked."""
        eligible = self.proven.get(change.release) if change.release is not None else None
        return first_turn(self, change, after, (eligible,) if eligible is not None else (), refuses=refuses)

    def _message(self, change: AskedChange, eligible: datetime | None, moment: datetime | None) -> str:
        """As the policy words it."""
        healthy = ", healthy" if self.healthy else ""
        rule = f"environment {self.environment} takes a release only after {self.soak_text} in {self.origin}{healthy}"
        return f"{rule} (gate promotion): {change.app} {change.release}{self._missing(eligible, moment)}"

    def _missing(self, eligible: datetime | None, moment: datetime | None) -> str:
        if moment is None:
            return " comes without a time: use a field manager of your own"
        if not self.is_looked_at:
            return " cannot be judged yet: the operator has not looked since the rule was changed"
        return " has not run there" if eligible is None else f" may enter at {to_text(eligible)}"

    def _details(self, eligible: datetime | None, moment: datetime | None) -> dict[str, Any]:
        return {
            "from": self.origin,
            "soak": self.soak_text,
            "eligible_at": to_text(eligible) if eligible is not None else None,
            "missing": self._missing(eligible, moment).strip(),
        }
