"""What REST shows of how releases arrived."""

import asyncio
from typing import Any

import pytest
from facade_world import BASE, NAMESPACE, World

from moorage_crds import names

ROOT = BASE.removesuffix("/environments")


def status_of(world: World, sequence: int, phase: str, **more: Any) -> None:
    """The operator writes what became of a change."""
    raw = world.raw(names.DEPLOYMENTS, "staging.web")
    rollout = {"sequence": sequence, "phase": phase, "since": "2026-01-31T12:00:05Z", "targets": 1, "ready": 0}
    raw["status"] = {**raw["status"], "rollout": {**rollout, **more}}
    world.cluster.put(raw, names.DEPLOYMENTS)
    world.deliver()


async def recorded(*releases: str) -> World:
    world = World()
    world.environment()
    for release in releases:
        await world.deploy("web", release)
    world.record("staging.web")
    return world


async def shown(world: World) -> Any:
    return (await world.call("GET", f"{BASE}/staging")).json["rollouts"]


async def lines(world: World) -> list[tuple[int, str | None, str | None]]:
    found = (await world.call("GET", f"{BASE}/staging/deployments")).json["deployments"]
    return [(line["sequence"], line["outcome"], line["healthy_at"]) for line in found]


async def test_nothing_follows_the_app_and_everything_reads_as_before() -> None:
    world = await recorded("v1", "v2")

    assert await shown(world) == {}
    assert await lines(world) == [(2, None, None), (1, None, None)]


async def test_a_rollout_is_shown_and_moves_the_tag() -> None:
    world = await recorded("v1")
    before = (await world.call("GET", f"{BASE}/staging")).headers["ETag"]
    status_of(world, 1, "Progressing", message="Deployment web: not all replicas are updated")

    assert await shown(world) == {
        "web": {
            "phase": "Progressing",
            "since": "2026-01-31T12:00:05Z",
            "healthy_at": None,
            "message": "Deployment web: not all replicas are updated",
        }
    }
    assert (await world.call("GET", f"{BASE}/staging")).headers["ETag"] != before
    assert await lines(world) == [(1, None, None)]


async def test_what_is_known_of_an_earlier_change_says_nothing_of_a_new_one() -> None:
    world = await recorded("v1")
    status_of(world, 1, "Healthy", healthySince="2026-01-31T12:00:05Z")
    assert await lines(world) == [(1, "healthy", "2026-01-31T12:00:05Z")]

    await world.deploy("web", "v2")

    assert (await shown(world))["web"]["phase"] == "Waiting"
    assert await lines(world) == [(2, None, None), (1, "healthy", "2026-01-31T12:00:05Z")]


async def test_the_history_says_how_each_change_ended() -> None:
    world = await recorded("v1", "v2", "v3")
    raw = world.raw(names.DEPLOYMENTS, "staging.web")
    raw["status"]["outcomes"] = [
        {"sequence": 1, "outcome": "healthy", "healthyAt": "2026-01-31T12:00:01Z"},
        {"sequence": 2, "outcome": "superseded"},
    ]
    world.cluster.put(raw, names.DEPLOYMENTS)
    status_of(world, 3, "Failed", message="Deployment web: its progress deadline is exceeded")

    assert await lines(world) == [(3, "failed", None), (2, "superseded", None), (1, "healthy", "2026-01-31T12:00:01Z")]


async def test_the_history_of_a_workspace_is_filtered_by_how_changes_ended() -> None:
    world = await recorded("v1", "v2", "v3", "v4")
    raw = world.raw(names.DEPLOYMENTS, "staging.web")
    raw["status"]["outcomes"] = [
        {"sequence": 1, "outcome": "failed"},
        {"sequence": 2, "outcome": "superseded"},
        {"sequence": 3, "outcome": "failed"},
    ]
    world.cluster.put(raw, names.DEPLOYMENTS)
    status_of(world, 4, "Progressing")

    async def ended(query: str) -> tuple[list[str], str | None]:
        reply = await world.call("GET", f"{ROOT}/deployments?{query}")
        assert reply.status == 200, reply.json
        return [line["release_id"] for line in reply.json["deployments"]], reply.json["next_cursor"]

    assert await ended("outcome=failed") == (["v3", "v1"], None)
    assert await ended("outcome=superseded&app_id=web") == (["v2"], None)
    assert await ended("outcome=healthy") == ([], None)
    first, cursor = await ended("outcome=failed&limit=1")
    assert (first, await ended(f"outcome=failed&limit=1&cursor={cursor}")) == (["v3"], (["v1"], None))
    assert (await world.call("GET", f"{ROOT}/deployments?cursor={cursor}")).status == 422
    status_of(world, 4, "Failed")
    assert await ended("outcome=failed") == (["v4", "v3", "v1"], None)


