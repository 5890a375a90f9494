"""Rollbacks through the whole edge: to which release, and what is answered."""

import pytest
from facade_world import BASE, World


async def test_rollback_goes_to_the_last_different_release_and_says_so() -> None:
    world = World()
    world.environment()
    for release in ("v1", "v2"):
        await world.deploy("checkout", release)

    reply = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", {})
    lines = await world.call("GET", f"{BASE}/staging/deployments")

    assert reply.json["message"] == "Release rolled back successfully"
    assert reply.json["release_id"] == "v1"
    assert lines.json["deployments"][0]["action"] == "rollback"


async def test_rollback_to_a_line_and_to_a_release() -> None:
    world = World()
    world.environment()
    first = (await world.deploy("checkout", "v1")).json["deployment_id"]
    for release in ("v2", "v3"):
        await world.deploy("checkout", release)

    to_line = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", {"to_deployment_id": first})
    to_release = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", {"release_id": "v2"})

    assert to_line.json["release_id"] == "v1"
    assert to_release.json["release_id"] == "v2"


@pytest.mark.parametrize("body", [{}, {"release_id": "v7"}])
async def test_nothing_to_roll_back_to(body: dict[str, str]) -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")

    reply = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", body)

    assert reply.json["details"] == {"reason": "NothingToRollBack"}


async def test_rollback_of_an_app_that_was_never_there_is_not_found() -> None:
    world = World()
    world.environment()

    reply = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", {})

    assert reply.status == 404
    assert reply.json["details"] == {"resource_type": "deployment", "resource_id": "checkout"}


async def test_rollback_after_an_undeploy_brings_the_release_back() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    await world.call("DELETE", f"{BASE}/staging/deploy/checkout")

    reply = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", {})

    assert reply.json["release_id"] == "v1"
