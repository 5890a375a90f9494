"""The matrix, the comparison and the history of a whole workspace, held against the calls for single environments."""

import random
from typing import Any

import pytest
from facade_world import BASE, NAMESPACE, World

from moorage_crds import names

ROOT = BASE.removesuffix("/environments")
SLUGS = ["development", "staging", "production"]


async def busy_world(seed: int, changes: int = 60) -> World:
    """Three environments with random changes of four apps; some of them recorded."""
    world, chance = World(), random.Random(seed)  # noqa: S311 — a test
    for slug in SLUGS:
        world.environment(slug)
    for number in range(changes):
        slug, app = chance.choice(SLUGS), f"app-{chance.randrange(4)}"
        if chance.random() < 0.15:
            await world.call("DELETE", f"{BASE}/{slug}/deploy/{app}")
        else:
            user = chance.choice(["alice", "root"])
            await world.deploy(app, f"r{chance.randrange(number // 6 + 1)}", environment=slug, user=user)
        if chance.random() < 0.5 and ("deployments", NAMESPACE, f"{slug}.{app}") in world.cluster.objects:
            world.record(f"{slug}.{app}")
        world.clock.advance(chance.randrange(3))
    return world


async def lines_of(world: World, path: str, **query: Any) -> list[dict[str, Any]]:
    """All pages of a history."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        wanted = {"limit": 7, **query, **({"cursor": cursor} if cursor else {})}
        reply = await world.call("GET", f"{path}?" + "&".join(f"{name}={value}" for name, value in wanted.items()))
        assert reply.status == 200, reply.content
        found += reply.json["deployments"]
        cursor = reply.json["next_cursor"]
        if cursor is None:
            return found


def distance_between(here: list[dict[str, Any]], there: list[dict[str, Any]]) -> dict[str, Any] | None:
    """How the newest of `here` stands to the newest of `there`: worked out from two histories of one app."""

    def active(line: dict[str, Any]) -> str | None:
        return None if line["action"] == "undeploy" else line["release_id"]

    own = active(here[0]) if here else None
    other = active(there[0]) if there else None
    if own is None and other is None:
        return None
    if own is None or other is None:
        return {"relation": "missing" if own is None else "only_here", "changes": None, "since": None}
    if own == other:
        return {"relation": "same", "changes": 0 or None, "since": None}
    for relation, lines, release in (("behind", there, own), ("ahead", here, other)):
        places = [number for number, line in enumerate(lines) if active(line) == release]
        if places:
            return {"relation": relation, "changes": places[0], "since": lines[places[0] - 1]["deployed_at"]}
    return {"relation": "different", "changes": None, "since": None}


@pytest.mark.parametrize("seed", range(3))
async def test_matrix_says_what_the_single_calls_say(seed: int) -> None:
    world = await busy_world(seed)
    reply = await world.call("GET", f"{ROOT}/matrix?order={','.join(SLUGS)}")

    assert reply.status == 200
    matrix = reply.json
    columns = {one["slug"]: one for one in matrix["environments"]}
    assert [one["slug"] for one in matrix["environments"]] == sorted(SLUGS)
    assert {slug: one["before"] for slug, one in columns.items()} == {
        "development": None, "staging": "development", "production": "staging",
    }  # fmt: skip
    histories = {slug: await lines_of(world, f"{BASE}/{slug}/deployments") for slug in SLUGS}
    for slug in SLUGS:
        active = (await world.call("GET", f"{BASE}/{slug}")).json["active_deployments"]
        cells = columns[slug]["cells"]
        assert {app: cell["release_id"] for app, cell in cells.items() if cell["release_id"]} == active
        for app in {line["app_id"] for line in histories[slug]}:
            newest = next(line for line in histories[slug] if line["app_id"] == app)
            cell = cells[app]
            assert (cell["since"], cell["by"], cell["deployment_id"], cell["action"], cell["recorded"]) == tuple(
                newest[name] for name in ("deployed_at", "deployed_by", "deployment_id", "action", "recorded")
            )
        before = columns[slug]["before"]
        for app in {line["app_id"] for lines in histories.values() for line in lines} if before else ():
            here, there = ([line for line in histories[one] if line["app_id"] == app] for one in (slug, before))
            shown = cells.get(app)
            assert (shown["distance"] if shown else None) == distance_between(here, there), (slug, app)
    assert matrix["apps"] == sorted({app for one in columns.values() for app in one["cells"]})
    assert matrix["hidden"] == []


async def test_each_part_of_the_matrix_has_its_right() -> None:
    world = await busy_world(1)
    await world.call("PUT", f"{BASE}/staging/lock", {"reason": "secret"})
    parts = {
        "cells": "list deployments",
        "distance": "list deploymentrecords",
        "lock": "get environmentlocks",
        "closed": "list freezes",
    }
    path = f"{ROOT}/matrix?order={','.join(SLUGS)}"
    assert (await world.call("GET", path, user="bob")).status == 403
    for part, right in parts.items():
        user = f"only-{part}"
        world.reviews.grant(user, "list environments", right)
        matrix = (await world.call("GET", path, user=user)).json
        assert set(matrix["hidden"]) == set(parts) - {part}
        for column in matrix["environments"]:
            assert (column["cells"] is not None) == (part == "cells")
            assert (column["closed"] is not None) == (part == "closed")
            assert (column["lock"] is not None) == (part == "lock" and column["slug"] == "staging")
            assert not any(cell["distance"] for cell in (column["cells"] or {}).values())
        assert (matrix["apps"] is not None) == (part == "cells")


async def test_matrix_is_not_sent_again_while_nothing_changed() -> None:
    world = await busy_world(2)
    first = await world.call("GET", f"{ROOT}/matrix")
    tag = {"If-None-Match": first.headers["ETag"]}

    assert (await world.call("GET", f"{ROOT}/matrix", headers=tag)).status == 304
    await world.deploy("app-0", "something-new", environment="production")
    changed = await world.call("GET", f"{ROOT}/matrix", headers=tag)
    await world.call("PUT", f"{BASE}/staging/lock", {"reason": "stop"})
    locked = await world.call("GET", f"{ROOT}/matrix", headers={"If-None-Match": changed.headers["ETag"]})

    assert changed.status == 200
    assert locked.json["environments"][2]["lock"]["reason"] == "stop"


async def test_environments_say_which_comes_before() -> None:
    world = World()
    world.environment("development")
    world.environment("staging", promotion={"from": "development", "require": "Deployed"})
    world.environment("production", promotion={"from": "nowhere", "require": "Deployed"})

    matrix = (await world.call("GET", f"{ROOT}/matrix")).json

    assert {one["slug"]: one["before"] for one in matrix["environments"]} == {
        "development": None, "staging": "development", "production": None,
    }  # fmt: skip


async def test_matrix_says_what_is_closed_and_when_it_opens() -> None:
    world = World()
    for slug in SLUGS:
        world.environment(slug)
    window = {"from": "2026-01-31T11:00:00Z", "until": "2026-01-31T13:00:00Z"}
    raw = {
        "metadata": {
            "name": "sale",
            "namespace": NAMESPACE,
            "uid": "u-1",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"reason": "Sale", "environments": ["production"], "apps": ["web"], "windows": [window]},
    }
    feed = next(one for one in world.catalog.feeds if one.plural == names.FREEZES)
    feed.sink.apply("ADDED", feed.read(raw))
    world.reviews.grant("alice", "list freezes")

    async def closed() -> dict[str, Any]:
        matrix = (await world.call("GET", f"{ROOT}/matrix")).json
        return {one["slug"]: one["closed"] for one in matrix["environments"]}

    freeze = {
        "gate": "freeze/sale", "reason": "Sale", "apps": ["web"], "enforcement": "Deny", "allow_rollback": False,
        "opens_at": "2026-01-31T13:00:00Z",
    }  # fmt: skip
    assert await closed() == {"development": [], "staging": [], "production": [freeze]}
    world.clock.advance(3_600)
    assert await closed() == {"development": [], "staging": [], "production": []}


@pytest.mark.parametrize("seed", range(2))
async def test_history_of_a_workspace_is_that_of_its_environments(seed: int) -> None:
    world = await busy_world(seed)
    apart = [
        {**line, "environment": slug} for slug in SLUGS for line in await lines_of(world, f"{BASE}/{slug}/deployments")
    ]

    together = await lines_of(world, f"{ROOT}/deployments")

    assert sorted(together, key=str) == sorted(apart, key=str)
    assert [line["deployed_at"] for line in together] == sorted((line["deployed_at"] for line in apart), reverse=True)
    for name, query in (
        ("app_id", "app_id"), ("action", "action"), ("deployed_by", "user"), ("environment", "environment_id"),
        ("environment_id", "environment_id"),
    ):  # fmt: skip
        for value in {line[name] for line in together}:
            found = await lines_of(world, f"{ROOT}/deployments", **{query: value})
            assert found == [line for line in together if line[name] == value]
    middle = together[len(together) // 2]["deployed_at"]
    since = await lines_of(world, f"{ROOT}/deployments", since=middle, app_id="app-1")
    until = await lines_of(world, f"{ROOT}/deployments", until=middle, app_id="app-1")
    assert since == [line for line in together if line["deployed_at"] >= middle and line["app_id"] == "app-1"]
    assert until == [line for line in together if line["deployed_at"] <= middle and line["app_id"] == "app-1"]


async def test_history_of_a_workspace_keeps_what_a_deleted_environment_left() -> None:
    world = World()
    old = world.environment("staging")
    await world.deploy("web", "v1")
    await world.call("DELETE", f"{BASE}/staging/deploy/web")
    world.record("staging.web")
    world.cluster.remove(names.DEPLOYMENTS, NAMESPACE, "staging.web")
    world.cluster.remove(names.ENVIRONMENTS, NAMESPACE, "staging")
    world.deliver()
    gone = await lines_of(world, f"{ROOT}/deployments")
    world.clock.advance(5)
    new = world.environment("staging")
    await world.deploy("web", "v2")

    again = await lines_of(world, f"{ROOT}/deployments")

    assert [(line["action"], line["environment_id"], line["environment"]) for line in gone] == [
        ("undeploy", None, "staging"), ("deploy", None, "staging"),
    ]  # fmt: skip
    assert [(line["release_id"], line["environment_id"]) for line in again] == [("v2", new), ("v1", None), ("v1", None)]
    assert len(await lines_of(world, f"{ROOT}/deployments", environment_id="staging")) == 3
    assert len(await lines_of(world, f"{ROOT}/deployments", environment_id=new)) == 1
    assert (await world.call("GET", f"{ROOT}/deployments?environment_id={old}")).status == 404


async def test_pages_of_a_workspace_neither_skip_nor_repeat_while_lines_are_recorded() -> None:
    world = await busy_world(3)
    before = [line["deployment_id"] for line in await lines_of(world, f"{ROOT}/deployments")]
    seen: list[str] = []
    cursor = ""
    while True:
        reply = (await world.call("GET", f"{ROOT}/deployments?limit=5{cursor}")).json
        seen += [line["deployment_id"] for line in reply["deployments"]]
        if not reply["has_more"]:
            break
        cursor = f"&cursor={reply['next_cursor']}"
        name = f"{SLUGS[len(seen) % 3]}.app-{len(seen) % 4}"
        if ("deployments", NAMESPACE, name) in world.cluster.objects:
            world.record(name)
        await world.deploy("new", f"v{len(seen)}", environment="staging")
    assert [one for one in seen if one in set(before)] == before


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "limit=0",
        "limit=201",
        "user=",
        "user=%0A",
        "action=no",
        "outcome=no",
        "since=yesterday",
        "environment_id=A",
        "x=1",
    ],
)
async def test_history_of_a_workspace_names_the_wrong_parameter(query: str) -> None:
    reply = await World().call("GET", f"{ROOT}/deployments?{query}")

    assert reply.status == 422
    assert reply.json["detail"][0]["loc"] == ["query", query.partition("=")[0]]


@pytest.mark.parametrize("seed", range(2))
async def test_comparison_says_what_both_environments_say(seed: int) -> None:
    world = await busy_world(seed)
    histories = {slug: await lines_of(world, f"{BASE}/{slug}/deployments") for slug in SLUGS}
    active = {
        slug: (await world.call("GET", f"{BASE}/{slug}")).json["active_deployments"]
        for slug in ("staging", "production")
    }

    found = (await world.call("GET", f"{ROOT}/compare?from=staging&to=production")).json

    rows = {row["app_id"]: row for row in found["apps"]}
    assert {app: row["from"]["release_id"] for app, row in rows.items() if row["from"]} == active["staging"]
    assert {app: row["to"]["release_id"] for app, row in rows.items() if row["to"]} == active["production"]
    for app, row in rows.items():
        here, there = ([one for one in histories[slug] if one["app_id"] == app] for slug in ("production", "staging"))
        assert row["distance"] == distance_between(here, there)
    assert found["same"] + found["different"] == len(rows)
    assert found["same"] == sum(active["staging"].get(app) == active["production"].get(app) for app in rows)


async def test_comparison_of_an_environment_with_its_past() -> None:
    world = World()
    world.environment()
    await world.deploy("web", "v1")
    await world.deploy("old", "v1")
    world.clock.advance(10)
    then = "2026-01-31T12:00:05Z"
    await world.deploy("web", "v2")
    await world.call("DELETE", f"{BASE}/staging/deploy/old")

    found = (await world.call("GET", f"{ROOT}/compare?from=staging&to=staging&from_at={then}")).json

    assert found["from"]["at"] == then
    assert found["to"]["at"] is None
    assert [(row["app_id"], row["distance"]) for row in found["apps"]] == [
        ("old", {"relation": "missing", "changes": None, "since": None}),
        ("web", {"relation": "ahead", "changes": 1, "since": "2026-01-31T12:00:10Z"}),
    ]


async def test_comparison_refuses_what_it_cannot_know() -> None:
    world = World()
    world.environment()
    path = f"{ROOT}/compare?from=staging&to=staging"

    early = await world.call("GET", f"{path}&to_at=2020-01-01T00:00:00Z")
    late = await world.call("GET", f"{path}&from_at=2030-01-01T00:00:00Z")
    absent = await world.call("GET", f"{ROOT}/compare?from=staging&to=nowhere")
    missing = await world.call("GET", f"{ROOT}/compare?from=staging")
    world.reviews.grant("bob", "get environments")
    forbidden = await world.call("GET", path, user="bob")

    assert early.json["detail"][0]["loc"] == ["query", "to_at"]
    assert late.json["detail"][0]["loc"] == ["query", "from_at"]
    assert absent.json["details"] == {"resource_type": "environment", "resource_id": "nowhere"}
    assert missing.json["detail"][0]["loc"] == ["query", "to"]
    assert (forbidden.status, forbidden.json["details"]["resource"]) == (403, "deploymentrecords")
