"""Changes become records and statuses, around a store in memory."""

import copy
from typing import Any

import builders
import pytest
from builders import NAMESPACE
from operator_bench import WEB, Bench, condition, is_one_chain, releases

from moorage_crds import names
from moorage_crds.conditions import ConditionType
from moorage_crds.kinds.record import spec_hash
from moorage_crds.store import ForbiddenError, InvalidError, ThrottledError, UnavailableError


async def test_a_change_becomes_a_record_and_a_status(running: Bench) -> None:
    running.release("v1", by="bob")
    await running.settle()
    assert releases(running) == [(1, "deploy", None, "v1")]
    assert running.records()[0]["by"] == "bob"
    status = running.deployment()["status"]
    assert (status["recordedSequence"], status["release"]) == (1, "v1")
    assert status["history"]["tipHash"] == running.records()[0]["hash"]
    active = running.environment()["status"]["activeDeployments"]
    assert [(one["app"], one["release"]) for one in active] == [("web", "v1")]


async def test_a_burst_costs_one_record_each_and_few_statuses(running: Bench) -> None:
    before = copy.copy(running.store.calls)
    for number in range(16):
        running.release(f"v{number}")
    await running.settle()
    assert [spec["sequence"] for spec in running.records()] == list(range(1, 17))
    assert is_one_chain(running)
    assert running.store.calls["patch", "deployments/status"] - before["patch", "deployments/status"] <= 3


async def test_a_status_that_lags_far_is_written_before_the_burst_is_over(running: Bench) -> None:
    running.release("v0")
    await running.settle()
    for number in range(1, 17):
        running.release(f"v{number}")
    written: list[int] = []
    running.store.watchers.append(
        lambda plural, _, raw: (
            written.append(raw.get("status", {}).get("recordedSequence", 0)) if plural == names.DEPLOYMENTS else None
        )
    )
    await running.settle()
    assert any(0 < sequence < 17 for sequence in written)


