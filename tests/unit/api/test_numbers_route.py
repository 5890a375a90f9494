"""The numbers of delivery by REST: of what, of when, and for whom."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from facade_world import BASE, ORG, WORKSPACE, World
from fixed_clock import START

from moorage_api.handlers.numbers import MOST_WAITING
from moorage_crds import names
from moorage_crds.moments import to_text

PATH = f"/v1/orgs/{ORG}/workspaces/{WORKSPACE}/metrics/dora"


async def told(world: World, query: str = "", **options: Any) -> dict[str, Any]:
    reply = await world.call("GET", f"{PATH}{query}", **options)
    assert reply.status == 200, reply.content
    return dict(reply.json)


async def furnished() -> World:
    """Two environments; one release fails in production and is rolled back, one never gets so far."""
    world = World()
    for slug in ("staging", "production"):
        world.environment(slug)
    for number, release in enumerate(("v1", "v2", "v3")):
        await world.deploy("web", release)
        world.record("staging.web")
        world.clock.advance(600)
        if number < 2:
            await world.deploy("web", release, environment="production")
        world.clock.advance(3000)
    answer = await world.call("POST", f"{BASE}/production/deploy/web/rollback", {})
    assert answer.status == 200, answer.content
    world.record("production.web")
    world.clock.advance(60)
    return world


async def test_each_environment_has_its_numbers() -> None:
    world = await furnished()
    said = await told(world)

    now = world.clock.now()
    assert (said["since"], said["until"]) == (to_text(now - timedelta(days=30)), to_text(now))
    assert [one["environment"] for one in said["environments"]] == ["production", "staging"]
    production, staging = said["environments"]
    assert production["environment_id"]
    assert production["apps"] is None
    total = production["total"]
    assert (total["deployments"], total["rollbacks"], total["failures"], total["change_failure_rate"]) == (2, 1, 1, 0.5)
    assert total["lead_time"] == {"median_seconds": 600, "p90_seconds": 600, "count": 2}
    assert total["time_to_restore"] == {"median_seconds": 6600, "p90_seconds": 6600, "count": 1}
    assert "time_to_healthy" in total["unknown"]
    assert staging["total"]["deployments"] == 3
    assert set(staging["total"]["unknown"]) == {"lead_time", "time_to_healthy", "time_to_restore"}


async def test_outcomes_count_where_something_follows() -> None:
    world = World()
    world.environment("staging")
    await world.deploy("web", "v1")
    world.record("staging.web")
    raw = world.raw(names.DEPLOYMENTS, "staging.web")
    healthy = to_text(START + timedelta(seconds=40))
    raw["status"]["rollout"] = {
        "sequence": 1,
        "phase": "Healthy",
        "since": healthy,
        "healthySince": healthy,
        "targets": 1,
        "ready": 1,
    }
    world.cluster.put(raw, names.DEPLOYMENTS)
    world.clock.advance(60)

    total = (await told(world))["environments"][0]["total"]
    assert total["time_to_healthy"]["count"] == 1
    assert total["change_failure_rate"] == 0


async def test_one_environment_has_its_apps_and_one_app_is_alone() -> None:
    world = await furnished()
    await world.deploy("api", "v1")
    world.clock.advance(60)
    (staging,) = (await told(world, "?environment_id=staging"))["environments"]
    assert set(staging["apps"]) == {"api", "web"}
    (staging,) = (await told(world, "?environment_id=staging&app_id=api"))["environments"]
    assert set(staging["apps"]) == {"api"}
    (gone,) = (await told(world, "?environment_id=gone"))["environments"]
    assert (gone["environment_id"], gone["total"]["deployments"], gone["apps"]) == (None, 0, {})


async def test_a_time_can_be_divided() -> None:
    world = await furnished()
    world.clock.advance(24 * 3600)
    assert [one["steps"] for one in (await told(world))["environments"]] == [None, None]
    said = await told(world, f"?step=day&since={to_text(world.clock.now() - timedelta(days=3))}")
    production = said["environments"][0]
    steps = production["steps"]
    assert [step["since"] for step in steps[1:]] == [step["until"] for step in steps[:-1]]
    assert (steps[0]["since"], steps[-1]["until"]) == (said["since"], said["until"])
    assert [step["numbers"]["deployments"] for step in steps] == [0, 2, 0]
    assert steps[1]["numbers"]["change_failure_rate"] == 0.5
    assert steps[1]["numbers"]["time_to_restore"] == production["total"]["time_to_restore"]
    assert len((await told(world, "?step=week"))["environments"][0]["steps"]) == 4


async def test_a_time_has_a_bounded_number_of_steps() -> None:
    world = World()
    since = to_text(world.clock.now() - timedelta(days=101))
    assert (await world.call("GET", f"{PATH}?step=week&since={since}")).status == 200
    reply = await world.call("GET", f"{PATH}?step=day&since={since}")
    assert (reply.status, reply.json["detail"][0]["loc"]) == (422, ["query", "step"])
    assert (await world.call("GET", f"{PATH}?step=hour")).status == 422


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?since=2026-01-31T12:00:00Z&until=2026-01-31T12:00:00Z", 422),
        ("?since=2999-01-01T00:00:00Z", 422),
        ("?since=2020-01-01T00:00:00Z", 422),
        ("?environment_id=5f0c8a52-3f1e-4b6c-9a43-0d2d5b0c7e11", 404),
        ("?until=2999-01-01T00:00:00Z", 200),
    ],
)
async def test_a_time_and_an_environment_that_there_can_be(query: str, status: int) -> None:
    assert (await World().call("GET", f"{PATH}{query}")).status == status


async def test_who_asks_at_once_gets_an_answer_or_is_told_to_wait() -> None:
    world = await furnished()
    users = [f"reader-{number}" for number in range(MOST_WAITING + 3)]
    for user in users:
        world.reviews.grant(user, f"list {names.RECORDS}")
    replies = await asyncio.gather(*(world.call("GET", PATH, user=user) for user in users))
    assert sorted(reply.status for reply in replies) == [200] * MOST_WAITING + [503] * 3
    assert (await world.call("GET", PATH)).status == 200


async def test_one_reader_holds_one_place() -> None:
    world = await furnished()
    world.reviews.grant("bob", f"list {names.RECORDS}")
    asked = [*(world.call("GET", PATH) for _ in range(MOST_WAITING + 3)), world.call("GET", PATH, user="bob")]
    *own, others = await asyncio.gather(*asked)
    assert sorted(reply.status for reply in own) == [200] + [503] * (MOST_WAITING + 2)
    assert others.status == 200


async def test_the_right_to_the_history_is_needed() -> None:
    world = World()
    world.reviews.grant("viewer", "list environments")
    assert (await world.call("GET", PATH, user="viewer")).status == 403
    assert (await world.call("GET", PATH, user=None)).status == 401
