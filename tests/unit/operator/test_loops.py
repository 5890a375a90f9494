"""The loops together, around a store in memory: what is done in the cluster when something happens there."""

import asyncio
import copy
import json
import logging
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import builders
import pytest
from builders import NAMESPACE
from operator_bench import Bench, Replica

from moorage_crds import names
from moorage_crds.conditions import ConditionType, find
from moorage_crds.deployment import from_object
from moorage_crds.identifiers import BindingName, NamespaceName
from moorage_crds.record import spec_hash
from moorage_crds.store import ForbiddenError, InvalidError, ObjectRef, ThrottledError, UnavailableError
from moorage_crds.telemetry import HISTORY_LOGGER, configure_logging
from moorage_operator.loops.cascade import GRACE_SECONDS
from moorage_operator.loops.watchdog import COMPARED, DeadWatchError

WEB = "production.web"


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    made.store.put(builders.environment())
    return made


@pytest.fixture
async def running(bench: Bench) -> Bench:
    """A bench with one replica that has finished its first sweep."""
    replica = bench.replica()
    await replica.sweep.once()
    await bench.settle()
    return bench


def releases(bench: Bench) -> list[tuple[int, str, str | None, str | None]]:
    return [
        (spec["sequence"], spec["action"], spec.get("previousRelease"), spec.get("release")) for spec in bench.records()
    ]


def condition(raw: dict[str, Any], kind: ConditionType) -> tuple[str, str] | None:
    found = find(raw["status"]["conditions"], kind)
    return (found["status"], found["reason"]) if found else None


def is_one_chain(bench: Bench) -> bool:
    specs = bench.records()
    linked = all(after["previousHash"] == before["hash"] for before, after in pairwise(specs))
    return linked and all(spec["hash"] == spec_hash(spec) for spec in specs)


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


