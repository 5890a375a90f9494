"""How often statuses are written: the API server is spared, and nobody waits for long."""

import builders
from operator_bench import Bench

from moorage_crds import names
from moorage_operator.statuses.writers import (
    DEPLOYMENT_SECONDS,
    ENVIRONMENT_SECONDS,
    MOST_DEPLOYMENT_SECONDS,
)


async def test_the_pause_between_two_statuses_of_an_environment_begins_with_the_answer() -> None:
    bench = Bench()
    bench.store.put(builders.environment())
    replica = bench.replica()
    await replica.sweep.once()
    key = (builders.NAMESPACE, "production")
    # The store tells of the write before it answers it, as an API server may.
    assert await replica.loops.environments.step(key) == ENVIRONMENT_SECONDS[1]
    assert bench.environment()["status"]["activeDeploymentCount"] == 0
    assert await replica.loops.environments.step(key) is None


async def test_a_backlog_gets_its_status_when_it_is_recorded() -> None:
    bench = Bench()
    bench.store.put(builders.environment())
    for number in range(7):
        bench.release(f"v{number}")
    replica = bench.replica()
    await replica.sweep.once()
    statuses: list[int] = []

    def watch(plural: str, _kind: str | None, raw: dict[str, object]) -> None:
        status = raw.get("status")
        if plural == names.DEPLOYMENTS and isinstance(status, dict):
            statuses.append(status["recordedSequence"])

    bench.store.watchers.append(watch)
    await bench.settle()
    assert statuses == [7]


async def test_statuses_come_less_often_while_the_api_server_is_slow() -> None:
    bench = Bench()
    bench.store.put(builders.environment())
    replica = bench.replica()
    await replica.sweep.once()
    slow = False

    def answer_late(plural: str, _kind: str | None, _raw: dict[str, object]) -> None:
        if slow and plural == names.DEPLOYMENTS:
            bench.clock.advance(1)

    bench.store.watchers.append(answer_late)
    bench.release("v0")
    await bench.settle()
    assert replica.loops.statuses.seconds == DEPLOYMENT_SECONDS
    for number in range(1, 10):
        slow = False
        bench.release(f"v{number}")
        slow = True
        await bench.settle()
    assert replica.loops.statuses.seconds == MOST_DEPLOYMENT_SECONDS
    slow = False
    for number in range(10, 60):
        bench.release(f"v{number}")
        await bench.settle()
    assert replica.loops.statuses.seconds == DEPLOYMENT_SECONDS
