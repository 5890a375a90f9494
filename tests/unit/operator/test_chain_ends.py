"""Deleted bindings, cascades, and two replicas, around a store in memory."""

import builders
from builders import NAMESPACE
from operator_bench import WEB, Bench, condition, is_one_chain, releases

from moorage_crds import names
from moorage_crds.conditions import ConditionType
from moorage_crds.store import ForbiddenError
from moorage_operator.environments.cascade import GRACE_SECONDS
from moorage_operator.memory.chain_state import StatusStored
from moorage_operator.sweep.watchdog import LIMIT_SECONDS


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


async def test_a_sweep_that_comes_to_a_chain_that_is_forgotten_leaves_no_ghost(running: Bench) -> None:
    """It goes through many bindings with pauses, and those of a Namespace that is deleted end in one of them."""
    running.release("v1")
    [replica] = running.replicas
    [chain] = replica.world.chains.values()
    running.store.put(builders.namespace(deleting=True))
    running.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await running.settle()
    assert (replica.world.chains, bool(chain.arrivals)) == ({}, True)
    replica.intake.review(chain)
    await running.settle()
    running.store.put(builders.namespace("elsewhere"))
    running.clock.advance(LIMIT_SECONDS * 2)
    await replica.watchdog.look()
    assert replica.world.unrecorded == replica.world.degraded == set()


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
    """The change log's policy is in force while the bindings go."""
    bench.store.stamps = True
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
    """A forced replacement of an Environment leaves a moment in which there is none."""
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
    # The next absence is counted from zero.
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
    running.replicas[0].world.tell(chain, StatusStored(b"{}"))
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