async def test_who_may_not_see_releases_sees_no_rollouts() -> None:
    world = await recorded("v1")
    status_of(world, 1, "Healthy", healthySince="2026-01-31T12:00:05Z")
    world.reviews.grant("reader", f"get {names.ENVIRONMENTS}", namespace=NAMESPACE)

    reply = await world.call("GET", f"{BASE}/staging", user="reader")

    assert (reply.json["active_deployments"], reply.json["rollouts"]) == (None, None)


async def test_what_a_get_answered_may_be_sent_back() -> None:
    world = await recorded("v1")
    status_of(world, 1, "Healthy")

    body = (await world.call("GET", f"{BASE}/staging")).json

    assert (await world.call("PUT", f"{BASE}/staging", body)).status == 200


async def test_one_app_says_all_that_is_known_of_it() -> None:
    world = await recorded("v1")
    status_of(world, 1, "Healthy", healthySince="2026-01-31T12:00:05Z")

    reply = await world.call("GET", f"{BASE}/staging/deploy/web")

    assert reply.status == 200
    lines = (await world.call("GET", f"{BASE}/staging/deployments")).json["deployments"]
    assert (reply.json["release_id"], reply.json["line"]) == ("v1", lines[0])
    assert reply.json["rollout"] == (await shown(world))["web"]
    assert (await world.call("GET", f"{BASE}/staging/deploy/other")).status == 404
    assert (await world.call("GET", f"{BASE}/staging/deploy/Web")).status == 404
    await world.call("DELETE", f"{BASE}/staging/deploy/web")
    gone = await world.call("GET", f"{BASE}/staging/deploy/web")
    assert (gone.json["release_id"], gone.json["rollout"], gone.json["line"]["action"]) == (None, None, "undeploy")


WAITING = f"{BASE}/staging/deploy?wait=healthy&timeout=120"


async def deploying(world: World, release: str) -> "asyncio.Task[Any]":
    """A deploy that waits; its change is made when this returns."""
    before = world.raw(names.DEPLOYMENTS, "staging.web")["changeLog"]["sequence"]
    task = asyncio.create_task(world.call("POST", WAITING, {"app_id": "web", "release_id": release}))
    while world.raw(names.DEPLOYMENTS, "staging.web")["changeLog"]["sequence"] == before:  # noqa: ASYNC110
        await asyncio.sleep(0)
    return task


@pytest.mark.parametrize(
    ("phase", "more"), [("Healthy", {"healthySince": "2026-01-31T12:00:05Z"}), ("Failed", {"message": "no image"})]
)
async def test_a_deploy_waits_until_it_is_decided(phase: str, more: dict[str, Any]) -> None:
    world = await recorded("v1")
    status_of(world, 1, "Healthy", healthySince="2026-01-31T12:00:00Z")
    task = await deploying(world, "v2")
    world.record("staging.web")
    for still in ("Waiting", "Progressing"):
        status_of(world, 2, still)
        await asyncio.sleep(0)
        assert not task.done()

    status_of(world, 2, phase, **more)
    reply = await task

    assert reply.status == 200
    assert reply.json["rollout"]["phase"] == phase
    assert reply.json["deployment_id"].endswith("-00000002")


async def test_a_wait_ends_when_another_change_comes_or_nothing_follows() -> None:
    world = await recorded("v1")
    status_of(world, 1, "Healthy")
    task = await deploying(world, "v2")
    await world.deploy("web", "v3")
    replaced = await task
    assert (replaced.status, replaced.json["rollout"]) == (200, None)

    alone = await recorded("v1")
    task = await deploying(alone, "v2")
    alone.record("staging.web")
    assert (await task).json["rollout"] is None


async def test_a_wait_has_an_end_and_the_change_is_made() -> None:
    world = await recorded("v1")
    status_of(world, 1, "Healthy")

    path = f"{BASE}/staging/deploy?wait=healthy&timeout=1"
    reply = await world.call("POST", path, {"app_id": "web", "release_id": "v2"})

    assert (reply.status, reply.json["rollout"]["phase"]) == (200, "Waiting")
    assert world.raw(names.DEPLOYMENTS, "staging.web")["spec"]["release"] == "v2"


@pytest.mark.parametrize("query", ["wait=soon", "wait=healthy&timeout=0", "wait=healthy&timeout=121"])
async def test_a_wait_that_means_nothing_is_refused_before_the_change(query: str) -> None:
    world = await recorded("v1")

    reply = await world.call("POST", f"{BASE}/staging/deploy?{query}", {"app_id": "web", "release_id": "v2"})

    assert reply.status == 422
    assert world.raw(names.DEPLOYMENTS, "staging.web")["spec"]["release"] == "v1"
