"""The evidence of a protected environment: followed change by change, read again after a start, and never of others."""

import asyncio
from typing import Any

import builders
import pytest
from operator_bench import Bench

from moorage_crds import names
from moorage_crds.objects import RawObject

SHOP = builders.NAMESPACE


@pytest.fixture
async def bench() -> Bench:
    """`live` takes releases from `production`, after ten seconds."""
    made = Bench()
    made.store.put(builders.environment("production"))
    made.store.put(builders.environment("live", promotion={"from": "production", "soak": "10s"}))
    made.store.put(builders.environment("other"))
    replica = made.replica()
    await replica.sweep.once()
    return made


def gates(bench: Bench, environment: str = "live") -> dict[str, Any]:
    return dict((bench.environment(environment).get("status") or {}).get("gates") or {})


def proven(bench: Bench) -> list[tuple[str, str]]:
    return [(one["release"], one["eligibleAt"]) for one in gates(bench).get("proven", {}).get("web", [])]


async def deploy(bench: Bench, release: str | None, *, after: float) -> None:
    bench.clock.advance(after)
    bench.release(release)
    await bench.settle()


async def test_evidence_follows_the_environment_before(bench: Bench) -> None:
    await deploy(bench, "v1", after=0)
    assert proven(bench) == [("v1", builders.at(10))]

    await deploy(bench, "v2", after=20)
    assert proven(bench) == [("v2", builders.at(30)), ("v1", builders.at(10))]

    # v2 left before it had soaked.
    await deploy(bench, "v3", after=5)
    assert proven(bench) == [("v3", builders.at(35)), ("v1", builders.at(10))]


async def test_evidence_says_for_which_rule_it_is(bench: Bench) -> None:
    await deploy(bench, "v1", after=0)

    assert gates(bench)["provenFor"] == {"from": "production", "soak": "10s", "require": "Deployed"}
    assert gates(bench)["closed"] is False


async def test_environments_that_nothing_stands_before_say_nothing(bench: Bench) -> None:
    await deploy(bench, "v1", after=0)

    assert gates(bench, "production") == gates(bench, "other") == {}


async def test_an_operator_that_has_just_started_finds_the_same_evidence(bench: Bench) -> None:
    for release in ("v1", "v2", None, "v3"):
        await deploy(bench, release, after=15)
    before = bench.environment("live")

    bench.replicas.clear()
    bench.store.watchers.clear()
    replica = bench.replica()
    await replica.sweep.once()
    await bench.settle()
    await deploy(bench, "v4", after=15)

    assert [release for release, _ in proven(bench)] == ["v4", "v3", "v2", "v1"]
    assert {one["release"]: one["eligibleAt"] for one in before["status"]["gates"]["proven"]["web"]}.items() <= dict(
        proven(bench)
    ).items()


async def test_a_rule_that_is_taken_away_takes_its_evidence_along(bench: Bench) -> None:
    await deploy(bench, "v1", after=0)
    raw = bench.environment("live")
    del raw["spec"]["promotion"]

    bench.store.put(raw)
    await bench.settle()

    assert gates(bench) == {}


def a_lock(until: str | None = None) -> RawObject:
    spec = {"reason": "audit", **({"until": until} if until else {})}
    metadata = {"name": "other", "namespace": SHOP, "uid": builders.uid_of("lock"), "creationTimestamp": builders.at()}
    return {
        "apiVersion": names.API_VERSION,
        "kind": "EnvironmentLock",
        "metadata": metadata,
        "spec": spec,
        "provenance": {"createdBy": "carol", "updatedBy": "carol"},
    }


async def test_a_lock_shows_by_whom_and_until_when(bench: Bench) -> None:
    bench.store.put(a_lock(builders.at(60)))
    await bench.settle()

    said = gates(bench, "other")

    assert (said["closed"], said["lockedBy"], said["nextOpen"]) == (True, "carol", builders.at(60))
    [ready] = bench.environment("other")["status"]["conditions"]
    assert (ready["status"], "takes no deployments now" in ready["message"]) == ("True", True)


async def test_a_lock_that_went_unseen_is_missed_by_the_next_sweep(bench: Bench) -> None:
    bench.store.put(a_lock())
    await bench.settle()
    assert gates(bench, "other")["closed"] is True

    [replica] = bench.replicas
    del bench.store.objects[names.LOCKS, SHOP, "other"]
    await replica.sweep.once()
    await bench.settle()

    assert gates(bench, "other") == {}


async def test_a_lock_that_is_over_is_noticed_without_an_event(bench: Bench) -> None:
    bench.store.put(a_lock(builders.at(60)))
    await bench.settle()

    bench.clock.advance(61)
    [replica] = bench.replicas
    edges = asyncio.create_task(replica.machinery.loops.environments.watch_edges())

    await bench.until(lambda: gates(bench, "other")["closed"] is False)

    edges.cancel()
