"""All loops of the operator around a store in memory; only the cluster, the clock and the Lease are stand-ins."""

import asyncio
import contextlib
import copy
import selectors
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import builders
import stamping
from fake_cluster import FakeCluster
from fakes import CountedMeasures, FixedLeadership
from fixed_clock import FixedClock

from moorage_crds import names, schema
from moorage_crds.conditions import ConditionType, find
from moorage_crds.kinds.record import spec_hash
from moorage_crds.kinds.refresh import LABEL_REFRESH, REFRESH_RESOURCES
from moorage_crds.kinds.target import LABEL_TARGET, TARGET_RESOURCES
from moorage_crds.objects import RawObject, metadata
from moorage_dev import patience
from moorage_operator.assembly import Machinery, Tuning, assemble
from moorage_operator.delivery.reading import target_of
from moorage_operator.dispatch import Intake, Loops
from moorage_operator.events.ports import Courier
from moorage_operator.memory.refreshables import Refreshables
from moorage_operator.memory.targets import Targets
from moorage_operator.memory.world import World
from moorage_operator.refreshing.reading import refreshable_of
from moorage_operator.retention.decisions import RetentionRule
from moorage_operator.retention.remover import Retention
from moorage_operator.sweep.sweep import Sweep
from moorage_operator.sweep.watchdog import Watchdog
from moorage_operator.work.context import Surroundings
from moorage_operator.work.worker import work

#: The binding of most tests.
WEB = "production.web"
#: Read once: a bench is made for every test.
WANTED_POLICIES = schema.wanted_policies()


@dataclass
class Replica:
    """One operator."""

    world: World
    leadership: FixedLeadership
    measures: CountedMeasures
    machinery: Machinery
    targets: Targets
    refreshables: Refreshables

    @property
    def loops(self) -> Loops:
        """The loops by name."""
        return self.machinery.loops

    @property
    def intake(self) -> Intake:
        """Where news goes in."""
        return self.machinery.intake

    @property
    def sweep(self) -> Sweep:
        """Compares with full lists."""
        return self.machinery.sweep

    @property
    def retention(self) -> Retention:
        """Removes records."""
        return self.machinery.retention

    @property
    def watchdog(self) -> Watchdog:
        """Judges the watches."""
        return self.machinery.watchdog

    def hears(self, plural: str, kind: str, raw: RawObject) -> None:
        """One event of a watch."""
        if LABEL_REFRESH in metadata(raw).get("labels", {}):
            self.refreshables.sink(plural).apply(kind, refreshable_of(plural, raw))
        if plural not in {*TARGET_RESOURCES, *REFRESH_RESOURCES}:
            self.intake.watched(plural, kind, raw)
        elif LABEL_TARGET not in metadata(raw).get("labels", {}):
            return
        elif kind != "DELETED":
            self.targets.put(target_of(plural, raw))
        else:
            self.targets.drop(target_of(plural, raw))

    @property
    def settled(self) -> bool:
        """Nothing is due, in work or delayed (but what waits out a backoff)."""
        return all(loop.queue.settled for loop in self.machinery.table)


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
        self.store = FakeCluster(self.clock)
        self.replicas: list[Replica] = []
        self.store.put(builders.namespace())

    def replica(
        self,
        *,
        acts: bool = True,
        records: int = 50,
        days: int = 90,
        most: int = 10_000,
        writes: Sequence[str] = (),
        courier: Courier | None = None,
    ) -> Replica:
        """One more operator; it hears of everything from now on, and follows and writes targets of these kinds."""
        rule = RetentionRule(records, timedelta(days=days), most)
        replica = _replica(self.store, self.clock, acts=acts, rule=rule, writes=writes, courier=courier)
        self.replicas.append(replica)
        self.store.watchers.append(replica.hears)
        return replica

    async def settle(self, seconds: float = 120.0) -> None:
        """Let all loops work until none has anything to do (or only waits out a backoff).

        The seconds are those of the loop, which no machine makes longer; some loops plan half a minute ahead.
        """
        async with self.working():
            async with asyncio.timeout(patience.scaled(seconds)):
                while not all(replica.settled for replica in self.replicas):  # noqa: ASYNC110 — any of many queues
                    await asyncio.sleep(0.001)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Workers of all replicas, until the block ends."""
        tasks = [
            asyncio.create_task(work(loop.queue, loop.step, name="bench"))
            for replica in self.replicas
            for loop in replica.machinery.table
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
            async with asyncio.timeout(patience.scaled(seconds)):
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

    def release(
        self,
        release: str | None,
        *,
        app: str = "web",
        environment: str = "production",
        stamped: bool = True,
        by: str = "alice",
        when: float | None = None,
    ) -> RawObject:
        """Change the release of a binding, as the API server would: with a log entry, or without a policy.

        `when` is a stamp other than the present moment, in seconds after `START`.
        """
        name = names.binding_name(environment, app)
        stored = self.store.one(names.DEPLOYMENTS, builders.NAMESPACE, name)
        raw = stored or builders.deployment(app=app, environment=environment)
        before = copy.deepcopy(raw)
        raw["spec"].pop("release", None)
        if release is not None:
            raw["spec"]["release"] = release
        raw["metadata"]["generation"] += 1
        if stamped:
            at = self.store.stamp() if when is None else builders.at(when)
            raw = stamping.stamped(names.DEPLOYMENTS, before, raw, user=by, at=at)
        return self.store.put(raw)


def _replica(
    store: FakeCluster,
    clock: FixedClock,
    *,
    acts: bool,
    rule: RetentionRule,
    writes: Sequence[str],
    courier: Courier | None,
) -> Replica:
    def jitter() -> float:
        return 0.5

    world, leadership, measures, targets = World(clock), FixedLeadership(acts), CountedMeasures(), Targets()
    around = Surroundings(store, world, leadership, measures, clock, targets)
    tuning = Tuning(jitter, lambda: "request-1", rule, 1000, 0.0, WANTED_POLICIES, frozenset(writes), courier)
    return Replica(world, leadership, measures, assemble(around, tuning), targets, around.refreshables)


def releases(bench: Bench) -> list[tuple[int, str, str | None, str | None]]:
    """What the records say: number, action, release before and after."""
    return [
        (spec["sequence"], spec["action"], spec.get("previousRelease"), spec.get("release")) for spec in bench.records()
    ]


def condition(raw: dict[str, Any], kind: ConditionType) -> tuple[str, str] | None:
    """Status and reason of a condition; None if there is none of that kind."""
    found = find(raw["status"]["conditions"], kind)
    return (found["status"], found["reason"]) if found else None


def is_one_chain(bench: Bench) -> bool:
    """Whether every record names the one before, and its own hash is right."""
    specs = bench.records()
    linked = all(after["previousHash"] == before["hash"] for before, after in pairwise(specs))
    return linked and all(spec["hash"] == spec_hash(spec) for spec in specs)
