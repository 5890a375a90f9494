"""The numbers of delivery (DORA) of a time, out of lines of history and how they ended. Pure.

A deployment is a line that brings a release and is not a rollback.
It failed if its rollout did, or if the next line of its chain is a rollback.
A failure is restored by the next line of the chain that has a release and did not fail.
The first deployment after a failure is rework.
What cannot be known is None, and says why.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

from moorage_crds.kinds.deployment import Action

#: Why a number is not known.
NOTHING_DEPLOYED: Final = "nothing was deployed in this time"
NO_EARLIER_PLACE: Final = "no release of these deployments was in another environment of the workspace before"
NO_OUTCOME: Final = (
    "no outcome of these deployments is known: nothing follows the bindings, or 16 later changes have replaced it"
)
NOTHING_FAILED: Final = "nothing failed in this time"
NOT_RESTORED: Final = "what failed in this time was not restored in it"

_SECONDS_OF_A_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of history, as the numbers need it.

    Attributes:
        chain: uid of the Deployment.
        failed: its rollout failed.
        healthy_at: when it was first healthy; None if unknown.
    """

    chain: str
    sequence: int
    environment: str
    app: str
    action: Action
    release: str | None
    at: datetime
    failed: bool = False
    healthy_at: datetime | None = None

    @property
    def is_deployment(self) -> bool:
        """Whether it brought a release."""
        return self.release is not None and self.action in {Action.DEPLOY, Action.ADOPT}


@dataclass(slots=True)
class Tally:
    """What was counted of some bindings."""

    deployments: int = 0
    rollbacks: int = 0
    undeploys: int = 0
    failures: int = 0
    rework: int = 0
    days: set[int] = field(default_factory=set)
    lead: list[float] = field(default_factory=list)
    healthy: list[float] = field(default_factory=list)
    restore: list[float] = field(default_factory=list)


Key = tuple[str, str]
"""Environment and app."""


@dataclass(slots=True)
class _Parts:
    """What was counted of one binding, by the part of the time in which it was deployed.

    Attributes:
        starts: the first moments of the parts, oldest first.
    """

    starts: Sequence[datetime]
    tallies: dict[int, Tally]

    def at(self, moment: datetime) -> Tally | None:
        """Where what happened at a moment is counted; None: before the time began."""
        part = bisect_right(self.starts, moment) - 1
        return self.tallies.setdefault(part, Tally()) if part >= 0 else None


def starts_of(since: datetime, until: datetime, step: timedelta) -> tuple[datetime, ...]:
    """First moments of the steps of a time, oldest first.

    The last step ends with the time. The first one takes what is left over, so it is longer or shorter by half a step
    at most: a step of a second says nothing.
    """
    count = max(1, round((until - since) / step))
    return (since, *(until - number * step for number in range(count - 1, 0, -1)))


def tallies(entries: Iterable[Entry], since: datetime, until: datetime) -> dict[Key, Tally]:
    """What happened between two moments, both included, by environment and app.

    Args:
        entries: all lines of a workspace that are kept, in any order. Those before `since` say where a release was
            first; those after `until` do not count.
        since: the first moment.
        until: the last one.
    """
    return {key: together(parts.values()) for key, parts in in_steps(entries, (since,), until).items()}


def in_steps(entries: Iterable[Entry], starts: Sequence[datetime], until: datetime) -> dict[Key, dict[int, Tally]]:
    """The same, divided: what became of a deployment counts in the step in which it was made.

    Args:
        entries: as for `tallies`.
        starts: the first moments of the steps, oldest first.
        until: the last moment of the last one.

    Returns:
        Environment and app → number of the step → what happened in it; steps in which nothing did are left out.
    """
    chains: dict[str, list[Entry]] = {}
    first: dict[tuple[str, str], tuple[datetime, str]] = {}
    for entry in entries:
        if entry.at > until:
            continue
        chains.setdefault(entry.chain, []).append(entry)
        if entry.release is not None:
            key, place = (entry.app, entry.release), (entry.at, entry.environment)
            first[key] = min(place, first.get(key, place))
    found: dict[Key, dict[int, Tally]] = {}
    for chain in chains.values():
        chain.sort(key=lambda entry: entry.sequence)
        if chain[-1].at >= starts[0]:
            parts = _Parts(starts, found.setdefault((chain[0].environment, chain[0].app), {}))
            _count_lines(parts, chain, first)
            _count_failures(parts, chain)
    return found


