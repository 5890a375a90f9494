"""Prometheus metrics of the operator: what the loops count, and what is read off their state when somebody asks.

Labels are bounded: environment names beyond `MAX_ENVIRONMENTS` are counted under `other`.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from moorage_crds.deployment import Change
from moorage_operator.loops.intake import Intake
from moorage_operator.loops.ports import Leadership
from moorage_operator.loops.queue import KeyedQueue
from moorage_operator.loops.sweep import Sweep
from moorage_operator.loops.world import World
from moorage_crds import names
from moorage_crds.clock import Clock

MAX_ENVIRONMENTS: Final = 200
OTHER: Final = "other"

_LAG_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600)
_WATCHED: Final = (names.DEPLOYMENTS, names.ENVIRONMENTS, names.NAMESPACES)


class PrometheusMeasures:
    """`Measures`, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._environments: set[str] = set()
        self._recorded = Counter(
            "moorage_changes_recorded", "Changes that got their record.", ["action"], registry=self.registry
        )
        self._lag = Histogram(
            "moorage_record_lag_seconds",
            "From the change (to the second) to its record.",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )
        self._deployments = Counter(
            "moorage_deployments",
            "Recorded changes by environment: deployment frequency, and the share of rollbacks.",
            ["environment", "action"],
            registry=self.registry,
        )
        self._findings = Counter(
            "moorage_sweep_findings", "What sweeps found and repaired, or could not.", ["finding"], registry=self.registry
        )
        self._policies = Gauge(
            "moorage_policies_in_force", "1: the admission policy and its binding exist.", ["policy"], registry=self.registry
        )

    def recorded(self, environment: str, change: Change, *, lag_seconds: float) -> None:
        """Count a record."""
        action = str(change.action)
        self._recorded.labels(action).inc()
        self._lag.observe(lag_seconds)
        self._deployments.labels(self._bounded(environment), action).inc()

    def _bounded(self, environment: str) -> str:
        if environment not in self._environments:
            if len(self._environments) >= MAX_ENVIRONMENTS:
                return OTHER
            self._environments.add(environment)
        return environment

    def found(self, finding: str, count: int = 1) -> None:
        """Count a finding."""
        self._findings.labels(str(finding)).inc(count)

    def policy(self, name: str, *, in_force: bool) -> None:
        """Set whether a policy is in force."""
        self._policies.labels(name).set(1 if in_force else 0)

    def page(self) -> bytes:
        """What `/metrics` answers."""
        return generate_latest(self.registry)


def observe(
    measures: PrometheusMeasures,
    world: World,
    *,
    queues: dict[str, KeyedQueue[str]],
    leadership: Leadership,
    intake: Intake,
    sweep: Sweep,
    clock: Clock,
) -> None:
    """Add the figures that are read off the state of the loops at every scrape."""
    registry = measures.registry
    depth = Gauge("moorage_queue_depth", "Objects that a loop has still to look at.", ["loop"], registry=registry)
    for loop, queue in queues.items():
        depth.labels(loop).set_function(lambda queue=queue: float(len(queue)))
    unrecorded = Gauge("moorage_unrecorded_changes", "Changes without a record.", registry=registry)
    unrecorded.set_function(lambda: float(sum(len(world.chains[uid].arrivals) for uid in world.unrecorded)))
    degraded = Gauge("moorage_degraded_bindings", "Bindings changed while no policy watched.", registry=registry)
    degraded.set_function(lambda: float(len(world.degraded)))
    held = Gauge("moorage_lease_held", "1: this replica acts at once.", registry=registry)
    held.set_function(lambda: float(leadership.acts))
    age = Gauge(
        "moorage_watch_age_seconds",
        "Since the last event, or the last full list, of that kind.",
        ["kind"],
        registry=registry,
    )
    for plural in _WATCHED:
        age.labels(plural).set_function(lambda plural=plural: _age(plural, intake, sweep, clock))


def _age(plural: str, intake: Intake, sweep: Sweep, clock: Clock) -> float:
    moments = [moment for moment in (intake.last_event.get(plural), sweep.listed_at) if moment is not None]
    return clock.monotonic() - max(moments) if moments else float("inf")