async def test_a_label_edit_writes_nothing(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    before = running.store.writes
    raw = running.deployment()
    raw["metadata"]["labels"] = {"team": "blue"}
    running.store.put(raw)
    await running.settle()
    assert running.store.writes == before


async def test_a_restart_writes_nothing(running: Bench) -> None:
    for release in ("v1", "v2", None):
        running.release(release)
    await running.settle()
    before = running.store.writes
    running.store.watchers.clear()
    running.replicas.clear()
    fresh = running.replica()
    await fresh.sweep.once()
    await running.settle()
    assert running.store.writes == before


async def test_changes_made_while_nobody_watched_are_recorded_at_the_start(bench: Bench) -> None:
    for number in range(12):
        bench.release(f"v{number}")
    await bench.replica().sweep.once()
    await bench.settle()
    assert [spec["sequence"] for spec in bench.records()] == list(range(1, 13))
    assert bench.deployment()["status"]["recordedSequence"] == 12


async def test_a_lost_reply_makes_no_second_record(running: Bench) -> None:
    running.store.fail("create", names.RECORDS, UnavailableError("reset"), committed=True)
    running.release("v1")
    await running.until(lambda: running.deployment().get("status", {}).get("recordedSequence") == 1)
    assert releases(running) == [(1, "deploy", None, "v1")]


async def test_a_throttled_record_is_repeated(running: Bench) -> None:
    running.store.fail("create", names.RECORDS, ThrottledError("slow down", retry_after=0.01), times=2)
    running.release("v1")
    await running.until(lambda: releases(running) == [(1, "deploy", None, "v1")])


async def test_a_foreign_record_is_not_overwritten_and_stalls_the_binding(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    forged = copy.deepcopy(running.store.all(names.RECORDS)[0])
    forged["metadata"]["name"] = names.record_name(builders.uid_of(f"deployment {NAMESPACE} {WEB}"), 2)
    del forged["metadata"]["uid"]
    forged["spec"] |= {"sequence": 2, "by": "mallory", "previousHash": running.records()[0]["hash"]}
    forged["spec"]["hash"] = spec_hash(forged["spec"])
    running.store.put(forged)
    running.release("v2")
    await running.until(lambda: condition(running.deployment(), ConditionType.STALLED))
    assert condition(running.deployment(), ConditionType.STALLED) == ("True", "RecordConflict")
    assert running.records()[1]["by"] == "mallory"
    assert running.deployment()["status"]["recordedSequence"] == 1


@pytest.mark.parametrize("stamped", [True, False])
@pytest.mark.parametrize(
    "lie", [{"sequence": 99}, {"deployment": {"name": WEB, "uid": builders.uid_of("another")}}, {"app": "api"}]
)
async def test_a_record_that_says_another_place_than_its_name_stalls_the_binding(
    running: Bench, stamped: bool, lie: dict[str, Any]
) -> None:
    running.release("v1")
    await running.settle()
    forged = copy.deepcopy(running.store.all(names.RECORDS)[0])
    forged["metadata"]["name"] = names.record_name(builders.uid_of(f"deployment {NAMESPACE} {WEB}"), 2)
    del forged["metadata"]["uid"]
    action = "deploy" if stamped else "adopt"
    said = {"sequence": 2, "action": action, "release": "v2", "previousRelease": "v1"}
    forged["spec"] |= said | {"previousHash": running.records()[0]["hash"]} | lie
    forged["spec"]["hash"] = spec_hash(forged["spec"])
    running.store.put(forged)
    running.release("v2", stamped=stamped)
    await running.until(lambda: condition(running.deployment(), ConditionType.STALLED))
    assert condition(running.deployment(), ConditionType.STALLED) == ("True", "RecordConflict")
    assert running.deployment()["status"]["recordedSequence"] == 1


async def test_a_spoiled_record_stalls_its_binding_and_no_other(running: Bench) -> None:
    spoiled = names.record_name(builders.uid_of(f"deployment {NAMESPACE} {WEB}"), 1)
    meta = {"name": spoiled, "namespace": NAMESPACE, "uid": builders.uid_of("spoiled")}
    running.store.put({"kind": "DeploymentRecord", "metadata": meta, "spec": {}})
    running.release("v1")
    running.release("v1", app="api")
    await running.until(lambda: "status" in running.deployment() and len(running.store.all(names.RECORDS)) == 2)
    assert condition(running.deployment(), ConditionType.STALLED) == ("True", "RecordConflict")
    await running.replicas[0].sweep.once()


@pytest.mark.parametrize("error", [ForbiddenError("exceeded quota"), InvalidError("no")])
async def test_a_refused_record_stalls_and_recovers(running: Bench, error: Exception) -> None:
    running.store.fail("create", names.RECORDS, error)  # type: ignore[arg-type]
    running.release("v1")
    await running.until(lambda: "status" in running.deployment())
    assert condition(running.deployment(), ConditionType.STALLED) == ("True", "RecordRefused")
    assert condition(running.deployment(), ConditionType.READY) == ("False", "RecordRefused")
    await running.until(lambda: running.deployment()["status"]["recordedSequence"] == 1)
    assert condition(running.deployment(), ConditionType.STALLED) is None


async def test_nothing_is_recorded_in_a_namespace_that_goes(running: Bench) -> None:
    running.store.put(builders.namespace(deleting=True))
    running.release("v1")
    await running.settle()
    assert running.records() == []
    assert running.store.calls["create", names.RECORDS] == 0


async def test_a_namespace_that_goes_unnoticed_is_asked_for_once(running: Bench) -> None:
    running.store.muted = True
    running.store.put(builders.namespace(deleting=True))
    running.store.muted = False
    running.release("v1")
    await running.settle()
    assert running.records() == []
    assert running.store.calls["create", names.RECORDS] == 1


async def test_what_went_with_its_namespace_leaves_nothing_in_the_next_one_of_that_name(running: Bench) -> None:
    """A replica that could not look hears of the delete when a Namespace of that name is there again."""
    running.release("v1")
    await running.settle()
    old = running.deployment()
    running.store.muted = True
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    for record in running.store.all(names.RECORDS):
        running.store.remove(names.RECORDS, NAMESPACE, record["metadata"]["name"])
    running.store.remove(names.NAMESPACES, "", NAMESPACE)
    running.clock.advance(5)
    running.store.put(builders.namespace() | {"metadata": _successor_of(builders.namespace())})
    running.store.muted = False
    running.replicas[0].intake.watched(names.DEPLOYMENTS, "DELETED", old)
    await running.settle()
    assert running.records() == []
    assert running.replicas[0].world.chains == {}


async def test_a_binding_that_is_heard_of_before_its_new_namespace_is_recorded(running: Bench) -> None:
    old = builders.namespace(deleting=True)
    running.store.put(old)
    running.store.muted = True
    running.store.remove(names.NAMESPACES, "", NAMESPACE)
    running.store.put(old | {"metadata": _successor_of(builders.namespace())})
    running.store.muted = False
    running.release("v1")
    await running.settle()
    assert running.records() == []
    new = running.store.one(names.NAMESPACES, "", NAMESPACE)
    assert new is not None
    running.replicas[0].intake.watched(names.NAMESPACES, "DELETED", old | {"metadata": {"name": NAMESPACE}})
    running.replicas[0].intake.watched(names.NAMESPACES, "ADDED", new)
    await running.settle()
    assert releases(running) == [(1, "deploy", None, "v1")]


def _successor_of(namespace: dict[str, Any]) -> dict[str, Any]:
    return namespace["metadata"] | {"uid": builders.uid_of("the next namespace")}