def _count_lines(parts: _Parts, chain: Sequence[Entry], first: Mapping[tuple[str, str], tuple[datetime, str]]) -> None:
    for entry in chain:
        tally = parts.at(entry.at)
        if tally is None:
            continue
        tally.rollbacks += entry.action is Action.ROLLBACK
        tally.undeploys += entry.release is None
        if not entry.is_deployment:
            continue
        tally.deployments += 1
        tally.days.add(int(entry.at.timestamp()) // _SECONDS_OF_A_DAY)
        came, place = first[entry.app, entry.release or ""]
        if place != entry.environment:
            tally.lead.append((entry.at - came).total_seconds())
        if entry.healthy_at is not None:
            tally.healthy.append(max(0.0, (entry.healthy_at - entry.at).total_seconds()))


def _count_failures(parts: _Parts, chain: Sequence[Entry]) -> None:
    """From the newest line on, so that what comes after a failure is at hand."""
    rework: dict[int, Tally] = {}
    restored: Entry | None = None
    deployed: Entry | None = None
    after: Entry | None = None
    for entry in reversed(chain):
        failed = entry.failed or (entry.is_deployment and after is not None and after.action is Action.ROLLBACK)
        tally = parts.at(entry.at) if failed and entry.is_deployment else None
        if tally is not None:
            tally.failures += 1
            if restored is not None:
                tally.restore.append(max(0.0, (restored.at - entry.at).total_seconds()))
            again = parts.at(deployed.at) if deployed is not None else None
            if deployed is not None and again is not None:
                rework[deployed.sequence] = again
        if entry.release is not None and not failed:
            restored = entry
        if entry.is_deployment:
            deployed = entry
        after = entry
    for one in rework.values():
        one.rework += 1


def together(parts: Iterable[Tally]) -> Tally:
    """Several tallies as one."""
    whole = Tally()
    for part in parts:
        whole.deployments += part.deployments
        whole.rollbacks += part.rollbacks
        whole.undeploys += part.undeploys
        whole.failures += part.failures
        whole.rework += part.rework
        whole.days |= part.days
        whole.lead += part.lead
        whole.healthy += part.healthy
        whole.restore += part.restore
    return whole


def body(tally: Tally, since: datetime, until: datetime) -> dict[str, Any]:
    """The numbers as REST shows them."""
    days = max((until - since).total_seconds() / _SECONDS_OF_A_DAY, 1 / _SECONDS_OF_A_DAY)
    none = NOTHING_DEPLOYED if not tally.deployments else ""
    reasons = {
        "lead_time": none or NO_EARLIER_PLACE,
        "time_to_healthy": none or NO_OUTCOME,
        "change_failure_rate": none,
        "time_to_restore": NOT_RESTORED if tally.failures else none or NOTHING_FAILED,
        "rework_rate": none,
    }
    known = {
        "lead_time": _spread(tally.lead),
        "time_to_healthy": _spread(tally.healthy),
        "change_failure_rate": _share(tally.failures, tally.deployments),
        "time_to_restore": _spread(tally.restore),
        "rework_rate": _share(tally.rework, tally.deployments),
    }
    return {
        "deployments": tally.deployments,
        "rollbacks": tally.rollbacks,
        "undeploys": tally.undeploys,
        "failures": tally.failures,
        "deployments_per_day": round(tally.deployments / days, 4),
        "days_with_deployments": len(tally.days),
        **known,
        "unknown": {name: reasons[name] for name, value in known.items() if value is None},
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _spread(seconds: Sequence[float]) -> dict[str, float | int] | None:
    """Median and 90th percentile: the values of which half, and nine in ten, are not greater."""
    if not seconds:
        return None
    ordered = sorted(seconds)

    def at(share: float) -> int:
        return round(ordered[ceil(share * len(ordered)) - 1])

    return {"median_seconds": at(0.5), "p90_seconds": at(0.9), "count": len(ordered)}
