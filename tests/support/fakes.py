"""Stand-ins for the small ports of the operator: a leadership, counters."""

from collections import Counter
from dataclasses import dataclass, field

from moorage_crds.kinds.deployment import Change


@dataclass
class FixedLeadership:
    """Says what it was told to say."""

    acts: bool = True


@dataclass
class CountedMeasures:
    """Remembers what was counted."""

    changes: list[tuple[str, Change]] = field(default_factory=list)
    findings: Counter[str] = field(default_factory=Counter)
    policies: dict[str, bool] = field(default_factory=dict)
    removals: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)

    def recorded(self, environment: str, change: Change, *, exists: bool, lag_seconds: float) -> None:
        self.changes.append((environment, change))

    def found(self, finding: str, count: int = 1) -> None:
        self.findings[str(finding)] += count

    def removed(self, why: str) -> None:
        self.removals[str(why)] += 1

    def event(self, outcome: str, lag_seconds: float | None) -> None:
        self.events[outcome] += 1

    def policy(self, name: str, *, in_force: bool) -> None:
        self.policies[name] = in_force