async def test_a_bare_delete_is_recorded_as_an_undeploy_by_nobody(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    running.clock.advance(5)
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await running.settle()
    assert releases(running) == [(1, "deploy", None, "v1"), (2, "undeploy", "v1", None)]
    assert "by" not in running.records()[1]
    assert is_one_chain(running)
    assert running.replicas[0].world.chains == {}
    assert running.environment()["status"]["activeDeployments"] == []


async def test_unrecorded_changes_of_a_deleted_binding_are_recorded_first(running: Bench) -> None:
    running.release("v1")
    running.release("v2")
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await running.settle()
    assert [action for _, action, _, _ in releases(running)] == ["deploy", "deploy", "undeploy"]


async def test_delete_and_create_under_one_name_are_two_chains(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    again = builders.deployment(log=builders.chain_log("v7"), uid=builders.uid_of("again"))
    running.store.put(again)
    await running.settle()
    by_uid: dict[str, list[str]] = {}
    for spec in running.records():
        by_uid.setdefault(spec["deployment"]["uid"], []).append(spec["action"])
    assert sorted(by_uid.values()) == [["deploy"], ["deploy", "undeploy"]]


# Without the policy


async def test_every_generation_without_the_policy_becomes_its_record(running: Bench) -> None:
    for release in ("v1", "v2", "v1"):
        running.release(release, stamped=False)
    await running.settle()
    assert releases(running) == [(1, "adopt", None, "v1"), (2, "adopt", "v1", "v2"), (3, "adopt", "v2", "v1")]
    assert condition(running.deployment(), ConditionType.HISTORY_COMPLETE) == ("False", "ChangedWithoutPolicy")
    assert running.replicas[0].world.degraded


async def test_two_replicas_agree_on_what_no_policy_watched(bench: Bench) -> None:
    for _ in range(2):
        await bench.replica().sweep.once()
    for release in ("v1", "v2", "v3"):
        bench.release(release, stamped=False)
    await bench.settle()
    assert [row[3] for row in releases(bench)] == ["v1", "v2", "v3"]
    assert is_one_chain(bench)
    assert condition(bench.deployment(), ConditionType.STALLED) is None


async def test_policies_that_are_missing_are_counted(running: Bench) -> None:
    assert running.replicas[0].measures.policies[names.POLICY_CHANGE_LOG] is False


# Two replicas


async def test_two_replicas_that_both_act_write_each_record_once(bench: Bench) -> None:
    for _ in range(2):
        await bench.replica().sweep.once()
    for number in range(10):
        bench.release(f"v{number}")
    await bench.settle()
    assert [spec["sequence"] for spec in bench.records()] == list(range(1, 11))
    assert is_one_chain(bench)


async def test_the_standby_leaves_fresh_changes_to_the_holder(bench: Bench) -> None:
    standby = bench.replica(acts=False)
    await standby.sweep.once()
    bench.release("v1")
    async with bench.working():
        assert standby.loops.recorder.queue
    assert bench.records() == []
    bench.clock.advance(2.1)
    await standby.loops.recorder.step(builders.uid_of(f"deployment {NAMESPACE} {WEB}"))
    await standby.loops.statuses.step(builders.uid_of(f"deployment {NAMESPACE} {WEB}"))
    assert releases(bench) == [(1, "deploy", None, "v1")]
    assert bench.deployment()["status"]["recordedSequence"] == 1


async def test_the_standby_writes_nothing_while_the_holder_works(bench: Bench) -> None:
    holder, standby = bench.replica(), bench.replica(acts=False)
    await holder.sweep.once()
    await standby.sweep.once()
    bench.release("v1")
    bench.release("v2")
    await bench.until(lambda: bench.deployment().get("status", {}).get("recordedSequence") == 2 and holder.settled)
    writes = bench.store.writes
    bench.clock.advance(10)
    await standby.loops.recorder.step(builders.uid_of(f"deployment {NAMESPACE} {WEB}"))
    assert bench.store.writes == writes


# Environments


async def test_a_deleted_environment_takes_its_bindings_along(running: Bench) -> None:
    running.release("v1")
    running.release("v1", app="api")
    await running.settle()
    running.store.remove(names.ENVIRONMENTS, NAMESPACE, "production")
    running.clock.advance(GRACE_SECONDS)
    await _stamp_the_operators_undeploys(running)
    assert running.store.all(names.DEPLOYMENTS) == []
    assert sorted(row[1] for row in releases(running)) == ["deploy", "deploy", "undeploy", "undeploy"]
    reasons = {spec.get("reason") for spec in running.records() if spec["action"] == "undeploy"}
    assert reasons == {"environment deleted"}


async def _stamp_the_operators_undeploys(bench: Bench) -> None:
    """Stand in for the change log's policy: an unstamped undeploy gets its entry, as in the write itself."""

    def stamp(plural: str, kind: str, raw: dict[str, Any]) -> None:
        gone = plural == names.DEPLOYMENTS and kind == "MODIFIED" and "release" not in raw["spec"]
        log = raw.get("changeLog")
        if not gone or log is None or "to" not in log["entries"][-1]:
            return
        last = log["entries"][-1]["to"]
        reason = raw["spec"]["change"]["reason"]
        log["entries"].append(builders.entry(log["sequence"] + 1, None, previous=last, by="operator", reason=reason))
        log["sequence"] += 1
        bench.store.put(raw)

    bench.store.watchers.insert(0, stamp)
    await bench.until(lambda: not bench.store.all(names.DEPLOYMENTS))
    await bench.settle()


async def test_bindings_stay_if_their_environment_is_there_again(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    running.store.remove(names.ENVIRONMENTS, NAMESPACE, "production")
    running.store.put(builders.environment(uid=builders.uid_of("successor")))
    await running.settle()
    status = running.deployment()["status"]
    assert status["environmentUid"] == builders.uid_of("successor")
    assert releases(running) == [(1, "deploy", None, "v1")]


async def test_bindings_wait_a_while_for_a_successor_of_their_environment(running: Bench) -> None:
    """Whoever replaces an Environment by force leaves a moment in which there is none."""
    running.release("v1")
    await running.settle()
    running.store.remove(names.ENVIRONMENTS, NAMESPACE, "production")
    running.clock.advance(GRACE_SECONDS - 1)
    chain = next(iter(running.replicas[0].world.chains.values()))
    assert await running.replicas[0].loops.cascade.step(chain.deployment.uid) == 1.0
    running.store.put(builders.environment(uid=builders.uid_of("successor")))
    running.clock.advance(1)
    await running.settle()
    assert running.deployment()["status"]["environmentUid"] == builders.uid_of("successor")
    # The next absence begins anew.
    running.store.remove(names.ENVIRONMENTS, NAMESPACE, "production")
    assert await running.replicas[0].loops.cascade.step(chain.deployment.uid) == GRACE_SECONDS
    assert releases(running) == [(1, "deploy", None, "v1")]


async def test_nothing_goes_on_the_word_of_a_watch(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    replica = running.replicas[0]
    raw = running.environment()
    replica.intake.watched(names.ENVIRONMENTS, "DELETED", raw)
    running.clock.advance(GRACE_SECONDS)
    await running.settle()
    assert running.deployment()["spec"]["release"] == "v1"


async def test_a_binding_that_never_had_an_environment_stays(bench: Bench) -> None:
    bench.store.remove(names.ENVIRONMENTS, NAMESPACE, "production")
    await bench.replica().sweep.once()
    bench.release("v1")
    await bench.settle()
    assert condition(bench.deployment(), ConditionType.READY) == ("False", "EnvironmentNotFound")
    bench.store.put(builders.environment())
    await bench.settle()
    assert condition(bench.deployment(), ConditionType.READY) == ("True", "Recorded")


async def test_a_lock_holds_up_the_cascade_and_is_asked_again(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    running.store.fail("patch", names.DEPLOYMENTS, ForbiddenError("environment production is locked"))
    running.store.remove(names.ENVIRONMENTS, NAMESPACE, "production")
    running.clock.advance(GRACE_SECONDS)
    await running.settle()
    assert running.deployment()["spec"]["release"] == "v1"
    assert running.replicas[0].loops.cascade.queue.failing == 1


async def test_a_late_status_does_not_land_on_a_successor(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    chain = next(iter(running.replicas[0].world.chains.values()))
    running.store.muted = True
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    running.store.put(builders.deployment(uid=builders.uid_of("successor"), release="v9"))
    chain.stored = b"{}"
    await running.replicas[0].loops.statuses.step(chain.deployment.uid)
    assert "status" not in running.deployment()


async def test_a_seeded_workspace_gets_its_environments(running: Bench) -> None:
    running.store.put(builders.namespace(seeded=True))
    await running.settle()
    found = {raw["metadata"]["name"] for raw in running.store.all(names.ENVIRONMENTS)}
    assert found == {"production", "staging", "development"}


async def test_a_default_environment_that_was_deleted_comes_back(running: Bench) -> None:
    running.store.put(builders.namespace(seeded=True))
    await running.settle()
    running.store.remove(names.ENVIRONMENTS, NAMESPACE, "staging")
    await running.settle()
    assert running.store.one(names.ENVIRONMENTS, NAMESPACE, "staging") is not None


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
    """To a TaskGroup a cancelled task is one that was no longer wanted: the loop would end without a word."""
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


# Retention


async def test_retention_moves_the_floor_first_and_removes_what_lies_below() -> None:
    bench = Bench()
    bench.store.put(builders.environment())
    replica = bench.replica(records=3)
    await replica.sweep.once()
    for number in range(8):
        bench.release(f"v{number}")
    await bench.settle()
    bench.clock.advance(91 * 86_400)
    floors: list[tuple[int, int]] = []
    bench.store.watchers.append(
        lambda plural, kind, _: (
            floors.append((_floor(bench), len(bench.records())))
            if (plural, kind) == (names.RECORDS, "DELETED")
            else None
        )
    )
    await replica.sweep.once()
    await bench.settle()
    assert [spec["sequence"] for spec in bench.records()] == [6, 7, 8]
    assert {floor for floor, _ in floors} == {6}
    status = bench.deployment()["status"]
    assert status["history"]["floorHash"] == bench.records()[0]["previousHash"]
    bench.release("v9")
    await bench.settle()
    assert is_one_chain(bench)


def _floor(bench: Bench) -> int:
    return int(bench.deployment()["status"]["history"]["floorSequence"])


async def test_an_interrupted_removal_is_finished_by_the_next_sweep() -> None:
    bench = Bench()
    bench.store.put(builders.environment())
    replica = bench.replica(records=3)
    await replica.sweep.once()
    for number in range(8):
        bench.release(f"v{number}")
    await bench.settle()
    bench.clock.advance(91 * 86_400)
    bench.store.fail("delete", names.RECORDS, UnavailableError("reset"))
    await replica.sweep.once()
    await bench.until(lambda: len(bench.records()) == 3)
    assert [spec["sequence"] for spec in bench.records()] == [6, 7, 8]


async def test_the_history_of_a_deleted_binding_goes_after_its_time(running: Bench) -> None:
    running.release("v1")
    await running.settle()
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await running.settle()
    running.clock.advance(89 * 86_400)
    await running.replicas[0].sweep.once()
    await running.settle()
    assert len(running.records()) == 2
    running.clock.advance(2 * 86_400)
    await running.replicas[0].sweep.once()
    await running.settle()
    assert running.records() == []


async def test_removed_records_are_written_to_the_log(running: Bench, caplog: pytest.LogCaptureFixture) -> None:
    running.release("v1")
    await running.settle()
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await running.settle()
    running.clock.advance(91 * 86_400)
    wanted = running.records()
    with caplog.at_level("INFO", logger="moorage.history"):
        await running.replicas[0].sweep.once()
        await running.settle()
    lines = [line.fields["record"]["spec"] for line in caplog.records if line.name == "moorage.history"]  # type: ignore[attr-defined]
    assert lines == wanted


async def test_a_chain_that_an_adoption_ended_is_asked_for_once_and_goes_after_its_time(running: Bench) -> None:
    """The release is taken out while no policy watches, and the Deployment is deleted later."""
    running.release("v1")
    running.release(None, stamped=False)
    await running.settle()
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await running.settle()
    assert releases(running) == [(1, "deploy", None, "v1"), (2, "adopt", "v1", None)]
    running.clock.advance(700)
    sweep = running.replicas[0].sweep
    await sweep.once()
    asked = running.store.calls["get", names.RECORDS]
    for _ in range(3):
        await sweep.once()
    assert running.store.calls["get", names.RECORDS] == asked
    assert len(running.records()) == 2
    running.clock.advance(91 * 86_400)
    await sweep.once()
    await running.settle()
    assert running.records() == []
    await sweep.once()
    assert sweep._ended == set()


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """What a process sets for itself is taken back afterwards."""
    root, history = logging.getLogger(), logging.getLogger(HISTORY_LOGGER)
    handlers, levels = root.handlers[:], (root.level, history.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    history.setLevel(levels[1])


@pytest.mark.usefixtures("logging_as_it_was")
@pytest.mark.parametrize("level", ["WARNING", "ERROR"])
async def test_removed_records_are_written_whatever_the_level(
    running: Bench, capsys: pytest.CaptureFixture[str], level: str
) -> None:
    configure_logging(level, "operator")
    running.release("v1")
    await running.settle()
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await running.settle()
    running.clock.advance(91 * 86_400)
    wanted = running.records()
    await running.replicas[0].sweep.once()
    await running.settle()
    assert running.records() == []
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["record"]["spec"] for line in lines if line["logger"] == HISTORY_LOGGER] == wanted
    # Nothing else of that level is told.
    assert {line["level"] for line in lines if line["logger"] != HISTORY_LOGGER} <= {"warning", "error"}


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
