"""What a sweep repairs, and what it leaves alone, around a store in memory."""

import asyncio
from typing import Any

import pytest
from builders import NAMESPACE
from operator_bench import WEB, Bench, is_one_chain, releases

from moorage_crds import names
from moorage_crds.store import UnavailableError

# The sweep


async def test_a_sweep_ends_the_chain_of_what_was_deleted_meanwhile(bench: Bench) -> None:
    first = bench.replica()
    await first.sweep.once()
    bench.release("v1")
    await bench.settle()
    bench.store.watchers.clear()
    bench.replicas.clear()
    bench.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    second = bench.replica()
    await second.sweep.once()
    await bench.settle()
    assert [row[1] for row in releases(bench)] == ["deploy", "undeploy"]
    await second.sweep.once()
    await bench.settle()
    assert len(bench.records()) == 2


async def test_a_sweep_drops_ghosts_and_ends_their_chains(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    running.store.muted = True
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    running.store.muted = False
    await running.replicas[0].sweep.once()
    await running.settle()
    assert [row[1] for row in releases(running)] == ["deploy", "undeploy"]
    assert running.replicas[0].measures.findings["ghost"] == 1


async def test_a_sweep_writes_missing_records_again_from_the_log(running: Bench) -> None:
    for release in ("v1", "v2", "v3"):
        running.release(release)
    await running.settle()
    before = running.records()
    for raw in running.store.all(names.RECORDS)[:2]:
        running.store.remove(names.RECORDS, NAMESPACE, raw["metadata"]["name"])
    await running.replicas[0].sweep.once()
    assert running.records() == before


async def test_a_sweep_repairs_a_status_that_somebody_broke(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    good = running.deployment()["status"]
    raw = running.deployment()
    raw["status"] = good | {"release": "v9"}
    running.store.muted = True
    running.store.put(raw)
    running.store.muted = False
    await running.replicas[0].sweep.once()
    await running.settle()
    assert running.deployment()["status"]["release"] == "v1"


async def test_a_status_without_hashes_is_completed_from_the_records(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    running.store.watchers.clear()
    running.replicas.clear()
    raw = running.deployment()
    for key in ("history", "lastChange"):
        del raw["status"][key]
    running.store.put(raw)
    await running.replica().sweep.once()
    running.release("v2")
    await running.settle()
    assert is_one_chain(running)
    assert running.deployment()["status"]["history"]["tipHash"] == running.records()[1]["hash"]


#: What somebody who edits the store itself can leave in a Deployment, though no schema would take it.
SPOILED: list[dict[str, Any]] = [
    {"spec": {"environment": "production"}},
    {"changeLog": {"sequence": 1, "entries": [{"sequence": 1, "action": "explode"}]}},
    {"status": {"recordedSequence": 1, "lastChange": {"sequence": 1, "action": "explode"}}},
    {"status": {"recordedSequence": 1, "history": "long"}},
    {"status": {"recordedSequence": 1, "conditions": ["fine"]}},
    {"status": "good"},
]


def _spoil(bench: Bench, change: dict[str, Any]) -> None:
    bench.store.muted = True
    bench.store.put(bench.deployment() | change)
    bench.store.muted = False


@pytest.mark.parametrize("change", SPOILED)
async def test_an_unreadable_deployment_stops_no_sweep_and_is_not_taken_for_gone(
    running: Bench, change: dict[str, Any]
) -> None:
    running.release("v1")
    running.release("v1", app="api")
    await running.settle()
    _spoil(running, change)
    running.release("v2", app="api")
    await running.replicas[0].sweep.once()
    await running.settle()
    assert "undeploy" not in {spec["action"] for spec in running.records()}
    assert [spec["sequence"] for spec in running.records() if spec["app"] == "api"] == [1, 2]


@pytest.mark.parametrize("change", SPOILED)
async def test_a_start_beside_an_unreadable_deployment_leaves_its_chain_alone(
    running: Bench, change: dict[str, Any]
) -> None:
    running.release("v1")
    await running.settle()
    _spoil(running, change)
    running.store.watchers.clear()
    running.replicas.clear()
    fresh = running.replica()
    for _ in range(2):
        await fresh.sweep.once()
        await running.settle()
    assert releases(running) == [(1, "deploy", None, "v1")]


@pytest.mark.parametrize("change", SPOILED)
async def test_missing_records_of_an_unreadable_deployment_stay_missing(running: Bench, change: dict[str, Any]) -> None:
    running.release("v1")
    running.release("v1", app="api")
    await running.settle()
    for raw in running.store.all(names.RECORDS):
        running.store.remove(names.RECORDS, NAMESPACE, raw["metadata"]["name"])
    _spoil(running, change)
    await running.replicas[0].sweep.once()
    assert "api" in {spec["app"] for spec in running.records()}


async def test_a_record_without_a_time_is_left_alone(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await running.settle()
    for raw in running.store.all(names.RECORDS):
        raw["metadata"]["creationTimestamp"] = None
        running.store.put(raw)
    running.clock.advance(91 * 86_400)
    await running.replicas[0].sweep.once()
    await running.settle()
    assert len(running.records()) == 2


async def test_a_status_is_not_completed_from_a_record_that_says_another_place(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    running.store.watchers.clear()
    running.replicas.clear()
    raw = running.deployment()
    del raw["status"]["history"]
    running.store.put(raw)
    record = running.store.all(names.RECORDS)[0]
    record["spec"]["sequence"] = 99
    running.store.put(record)
    fresh = running.replica()
    await fresh.sweep.once()
    running.release("v2")
    await running.settle()
    assert running.deployment()["status"]["recordedSequence"] == 2
    assert fresh.measures.findings["missing_record"] > 0


async def test_a_failed_list_concludes_nothing(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    running.store.fail("list", names.DEPLOYMENTS, UnavailableError("down"))
    with pytest.raises(UnavailableError):
        await running.replicas[0].sweep.once()
    assert len(running.replicas[0].world.chains) == 1


async def test_a_connection_that_somebody_gives_up_does_not_end_the_sweeps(running: Bench) -> None:
    """To a TaskGroup a cancelled task is one that was no longer wanted: the loop would end silently."""
    running.store.fail("list", names.DEPLOYMENTS, asyncio.CancelledError())  # type: ignore[arg-type]
    lists = running.store.calls["list", names.DEPLOYMENTS]
    sweeps = asyncio.create_task(running.replicas[0].sweep.run(300))
    await running.until(
        lambda: running.store.calls["list", names.DEPLOYMENTS] >= lists + 2 or sweeps.done(), seconds=20
    )
    assert not sweeps.done()
    sweeps.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sweeps
