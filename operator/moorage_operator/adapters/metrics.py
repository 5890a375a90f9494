"""Prometheus metrics of the operator: what the loops count, and what is read off their state when somebody asks.

Labels are bounded: environment names beyond `MAX_ENVIRONMENTS` are counted under `other`.
"""

from collections.abc import Callable, Mapping, Sized
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from moorage_crds.deployment import Action, Change
from moorage_operator.decisions.comparison import Finding
from moorage_operator.decisions.facts import Trouble
from moorage_operator.loops.surroundings import Surroundings
from moorage_operator.loops.watchdog import COMPARED

MAX_ENVIRONMENTS: Final = 200
OTHER: Final = "other"

_LAG_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600)


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
            "moorage_sweep_findings",
            "What sweeps found.",
            ["finding"],
            registry=self.registry,
        )
        self._policies = Gauge(
            "moorage_policies_in_force",
            "1: policy and binding exist.",
            ["policy"],
            registry=self.registry,
        )
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """A counter that appears with its first count has not increased, as Prometheus sees it: no alert would fire."""
        for action in Action:
            self._recorded.labels(str(action))
        for finding in (*Finding, *Trouble):
            self._findings.labels(str(finding))

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


def observe_state(measures: PrometheusMeasures, around: Surroundings) -> None:
    """Read off the state of the loops at every scrape."""
    registry, world = measures.registry, around.world
    unrecorded = Gauge("moorage_unrecorded_changes", "Changes without a record.", registry=registry)
    unrecorded.set_function(lambda: float(sum(len(world.chains[uid].arrivals) for uid in world.unrecorded)))
    degraded = Gauge("moorage_degraded_bindings", "Bindings changed while no policy watched.", registry=registry)
    degraded.set_function(lambda: float(len(world.degraded)))
    held = Gauge("moorage_lease_held", "1: this replica acts at once.", registry=registry)
    held.set_function(lambda: float(around.leadership.acts))


def observe_queues(measures: PrometheusMeasures, queues: Mapping[str, Sized]) -> None:
    """Read off how much each loop has to do."""
    depth = Gauge(
        "moorage_queue_depth", "Objects that a loop has still to look at.", ["loop"], registry=measures.registry
    )
    for loop, queue in queues.items():
        depth.labels(loop).set_function(partial(_length, queue))


def _length(queue: Sized) -> float:
    return float(len(queue))


def observe_silence(measures: PrometheusMeasures, silent_seconds: Callable[[str], float]) -> None:
    """Read off for how long a watch has failed to deliver what lists show."""
    gauge = Gauge(
        "moorage_watch_silent_seconds",
        "For how long the watch has delivered nothing of that kind although a list shows what it should; 0: it works.",
        ["kind"],
        registry=measures.registry,
    )
    for plural in COMPARED:
        gauge.labels(plural).set_function(partial(silent_seconds, plural))
