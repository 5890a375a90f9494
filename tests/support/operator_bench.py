"""All loops of the operator around a store in memory; only the cluster, the clock and the Lease are stand-ins."""

import asyncio
import contextlib
import selectors
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import builders
from fakes import CountedMeasures, FixedClock, FixedLeadership, InMemoryStore

from moorage_crds import names
from moorage_crds.objects import RawObject
from moorage_operator.decisions.retention import RetentionRule
from moorage_operator.loops.cascade import Cascade
from moorage_operator.loops.intake import Intake, Loops
from moorage_operator.loops.policies import Policies
from moorage_operator.loops.queue import KeyedQueue
from moorage_operator.loops.recorder import Recorder
from moorage_operator.loops.repair import Repair
from moorage_operator.loops.retention import Retention
from moorage_operator.loops.seeding import Seeding
from moorage_operator.loops.status_writer import DeploymentStatusWriter, EnvironmentStatusWriter
from moorage_operator.loops.surroundings import Surroundings
from moorage_operator.loops.sweep import Sweep
from moorage_operator.loops.watchdog import Watchdog
from moorage_operator.loops.worker import work
from moorage_operator.loops.world import World


@dataclass
class Replica:
    """One operator."""

    world: World
    leadership: FixedLeadership
    measures: CountedMeasures
    loops: Loops
    intake: Intake
    sweep: Sweep
    retention: Retention
    watchdog: Watchdog

    def queues(self) -> list[tuple[KeyedQueue[Any], Callable[[Any], Any]]]:
        """Each queue with its step."""
        loops = (
            self.loops.recorder,
            self.loops.statuses,
            self.loops.environments,
            self.loops.cascade,
            self.loops.seeding,
            self.retention,
        )
        return [(loop.queue, loop.step) for loop in loops]

    @property
    def settled(self) -> bool:
        """Nothing is due, in work or delayed (but what waits out a backoff)."""
        return all(queue.settled for queue, _ in self.queues())


class _HurriedSelector(selectors.DefaultSelector):
    """Waits for no timer: what would have been waited is added to the time of the loop instead."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.skipped += timeout
        return ready


def hurry(loop: asyncio.AbstractEventLoop) -> None:
    """Make the timers of this loop go off in their order without waiting, so that tests need no real seconds."""
    hurried = _HurriedSelector()
    present: Any = loop
    for key in present._selector.get_map().values():
        hurried.register(key.fileobj, key.events, key.data)
    present._selector.close()
    present._selector = hurried
    present.time = lambda: time.monotonic() + hurried.skipped


class Bench:
    """A cluster in memory, and replicas that watch it."""

    def __init__(self) -> None:
        hurry(asyncio.get_running_loop())
        self.clock = FixedClock()
        self.store = InMemoryStore(self.clock)
        self.replicas: list[Replica] = []
        self.store.put(builders.namespace())

    def replica(self, *, acts: bool = True, records: int = 50, days: int = 90) -> Replica:
        """One more operator; it hears of everything from now on."""
        replica = _replica(self.store, self.clock, acts=acts, rule=RetentionRule(records, timedelta(days=days)))
        self.replicas.append(replica)
        self.store.watchers.append(replica.intake.watched)
        return replica

    async def settle(self, seconds: float = 5.0) -> None:
        """Let all loops work until none has anything to do (or only waits out a backoff)."""
        async with self.working():
            async with asyncio.timeout(seconds):
                while not all(replica.settled for replica in self.replicas):  # noqa: ASYNC110 — any of many queues
                    await asyncio.sleep(0.001)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Workers of all replicas, until the block ends."""
        tasks = [
            asyncio.create_task(work(queue, step, name="bench"))
            for replica in self.replicas
            for queue, step in replica.queues()
            for _ in range(2)
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, holds: Callable[[], Any], seconds: float = 5.0) -> None:
        """Let all loops work until a condition holds."""
        async with self.working():
            async with asyncio.timeout(seconds):
                while not holds():  # noqa: ASYNC110 — any condition
                    await asyncio.sleep(0.001)

    # What is in the cluster

    def records(self) -> list[dict[str, Any]]:
        """Specs of all records, in the order of their names."""
        return [raw["spec"] for raw in self.store.all(names.RECORDS)]

    def deployment(self, name: str = "production.web") -> RawObject:
        """A Deployment, which must be there."""
        raw = self.store.one(names.DEPLOYMENTS, builders.NAMESPACE, name)
        assert raw is not None
        return raw

    def environment(self, name: str = "production") -> RawObject:
        """An Environment, which must be there."""
        raw = self.store.one(names.ENVIRONMENTS, builders.NAMESPACE, name)
        assert raw is not None
        return raw

    def release(self, release: str | None, *, app: str = "web", stamped: bool = True, by: str = "alice") -> RawObject:
        """Change the release of a binding, as the API server would: with a log entry, or without a policy."""
        name = names.binding_name("production", app)
        raw = self.store.one(names.DEPLOYMENTS, builders.NAMESPACE, name) or builders.deployment(app=app)
        before = raw["spec"].get("release")
        raw["spec"].pop("release", None)
        if release is not None:
            raw["spec"]["release"] = release
        raw["metadata"]["generation"] += 1
        if stamped:
            log = raw.setdefault("changeLog", {"sequence": 0, "entries": []})
            seconds = (self.clock.now() - builders.START).total_seconds()
            entry = builders.entry(log["sequence"] + 1, release, previous=before, by=by, when=seconds)
            log["entries"] = [*log["entries"], entry][-16:]
            log["sequence"] += 1
        return self.store.put(raw)


def _replica(store: InMemoryStore, clock: FixedClock, *, acts: bool, rule: RetentionRule) -> Replica:
    def jitter() -> float:
        return 0.5

    world, leadership, measures = World(clock), FixedLeadership(acts), CountedMeasures()
    around = Surroundings(store, world, leadership, measures, clock)
    statuses = DeploymentStatusWriter(around, KeyedQueue(jitter))
    environments = EnvironmentStatusWriter(around, KeyedQueue(jitter))
    loops = Loops(
        recorder=Recorder(around, statuses=statuses, environments=environments, queue=KeyedQueue(jitter)),
        statuses=statuses,
        environments=environments,
        cascade=Cascade(around, queue=KeyedQueue(jitter), request_id=lambda: "request-1"),
        seeding=Seeding(around, queue=KeyedQueue(jitter)),
    )
    intake = Intake(around, loops)
    retention = Retention(around, statuses=statuses, rule=rule, per_second=1000, queue=KeyedQueue(jitter))
    sweep = Sweep(
        around,
        intake,
        policies=Policies(store, measures=measures),
        repair=Repair(around, intake),
        retention=retention,
    )
    watchdog = Watchdog(around, intake, recorder_queue=loops.recorder.queue)
    return Replica(world, leadership, measures, loops, intake, sweep, retention, watchdog)
