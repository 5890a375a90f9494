"""A watch that is dead is noticed, and a quiet one is not taken for dead."""

import asyncio
import copy

import pytest
from builders import NAMESPACE
from operator_bench import WEB, Bench, Replica, releases

from moorage_crds import names
from moorage_crds.identifiers import BindingName, NamespaceName
from moorage_crds.kinds.deployment import from_object
from moorage_crds.store import ObjectRef
from moorage_operator.sweep.watchdog import COMPARED, DeadWatchError

# The watchdog


async def overlooked(running: Bench) -> Replica:
    """A replica whose list has shown a Deployment that its watch does not deliver."""
    running.store.muted = True
    running.release("v1")
    replica = running.replicas[0]
    await replica.sweep.once()
    return replica


async def test_a_watch_that_delivers_nothing_ends_the_process(running: Bench) -> None:
    replica = await overlooked(running)
    await running.settle()
    await replica.watchdog.look()
    running.clock.advance(61)
    with pytest.raises(DeadWatchError):
        await replica.watchdog.look()


async def test_a_connection_that_somebody_gives_up_does_not_end_the_watchdog(running: Bench) -> None:
    replica = await overlooked(running)
    running.clock.advance(61)
    running.store.fail("get", names.DEPLOYMENTS, asyncio.CancelledError())  # type: ignore[arg-type]
    with pytest.raises(DeadWatchError):
        await replica.watchdog.run()


async def test_a_watch_that_catches_up_is_alive(running: Bench) -> None:
    running.store.muted = True
    raw = running.release("v1")
    replica = running.replicas[0]
    await replica.sweep.once()
    replica.intake.watched(names.DEPLOYMENTS, "ADDED", copy.deepcopy(raw))
    running.clock.advance(61)
    await replica.watchdog.look()


async def test_a_slow_start_is_no_death(running: Bench) -> None:
    """After a start the watch brings thousands of objects one by one, long after a list has shown them all."""
    running.store.muted = True
    late = [running.release("v1", app=f"app-{number}") for number in range(4)]
    replica = running.replicas[0]
    await replica.sweep.once()
    await running.settle()
    for raw in late[:3]:
        running.clock.advance(45)
        await replica.watchdog.look()
        assert replica.watchdog.silent_seconds(names.DEPLOYMENTS) == 45
        replica.intake.watched(names.DEPLOYMENTS, "ADDED", raw)
        assert replica.watchdog.silent_seconds(names.DEPLOYMENTS) == 0
    assert len(replica.world.unseen) == 1
    running.clock.advance(61)
    with pytest.raises(DeadWatchError):
        await replica.watchdog.look()


async def test_events_of_another_kind_are_no_sign_of_life(running: Bench) -> None:
    replica = await overlooked(running)
    running.clock.advance(61)
    replica.intake.watched(names.ENVIRONMENTS, "MODIFIED", running.environment())
    assert replica.watchdog.silent_seconds(names.ENVIRONMENTS) == 0
    with pytest.raises(DeadWatchError):
        await replica.watchdog.look()


async def test_a_quiet_watch_is_not_silent(running: Bench) -> None:
    """Hours without an event, and sweeps that show what is known: nothing to worry about."""
    running.release("v1")
    await running.settle()
    replica = running.replicas[0]
    for _ in range(3):
        running.clock.advance(3600)
        await replica.sweep.once()
        await running.settle()
        await replica.watchdog.look()
        assert [replica.watchdog.silent_seconds(plural) for plural in COMPARED] == [0, 0]


async def test_what_was_deleted_between_list_and_watch_is_no_death(running: Bench) -> None:
    replica = await overlooked(running)
    await running.settle()
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    running.clock.advance(61)
    await replica.watchdog.look()
    await running.settle()
    assert [row[1] for row in releases(running)] == ["deploy", "undeploy"]


async def test_a_list_does_not_bring_back_what_was_just_deleted(running: Bench) -> None:
    raw = running.release("v1")
    await running.settle()
    ref = ObjectRef(names.DEPLOYMENTS, NamespaceName.parse(NAMESPACE), BindingName.parse(WEB))
    await running.store.delete(ref, uid=raw["metadata"]["uid"])
    await running.settle()
    world = running.replicas[0].world
    older = copy.deepcopy(raw)
    assert world.see_deployment(from_object(older), from_list=True) is None
    assert world.chains == {}
