"""The order of checks: what can be refused without an object is refused before one is looked for."""

from typing import Any

import pytest
from facade_world import BASE, World

SPACE = BASE.removesuffix("/environments")
HERE, GONE = f"{BASE}/staging", f"{BASE}/absent"
DEPLOY = {"app_id": "web", "release_id": "v1"}
UNSEEN = {"X-Resource-Version": "deployments=99999999999"}


async def world_with_history() -> World:
    world = World()
    world.environment()
    await world.deploy("web", "v0")
    return world


@pytest.mark.parametrize("place", [HERE, GONE])
@pytest.mark.parametrize(
    ("method", "tail", "body", "headers", "loc"),
    [
        ("GET", "/deployments?cursor=zzz", None, {}, ["query", "cursor"]),
        ("GET", "/deployments?cursor=%C3%A9", None, {}, ["query", "cursor"]),
        ("GET", "/deployments?limit=0", None, {}, ["query", "limit"]),
        ("GET", "?at=2999-01-01T00:00:00Z", None, {}, ["query", "at"]),
        ("GET", "", None, {"If-None-Match": "bare"}, ["header", "If-None-Match"]),
        ("PUT", "", {}, {"If-Match": "bare"}, ["header", "If-Match"]),
        ("DELETE", "", None, {"If-Match": '"a" "b"'}, ["header", "If-Match"]),
        ("POST", "/deploy", DEPLOY, {"Idempotency-Key": "x" * 65}, ["header", "Idempotency-Key"]),
        ("POST", "/deploy", {"app_id": "web"}, {}, ["body", "release_id"]),
        ("POST", "/deploy?override=freeze/a", DEPLOY, {}, ["query", "override"]),
        ("POST", "/deploy/web/rollback", {}, {"Idempotency-Key": ""}, ["header", "Idempotency-Key"]),
        ("POST", "/deploy/web/rollback?override=freeze/a", {}, {}, ["query", "override"]),
        ("DELETE", "/deploy/web", None, {"Idempotency-Key": "ä"}, ["header", "Idempotency-Key"]),
        ("DELETE", "/deploy/web?override=freeze/a", None, {}, ["query", "override"]),
        ("POST", "/promote?override=freeze/a", {"from_environment_id": "absent"}, {}, ["query", "override"]),
        ("PUT", "/lock", {"reason": ""}, {}, ["body", "reason"]),
    ],
)
async def test_validation_comes_before_existence(
    place: str, method: str, tail: str, body: Any, headers: dict[str, str], loc: list[str]
) -> None:
    world = await world_with_history()

    reply = await world.call(method, f"{place}{tail}", body, headers=headers)

    assert (reply.status, reply.json["detail"][0]["loc"]) == (422, loc)


async def test_cursor_of_another_list_needs_its_list() -> None:
    """Whose cursor it is shows only beside the history that it should belong to."""
    world = await world_with_history()
    world.environment("other")
    await world.deploy("web", "v1")
    cursor = (await world.call("GET", f"{HERE}/deployments?limit=1")).json["next_cursor"]

    assert (await world.call("GET", f"{BASE}/other/deployments?cursor={cursor}")).status == 422
    assert (await world.call("GET", f"{GONE}/deployments?cursor={cursor}")).status == 404


@pytest.mark.parametrize(
    "query",
    ["from=staging&to=absent&to_at=2999-01-01T00:00:00Z", "from=absent&to=staging&from_at=2999-01-01T00:00:00Z"],
)
async def test_compared_moments_are_looked_at_before_environments(query: str) -> None:
    reply = await (await world_with_history()).call("GET", f"{SPACE}/compare?{query}")

    assert reply.status == 422


async def test_cursor_of_a_workspace_comes_before_the_environment_of_its_filter() -> None:
    uid = "00000000-0000-4000-8000-000000000000"
    reply = await (await world_with_history()).call("GET", f"{SPACE}/deployments?environment_id={uid}&cursor=zzz")

    assert (reply.status, reply.json["detail"][0]["loc"]) == (422, ["query", "cursor"])


async def test_an_earlier_moment_needs_its_right_before_anything_is_looked_for() -> None:
    world = await world_with_history()
    world.reviews.grant("bob", "get environments")

    for place in (HERE, GONE):
        reply = await world.call("GET", f"{place}?at=2999-01-01T00:00:00Z", user="bob")
        assert (reply.status, reply.json["details"]["required_permission"]) == (403, "deployments:read")


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("POST", "/deploy", {"app_id": "web"}),
        ("GET", "/deployments?limit=0", None),
        ("GET", "/deployments?cursor=zzz", None),
        ("PUT", "", {"slug": 5}),
    ],
)
async def test_what_is_wrong_is_said_before_a_version_is_waited_for(method: str, tail: str, body: Any) -> None:
    world = await world_with_history()

    assert (await world.call(method, f"{HERE}{tail}", body, headers=UNSEEN)).status == 422


@pytest.mark.parametrize(
    "version", ["", "deployments", "deployments=", "deployments=0", "deployments=x", "deployments=99999999999,x", "a=1"]
)
async def test_version_that_no_write_answered_is_refused_unseen(version: str) -> None:
    world = await world_with_history()

    reply = await world.call("GET", GONE, headers={"X-Resource-Version": version})

    assert (reply.status, reply.json["detail"][0]["loc"]) == (422, ["header", "X-Resource-Version"])


async def test_version_is_waited_for_before_something_is_said_to_be_absent() -> None:
    world = await world_with_history()

    reply = await world.call("GET", GONE, headers=UNSEEN)

    assert (reply.status, reply.json["details"]["reason"]) == (503, "NotSynced")
