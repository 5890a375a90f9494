"""Prometheus metrics of the operator: what the loops count, and what is read off their state when somebody asks.

Labels are bounded: names beyond `MAX_ENVIRONMENTS`, and those of no Environment, are counted under `other`.
"""

from collections.abc import Callable, Mapping, Sized
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from moorage_crds.kinds.deployment import Action, Change
from moorage_operator.facts import Finding, RemovalCause, Trouble
from moorage_operator.sweep.watchdog import COMPARED
from moorage_operator.work.context import Surroundings

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
        self._removed = Counter(
            "moorage_records_removed",
            "Records that retention removed: old enough (age), or too many of one binding (maximum).",
            ["why"],
            registry=self.registry,
        )
        self._overrides = Counter(
            "moorage_overrides", "Changes whose writer named gates to pass.", registry=self.registry
        )
        self._events = Counter(
            "moorage_events",
            "Events: sent; failed and refused attempts; gone (410); dead, which are not sent any more.",
            ["outcome"],
            registry=self.registry,
        )
        self._event_lag = Histogram(
            "moorage_event_lag_seconds",
            "From a change (to the second) to the endpoint that took its event.",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )
        self._policies = Gauge(
            "moorage_policies_in_force",
            "1: policy and binding exist and say what this version installs.",
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
        for why in RemovalCause:
            self._removed.labels(str(why))
        for outcome in ("sent", "failed", "refused", "gone", "dead"):
            self._events.labels(outcome)

    def recorded(self, environment: str, change: Change, *, exists: bool, lag_seconds: float) -> None:
        """Count a record, under `OTHER` where there is no Environment of that name: anybody can invent names."""
        action = str(change.action)
        self._recorded.labels(action).inc()
        self._lag.observe(lag_seconds)
        self._deployments.labels(self._bounded(environment, exists=exists), action).inc()
        self._overrides.inc(1 if change.override else 0)

    def _bounded(self, environment: str, *, exists: bool) -> str:
        if environment not in self._environments:
            if not exists or len(self._environments) >= MAX_ENVIRONMENTS:
                return OTHER
            self._environments.add(environment)
        return environment

    def found(self, finding: str, count: int = 1) -> None:
        """Count a finding."""
        self._findings.labels(str(finding)).inc(count)

    def removed(self, why: str) -> None:
        """Count a record that retention removed."""
        self._removed.labels(str(why)).inc()

    def policy(self, name: str, *, in_force: bool) -> None:
        """Set whether a policy is in force."""
        self._policies.labels(name).set(1 if in_force else 0)

    def event(self, outcome: str, lag_seconds: float | None) -> None:
        """Count an attempt to send an event."""
        self._events.labels(outcome).inc()
        if lag_seconds is not None:
            self._event_lag.observe(lag_seconds)

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


def observe_events(measures: PrometheusMeasures, pending: Callable[[], int], failing: Callable[[], int]) -> None:
    """Read off how much waits for EventSinks."""
    registry = measures.registry
    waiting = Gauge("moorage_events_pending", "Bindings and Environments with unsent events.", registry=registry)
    waiting.set_function(lambda: float(pending()))
    broken = Gauge("moorage_event_sinks_failing", "EventSinks that take nothing.", registry=registry)
    broken.set_function(lambda: float(failing()))


def observe_evidence(measures: PrometheusMeasures, age: Callable[[], float]) -> None:
    """Read off how old the evidence is by which protected environments decide."""
    gauge = Gauge(
        "moorage_evidence_age_seconds",
        "For how long a protected Environment has waited for its evidence; 0: it says all that is known.",
        registry=measures.registry,
    )
    gauge.set_function(age)


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
