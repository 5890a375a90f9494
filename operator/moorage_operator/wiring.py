"""Composition root: settings and a cluster → adapters → loops. Nothing is built anywhere else."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from moorage_crds import names
from moorage_crds.clock import Clock
from moorage_crds.identifiers import ClusterObjectName
from moorage_crds.objects import RawObject
from moorage_crds.store import NotFoundError, ObjectRef, ResourceStore
from moorage_operator.adapters.chance import jitter, replica_name, request_id
from moorage_operator.adapters.health import HealthServer
from moorage_operator.adapters.lease import Lease, NoLease
from moorage_operator.adapters.metrics import PrometheusMeasures, observe_queues, observe_silence, observe_state
from moorage_operator.config import OperatorSettings
from moorage_operator.decisions.retention import RetentionRule
from moorage_operator.loops.cascade import Cascade
from moorage_operator.loops.intake import Intake, Loops
from moorage_operator.loops.policies import Policies
from moorage_operator.loops.queue import KeyedQueue
from moorage_operator.loops.recorder import Recorder
from moorage_operator.loops.repair import Repair
from moorage_operator.loops.retention import ChainKey, Retention
from moorage_operator.loops.seeding import Seeding
from moorage_operator.loops.status_writer import DeploymentStatusWriter, EnvironmentStatusWriter
from moorage_operator.loops.surroundings import Surroundings
from moorage_operator.loops.sweep import Sweep
from moorage_operator.loops.watchdog import Watchdog
from moorage_operator.loops.worker import work
from moorage_operator.loops.world import EnvironmentKey, World

#: Requests at once, by loop. Python has no rate limit of its own: these bounds are what spares the API server.
WORKERS: Final = {"recorder": 32, "statuses": 16, "environments": 4, "cascade": 4, "seeding": 1, "retention": 1}
#: Statuses are written together, so many seconds apart: they, and what comes back of them, wake the process less often.
STATUS_ROUNDS: Final = 0.25
#: How long a stop may wait for what is pending, and how old a proof of life may be. Seconds.
DRAIN_SECONDS: Final = 8.0
PROOF_SECONDS: Final = 60.0

_CRDS: Final = tuple(f"{plural}.{names.GROUP}" for plural in names.KINDS)

_log = logging.getLogger(__name__)


class MissingCrdError(Exception):
    """The cluster does not know our kinds. The text is one sentence for the person who installs."""


class Operator:
    """All loops of one process, around one picture of the cluster.

    Args:
        settings: checked settings.
        store: the cluster, as the operator's own account.
        clock: the time.
    """

    def __init__(self, settings: OperatorSettings, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._stopping = False
        self._measures = PrometheusMeasures()
        self._lease = _lease(settings, store, clock, self._leadership_changed)
        around = Surroundings(store, World(clock), self._lease, self._measures, clock)
        loops = _loops(around)
        self._loops = loops
        self.intake = Intake(around, loops)
        self._retention = Retention(
            around,
            statuses=loops.statuses,
            rule=RetentionRule(settings.retention_records, settings.retention_age),
            per_second=settings.retention_per_second,
            queue=KeyedQueue[ChainKey](jitter),
        )
        self._sweep = Sweep(
            around,
            self.intake,
            policies=Policies(store, measures=self._measures),
            repair=Repair(around, self.intake),
            retention=self._retention,
        )
        self._sweep_interval = float(settings.sweep_interval_seconds)
        self._watchdog = Watchdog(around, self.intake, recorder_queue=loops.recorder.queue)
        observe_state(self._measures, around)
        observe_queues(self._measures, {name: queue for name, queue, _ in self._queues()})
        observe_silence(self._measures, self._watchdog.silent_seconds)
        self.health = HealthServer(alive=self._sick, ready=self._unready, metrics=self._measures.page)

    def _queues(self) -> tuple[tuple[str, KeyedQueue[Any], Any], ...]:
        return (
            ("recorder", self._loops.recorder.queue, self._loops.recorder.step),
            ("statuses", self._loops.statuses.queue, self._loops.statuses.step),
            ("environments", self._loops.environments.queue, self._loops.environments.step),
            ("cascade", self._loops.cascade.queue, self._loops.cascade.step),
            ("seeding", self._loops.seeding.queue, self._loops.seeding.step),
            ("retention", self._retention.queue, self._retention.step),
        )

    async def check_crds(self) -> None:
        """Make sure that the cluster has our kinds: kopf would only warn, and hear nothing for ever.

        Raises:
            MissingCrdError: a CRD is missing or not established yet.
            StoreError: the cluster does not answer, or refuses to.
        """
        for name in _CRDS:
            try:
                raw = await self._store.get(ObjectRef(names.CRDS, None, ClusterObjectName.parse(name)))
            except NotFoundError:
                message = f"the CRD {name} is missing: install the chart, or `moorage crds | kubectl apply -f -`, first"
                raise MissingCrdError(message) from None
            if not _established(raw):
                message = f"the CRD {name} is not established yet: look at `kubectl describe crd {name}`"
                raise MissingCrdError(message)

    async def run(self) -> None:
        """Run all loops until cancelled, or until one of them dies (which ends all of them).

        Raises:
            ExceptionGroup: what a loop died of.
        """
        async with asyncio.TaskGroup() as group:
            for task in self._tasks():
                group.create_task(task)

    def _tasks(self) -> list[Coroutine[Any, Any, None]]:
        tasks: list[Coroutine[Any, Any, None]] = [self._sweep_when_settled(), self._watchdog.run()]
        if isinstance(self._lease, Lease):
            tasks.append(self._lease.run())
        for name, queue, step in self._queues():
            tasks += [work(queue, step, name=name) for _ in range(WORKERS[name])]
        return tasks

    async def _sweep_when_settled(self) -> None:
        """The first sweep should already know whether this replica acts."""
        if isinstance(self._lease, Lease):
            await self._lease.settled.wait()
        await self._sweep.run(self._sweep_interval)

    def sweep_soon(self) -> None:
        """The watches may have missed something: compare with full lists."""
        self._sweep.want()

    def _leadership_changed(self) -> None:
        if self._lease.acts:
            self._sweep.want()

    async def drain(self) -> None:
        """At stop: let what is pending be written, for a while, then give the Lease back."""
        self._stopping = True
        loops = self._loops
        queues = (loops.recorder.queue, loops.statuses.queue, loops.environments.queue)
        deadline = self._clock.monotonic() + DRAIN_SECONDS
        # Three queues and a deadline: an event for each would be no clearer.
        while not all(queue.settled for queue in queues) and self._clock.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        if isinstance(self._lease, Lease):
            await self._lease.release()

    def _sick(self) -> str | None:
        age = self._clock.monotonic() - self._watchdog.looked_at
        return None if age < PROOF_SECONDS else f"the loops have not moved for {age:.0f} s"

    def _unready(self) -> str | None:
        if self._stopping:
            return "stopping"
        return None if self.intake.is_open else "the first lists are not complete"


def _loops(around: Surroundings) -> Loops:
    statuses = DeploymentStatusWriter(around, KeyedQueue[str](jitter, rounds=STATUS_ROUNDS))
    environments = EnvironmentStatusWriter(around, KeyedQueue[EnvironmentKey](jitter, rounds=STATUS_ROUNDS))
    return Loops(
        recorder=Recorder(around, statuses=statuses, environments=environments, queue=KeyedQueue[str](jitter)),
        statuses=statuses,
        environments=environments,
        cascade=Cascade(around, queue=KeyedQueue[str](jitter), request_id=request_id),
        seeding=Seeding(around, queue=KeyedQueue[str](jitter)),
    )


def _lease(settings: OperatorSettings, store: ResourceStore, clock: Clock, changed: Any) -> Lease | NoLease:
    if not settings.lease_enabled:
        return NoLease()
    return Lease(store, settings.namespace, replica_name(), clock=clock, changed=changed)


def _established(raw: RawObject) -> bool:
    conditions = (raw.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Established" and one.get("status") == "True" for one in conditions)
