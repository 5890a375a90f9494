"""Who am I, what may I do, and which workspaces may I see?"""

from typing import Any

import pytest
from facade_world import World

from moorage_api.operation import InWorkspace
from moorage_crds.store import Right, UnavailableError


def furnished(count: int) -> World:
    """A world with the workspaces acme/w-00 and so on beside acme/shop; bob may list environments in every third."""
    world = World()
    for number in range(count):
        world.namespace(f"ns-{number:02}", "acme", f"w-{number:02}")
        if number % 3 == 0:
            world.reviews.grant("bob", "list environments", namespace=f"ns-{number:02}")
    world.deliver()
    return world


async def pages_of(world: World, user: str, limit: int) -> list[str]:
    """The ids of all workspaces, page by page."""
    found: list[str] = []
    cursor = ""
    while True:
        reply = await world.call("GET", f"/v1/workspaces?limit={limit}{cursor}", user=user)
        assert reply.status == 200, reply.content
        found += [one["workspace_id"] for one in reply.json["workspaces"]]
        if not reply.json["has_more"]:
            assert reply.json["next_cursor"] is None
            return found
        cursor = f"&cursor={reply.json['next_cursor']}"


async def test_me_says_what_the_cluster_says_of_every_operation() -> None:
    world = World()
    world.reviews.grant("bob", "list environments", "get environments", "list deploymentrecords")

    here = (await world.call("GET", "/v1/me?workspace=acme/shop", user="bob")).json
    everywhere = (await world.call("GET", "/v1/me", user="bob")).json

    needed = {one.name: one.scope.permission.rights for one in world.operations if isinstance(one.scope, InWorkspace)}
    may = {("list", "environments"), ("get", "environments"), ("list", "deploymentrecords")}
    assert here["operations"] == {name: set(rights) <= may for name, rights in needed.items()}
    assert here["operations"]["getEnvironment"]
    assert not here["operations"]["deployRelease"]
    assert here["permissions"]["environments:read"]
    assert not here["permissions"]["environments:lock"]
    assert here["username"] == "bob"
    assert here["groups"] == ["system:authenticated"]
    assert here["workspace"] == "acme/shop"
    assert set(everywhere["operations"].values()) == {False}
    assert everywhere["workspace"] is None


async def test_me_tells_outsiders_nothing_of_what_exists() -> None:
    world = World()

    there = (await world.call("GET", "/v1/me?workspace=acme/shop", user="mallory")).json
    absent = (await world.call("GET", "/v1/me?workspace=acme/none", user="mallory")).json
    known = await world.call("GET", "/v1/me?workspace=acme/none", user="root")

    assert {**there, "workspace": ""} == {**absent, "workspace": ""}
    assert known.status == 404
    assert known.json["details"] == {"resource_type": "workspace", "resource_id": "acme/none"}


@pytest.mark.parametrize("text", ["shop", "acme/", "/shop", "a/b/c", "a%00/b", "..%2f..", "-a/b"])
async def test_me_names_the_field_of_a_wrong_workspace(text: str) -> None:
    reply = await World().call("GET", f"/v1/me?workspace={text}")

    assert reply.status == 422
    assert reply.json["detail"][0]["loc"] == ["query", "workspace"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
async def test_pages_of_workspaces_hold_all_that_may_be_seen_and_nothing_else(limit: int) -> None:
    world = furnished(20)

    assert await pages_of(world, "bob", limit) == [f"w-{number:02}" for number in range(0, 20, 3)]
    assert await pages_of(world, "mallory", limit) == []
    assert await pages_of(world, "root", limit) == ["shop", *(f"w-{number:02}" for number in range(20))]


async def test_who_may_everywhere_is_asked_about_once() -> None:
    world = furnished(20)

    await pages_of(world, "root", 200)

    assert [one for one in world.reviews.asked if isinstance(one, Right)] == [Right("list", "environments", "")]


async def test_answers_of_reviews_are_kept() -> None:
    world = furnished(20)
    await pages_of(world, "bob", 200)
    asked = len([one for one in world.reviews.asked if isinstance(one, Right)])
    await pages_of(world, "bob", 3)

    assert len([one for one in world.reviews.asked if isinstance(one, Right)]) == asked


@pytest.mark.parametrize("path", ["/v1/me", "/v1/workspaces"])
async def test_nobody_without_a_token_and_nothing_without_the_cluster(path: str) -> None:
    world = World()

    assert (await world.call("GET", path, user=None)).status == 401
    assert (await world.call("GET", path, user="bad")).status == 401
    world.reviews.broken = UnavailableError("gone")
    assert (await world.call("GET", path, user="bob")).status == 503


@pytest.mark.parametrize("cursor", ["x", "e30", *(f"{part}" for part in ("%00", "AAAAAAAAAAAAAAAA", "bnVsbA"))])
async def test_a_damaged_cursor_is_refused(cursor: str) -> None:
    reply = await World().call("GET", f"/v1/workspaces?cursor={cursor}")

    assert reply.status == 422
    body: dict[str, Any] = reply.json
    assert body["detail"][0]["loc"] == ["query", "cursor"]
