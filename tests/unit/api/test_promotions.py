"""Promotion by REST: each app moves by an ordinary deploy, and one that is refused stops none of the others."""

from typing import Any

import pytest
from facade_world import BASE, World

from moorage_crds import names

PROMOTE = f"{BASE}/production/promote"
FROM = {"from_environment_id": "staging"}


async def two_places() -> World:
    """staging has three apps; production has one of them as it is there, and one at an older release."""
    world = World()
    world.environment("staging")
    world.environment("production", promotion={"from": "staging"})
    for app, release in (("api", "v1"), ("web", "v2"), ("mail", "v3")):
        await world.deploy(app, release)
    for app, release in (("api", "v1"), ("web", "v1")):
        await world.deploy(app, release, environment="production")
    return world


async def active(world: World, environment: str = "production") -> dict[str, Any]:
    rows = world.cluster.objects
    found = [raw["spec"] for (plural, _, _), raw in rows.items() if plural == names.DEPLOYMENTS]
    return {one["app"]: one["release"] for one in found if one["environment"] == environment}


async def test_every_app_that_differs_goes_on_by_name() -> None:
    world = await two_places()

    reply = await world.call("POST", PROMOTE, {"reason": "release day"})

    assert (reply.status, reply.json["promoted"], reply.json["refused"]) == (200, 2, 0)
    assert [(one["app_id"], one["previous_release_id"], one["release_id"]) for one in reply.json["lines"]] == [
        ("mail", None, "v3"),
        ("web", "v1", "v2"),
    ]
    assert await active(world) == {"api": "v1", "web": "v2", "mail": "v3"}
    stored = world.raw(names.DEPLOYMENTS, "production.web")["spec"]["change"]
    assert stored["reason"] == "release day"
    assert (await world.call("POST", PROMOTE)).json["lines"] == []


async def test_a_dry_run_is_the_prognosis_and_stores_nothing() -> None:
    world = await two_places()
    before = await active(world)

    reply = await world.call("POST", f"{PROMOTE}?dry_run=true", FROM)

    assert [(one["app_id"], one["promoted"]) for one in reply.json["lines"]] == [("mail", True), ("web", True)]
    assert await active(world) == before


async def test_one_app_alone_goes_on() -> None:
    world = await two_places()

    reply = await world.call("POST", PROMOTE, {"app_id": "web", **FROM})

    assert [one["app_id"] for one in reply.json["lines"]] == ["web"]
    assert await active(world) == {"api": "v1", "web": "v2"}
    assert (await world.call("POST", PROMOTE, {"app_id": "absent"})).status == 404


async def test_what_a_lock_refuses_stands_in_its_line() -> None:
    world = await two_places()
    assert (await world.call("PUT", f"{BASE}/production/lock", {"reason": "audit"})).status == 200

    reply = await world.call("POST", PROMOTE, FROM)

    assert (reply.status, reply.json["promoted"], reply.json["refused"]) == (200, 0, 2)
    for line in reply.json["lines"]:
        assert (line["status_code"], line["deployment_id"]) == (409, None)
        assert line["details"]["reason"] == "EnvironmentLocked"
        assert "audit" in line["message"]
    assert await active(world) == {"api": "v1", "web": "v1"}


async def test_one_that_is_refused_stops_none_of_the_others() -> None:
    world = await two_places()
    raw = world.raw(names.DEPLOYMENTS, "production.web")
    meta = {**raw["metadata"], "finalizers": ["example.com/hold"], "deletionTimestamp": "2026-01-31T11:00:00Z"}
    world.cluster.put({**raw, "metadata": meta}, names.DEPLOYMENTS)
    world.deliver()

    reply = await world.call("POST", PROMOTE, FROM)

    assert [(one["app_id"], one["status_code"]) for one in reply.json["lines"]] == [("mail", 200), ("web", 409)]
    assert reply.json["lines"][1]["details"]["reason"] == "BeingDeleted"


@pytest.mark.parametrize("origin", ["absent", "production"])
async def test_an_origin_that_is_none_is_named(origin: str) -> None:
    world = await two_places()

    reply = await world.call("POST", PROMOTE, {"from_environment_id": origin})

    assert (reply.status, reply.json["detail"][0]["loc"]) == (422, ["body", "from_environment_id"])


async def test_without_a_rule_the_origin_has_to_be_said() -> None:
    world = await two_places()

    reply = await world.call("POST", f"{BASE}/staging/promote")

    assert (reply.status, reply.json["detail"][0]["loc"]) == (422, ["body", "from_environment_id"])


async def test_an_override_needs_its_right_and_a_reason() -> None:
    world = await two_places()
    path = f"{PROMOTE}?override=promotion"

    assert (await world.call("POST", path, FROM)).status == 422
    world.reviews.grant("eve", "list deployments", "create deployments", "patch deployments")
    reply = await world.call("POST", path, {**FROM, "reason": "outage"}, user="eve")
    assert (reply.status, reply.json["details"]["required_permission"]) == (403, "deployments:override")


async def test_who_may_not_see_releases_promotes_none() -> None:
    world = await two_places()
    world.reviews.grant("eve", "create deployments", "patch deployments")

    reply = await world.call("POST", PROMOTE, FROM, user="eve")

    assert (reply.status, reply.json["details"]["verb"]) == (403, "list")
