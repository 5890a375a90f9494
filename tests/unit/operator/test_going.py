"""Environments and bindings that are going, and what is left when they are gone."""

import copy
from collections.abc import Iterator
from typing import Any

import builders
import pytest
from builders import NAMESPACE
from operator_bench import Bench

from moorage_crds import names
from moorage_crds.conditions import ConditionType, find
from moorage_crds.objects import RawObject
from moorage_operator.environments.cascade import GRACE_SECONDS

WEB = "production.web"


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    made.store.put(builders.environment())
    await made.replica().sweep.once()
    await made.settle()
    return made


def terminating(raw: RawObject) -> RawObject:
    raw["metadata"] |= {"deletionTimestamp": builders.at(), "finalizers": ["example.com/held"]}
    return raw


def actions(bench: Bench) -> list[tuple[int, str]]:
    return [(spec["sequence"], spec["action"]) for spec in bench.records()]


async def test_an_environment_that_is_going_still_shows_what_is_deployed(bench: Bench) -> None:
    bench.release("v1")
    await bench.settle()
    bench.store.put(terminating(bench.environment()))
    bench.clock.advance(5)
    bench.release("v2")
    await bench.settle()
    status = bench.environment()["status"]
    assert [one["release"] for one in status["activeDeployments"]] == ["v2"]
    ready = find(status["conditions"], ConditionType.READY)
    assert ready is not None
    assert (ready["status"], ready["reason"]) == ("False", "Deleting")


async def test_nothing_is_taken_from_an_environment_that_is_going(bench: Bench) -> None:
    bench.release("v1")
    await bench.settle()
    bench.store.put(terminating(bench.environment()))
    bench.clock.advance(GRACE_SECONDS * 2)
    await bench.replicas[0].sweep.once()
    await bench.settle()
    assert actions(bench) == [(1, "deploy")]


async def test_an_environment_that_is_going_is_not_made_again(bench: Bench) -> None:
    bench.store.put(terminating(bench.environment()))
    bench.store.put(builders.namespace(seeded=True))
    await bench.settle()
    assert bench.store.calls["create", names.ENVIRONMENTS] == 2


async def test_a_binding_that_is_going_still_counts_as_deployed(bench: Bench) -> None:
    bench.release("v1")
    await bench.settle()
    bench.store.put(terminating(bench.deployment()))
    await bench.settle()
    assert bench.environment()["status"]["activeDeploymentCount"] == 1


def stamping(bench: Bench) -> None:
    """Stand in for the change log's policy: an undeploy of the operator gets its entry."""

    def stamp(plural: str, kind: str, raw: dict[str, Any]) -> None:
        if plural != names.DEPLOYMENTS or kind != "MODIFIED" or "release" in raw["spec"]:
            return
        last = raw["changeLog"]["entries"][-1]
        if "to" in last:
            entry = builders.entry(last["sequence"] + 1, None, previous=last["to"], by="operator")
            raw["changeLog"] = {"sequence": entry["sequence"], "entries": [*raw["changeLog"]["entries"], entry]}
            bench.store.put(raw)

    bench.store.watchers.insert(0, stamp)


async def test_what_was_deployed_just_before_its_environment_went_goes_too(bench: Bench) -> None:
    """No status has had the time to say that the binding belonged to it."""
    stamping(bench)
    bench.release("v1")
    bench.store.remove(names.ENVIRONMENTS, NAMESPACE, "production")
    assert "environmentUid" not in (bench.deployment().get("status") or {})
    bench.clock.advance(GRACE_SECONDS)
    await bench.until(lambda: not bench.store.all(names.DEPLOYMENTS))
    assert actions(bench) == [(1, "deploy"), (2, "undeploy")]


async def test_what_git_applies_after_an_environment_went_stays(bench: Bench) -> None:
    bench.store.remove(names.ENVIRONMENTS, NAMESPACE, "production")
    bench.release("v1")
    await bench.settle()
    bench.clock.advance(GRACE_SECONDS * 2)
    await bench.replicas[0].sweep.once()
    await bench.settle()
    assert actions(bench) == [(1, "deploy")]


async def test_somebody_who_redeploys_during_a_cascade_loses_in_the_end(bench: Bench) -> None:
    bench.release("v1")
    await bench.settle()
    again: Iterator[str] = iter(["v2", "v3", "v4"])

    def redeploy(plural: str, kind: str, raw: dict[str, Any]) -> None:
        """As soon as the status says that the undeploy is recorded, the app is deployed once more."""
        recorded = (raw.get("status") or {}).get("recordedSequence")
        undeployed = plural == names.DEPLOYMENTS and kind == "MODIFIED" and "release" not in raw["spec"]
        if undeployed and recorded == raw["changeLog"]["sequence"]:
            release = next(again, None)
            if release is not None:
                bench.release(release, by="mallory")

    stamping(bench)
    bench.store.watchers.append(redeploy)
    bench.store.remove(names.ENVIRONMENTS, NAMESPACE, "production")
    bench.clock.advance(GRACE_SECONDS)
    await bench.until(lambda: not bench.store.all(names.DEPLOYMENTS))
    assert next(again, None) is None
    assert actions(bench) == list(enumerate(["deploy", "undeploy"] * 4, start=1))


async def test_what_only_the_last_state_of_a_binding_says_is_recorded(bench: Bench) -> None:
    """The watch was away while it was changed; the event of its end has the entries."""
    bench.release("v1")
    await bench.settle()
    bench.store.muted = True
    bench.release("v2")
    bench.release("v3")
    bench.store.muted = False
    bench.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    await bench.settle()
    assert [(spec["action"], spec.get("release")) for spec in bench.records()] == [
        ("deploy", "v1"),
        ("deploy", "v2"),
        ("deploy", "v3"),
        ("undeploy", None),
    ]


async def test_an_older_event_after_the_end_changes_nothing(bench: Bench) -> None:
    bench.release("v1")
    before = copy.deepcopy(bench.deployment())
    bench.release("v2")
    bench.store.remove(names.DEPLOYMENTS, NAMESPACE, WEB)
    bench.replicas[0].intake.watched(names.DEPLOYMENTS, "MODIFIED", before)
    await bench.settle()
    assert [number for number, _ in actions(bench)] == [1, 2, 3]
