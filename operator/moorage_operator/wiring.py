"""Composition root: settings and a cluster → adapters → loops. Nothing is built anywhere else."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from moorage_crds import conditions, names, schema
from moorage_crds.clock import Clock
from moorage_crds.identifiers import ClusterObjectName
from moorage_crds.kinds.registry import KINDS
from moorage_crds.process.start import StartError
from moorage_crds.store import NotFoundError, ObjectRef, ResourceStore
from moorage_operator.adapters.chance import jitter, replica_name, request_id
from moorage_operator.adapters.health import HealthServer
from moorage_operator.adapters.lease import Lease, NoLease
from moorage_operator.adapters.metrics import (
    PrometheusMeasures,
    observe_events,
    observe_evidence,
    observe_queues,
    observe_silence,
    observe_state,
)
from moorage_operator.assembly import Tuning, assemble
from moorage_operator.config import OperatorSettings
from moorage_operator.events.addresses import network
from moorage_operator.events.ports import Courier
from moorage_operator.memory.refreshables import Refreshables
from moorage_operator.memory.targets import Targets
from moorage_operator.memory.world import World
from moorage_operator.retention.decisions import RetentionRule
from moorage_operator.work.context import Surroundings
from moorage_operator.work.worker import work

#: Seconds between two rounds of status writes: together, they and their watch events wake the process less often.
STATUS_ROUNDS: Final = 0.25
#: How long a stop may wait for what is pending, and how old a proof of life may be. Seconds.
DRAIN_SECONDS: Final = 8.0
PROOF_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


class MissingCrdError(StartError):
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
        self.targets = Targets(settings.delivery_kinds)
        self.refreshables = Refreshables()
        around = Surroundings(
            store, World(clock), self._lease, self._measures, clock, self.targets, refreshables=self.refreshables
        )
        rule = RetentionRule(settings.retention_records, settings.retention_age, settings.retention_max_records)
        tuning = Tuning(
            jitter,
            request_id,
            rule,
            settings.retention_per_second,
            STATUS_ROUNDS,
            schema.wanted_policies(),
            frozenset(settings.delivery_writes),
            _courier(settings, clock),
            settings.kubernetes_events,
            settings.approvals_kept,
        )
        self._machinery = assemble(around, tuning)
        self._table = self._machinery.table
        self.intake = self._machinery.intake
        self._sweep_interval = float(settings.sweep_interval_seconds)
        observe_state(self._measures, around)
        observe_evidence(self._measures, self._machinery.loops.environments.evidence_age)
        observe_queues(self._measures, {loop.name: loop.queue for loop in self._table})
        sender = self._machinery.sender
        observe_events(self._measures, lambda: sender.pending, lambda: sender.failing)
        observe_silence(self._measures, self._machinery.watchdog.silent_seconds)
        self.health = HealthServer(alive=self._sick, ready=self._unready, metrics=self._measures.page)

    @staticmethod
    async def check_crds(store: ResourceStore) -> None:
        """Make sure that the cluster has our kinds: kopf would only warn, and never receive an event.

        Args:
            store: reads the definitions.

        Raises:
            MissingCrdError: a CRD is missing or not established yet.
            StoreError: the cluster does not answer, or refuses to.
        """
        for name in (kind.crd for kind in KINDS):
            try:
                raw = await store.get(ObjectRef(names.CRDS, None, ClusterObjectName.parse(name)))
            except NotFoundError:
                message = f"the CRD {name} is missing: install the chart, or `moorage crds | kubectl apply -f -`, first"
                raise MissingCrdError(message) from None
            if not conditions.holds(raw, conditions.ESTABLISHED):
                message = f"the CRD {name} is not established yet: look at `kubectl describe crd {name}`"
                raise MissingCrdError(message)

    async def run(self, *beside: Coroutine[Any, Any, None]) -> None:
        """Run all loops until cancelled, or until one of them dies (which ends all of them).

        Args:
            beside: what runs and dies with them, such as watches of our own.

        Raises:
            ExceptionGroup: what a loop died of.
        """
        async with asyncio.TaskGroup() as group:
            for task in (*beside, *self._tasks()):
                group.create_task(task)

    def _tasks(self) -> list[Coroutine[Any, Any, None]]:
        tasks: list[Coroutine[Any, Any, None]] = [
            self._sweep_when_settled(),
            self._machinery.watchdog.run(),
            self._machinery.loops.environments.watch_edges(),
        ]
        if isinstance(self._lease, Lease):
            tasks.append(self._lease.run())
        for loop in self._table:
            tasks += [work(loop.queue, loop.step, name=loop.name) for _ in range(loop.workers)]
        return tasks

    async def _sweep_when_settled(self) -> None:
        """The first sweep should already know whether this replica acts."""
        if isinstance(self._lease, Lease):
            await self._lease.settled.wait()
        await self._machinery.sweep.run(self._sweep_interval)

    def sweep_soon(self) -> None:
        """The watches may have missed something: compare with full lists."""
        self._machinery.sweep.want()

    def _leadership_changed(self) -> None:
        if self._lease.acts:
            self._machinery.sweep.want()

    async def drain(self) -> None:
        """At stop: let what is pending be written, for a while, then give the Lease back."""
        self._stopping = True
        queues = [loop.queue for loop in self._table if loop.drained]
        deadline = self._clock.monotonic() + DRAIN_SECONDS
        # Some queues and a deadline: an event for each would be no clearer.
        while not all(queue.settled for queue in queues) and self._clock.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        if isinstance(self._lease, Lease):
            await self._lease.release()

    def _sick(self) -> str | None:
        age = self._clock.monotonic() - self._machinery.watchdog.looked_at
        return None if age < PROOF_SECONDS else f"the loops have not moved for {age:.0f} s"

    def _unready(self) -> str | None:
        if self._stopping:
            return "stopping"
        return None if self.intake.is_open else "the first lists are not complete"


def _courier(settings: OperatorSettings, clock: Clock) -> Courier | None:
    if not settings.events_enabled:
        return None
    from moorage_operator.adapters.courier import HttpCourier  # noqa: PLC0415 — most operators never need an HTTP client

    return HttpCourier([network(text) for text in settings.events_allowed_cidrs], clock)


def _lease(settings: OperatorSettings, store: ResourceStore, clock: Clock, changed: Any) -> Lease | NoLease:
    if not settings.lease_enabled:
        return NoLease()
    return Lease(store, settings.namespace, replica_name(), clock=clock, changed=changed)
