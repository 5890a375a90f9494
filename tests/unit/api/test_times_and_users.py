"""What REST says of who and when: always a time, never back; and nobody is not the user named unknown."""

from datetime import timedelta
from typing import Any

import pytest
from facade_world import BASE, NAMESPACE, World
from fixed_clock import START

from moorage_crds import names
from moorage_crds.moments import to_moment, to_text

STAGING = f"{BASE}/staging"


def at(seconds: float) -> str:
    return to_text(START + timedelta(seconds=seconds))


def rewrite(world: World, plural: str, stamp: str | None, spec: dict[str, Any]) -> None:
    """Somebody changes the spec, and the policy leaves that stamp."""
    raw = world.raw(plural, "staging")
    provenance = {"createdBy": "alice", "updatedBy": "bob", **({"updatedAt": stamp} if stamp else {})}
    world.cluster.put({**raw, "spec": {**raw["spec"], **spec}, "provenance": provenance}, plural)


async def world_at(plural: str) -> World:
    world = World()
    world.environment()
    if plural == names.LOCKS:
        await world.call("PUT", f"{STAGING}/lock", {"reason": "audit"})
    return world


async def shown(world: World, plural: str) -> str:
    body = (await world.call("GET", STAGING)).json
    return str(body["updated_at"] if plural == names.ENVIRONMENTS else body["lock"]["locked_at"])


BOTH = pytest.mark.parametrize("plural", [names.ENVIRONMENTS, names.LOCKS])
FIELD = {names.ENVIRONMENTS: "displayName", names.LOCKS: "reason"}


@BOTH
@pytest.mark.parametrize("stamp", [None, "", "2001-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "nonsense"])
async def test_change_without_a_believable_stamp_has_the_moment_at_which_it_was_seen(
    plural: str, stamp: str | None
) -> None:
    world = await world_at(plural)
    world.clock.advance(60)

    rewrite(world, plural, stamp, {FIELD[plural]: "other"})
    world.clock.advance(60)
    raw = world.raw(plural, "staging")
    world.cluster.put({**raw, "metadata": {**raw["metadata"], "labels": {"a": "b"}}}, plural)

    assert await shown(world, plural) == at(60)


@BOTH
async def test_true_stamp_is_the_time_and_time_never_goes_back(plural: str) -> None:
    world = await world_at(plural)
    world.clock.advance(60)
    rewrite(world, plural, at(59), {FIELD[plural]: "other"})
    true = await shown(world, plural)
    world.clock.advance(60)
    rewrite(world, plural, None, {FIELD[plural]: "another"})
    seen = await shown(world, plural)
    rewrite(world, plural, at(118), {FIELD[plural]: "back"})

    assert [true, seen, await shown(world, plural)] == [at(59), at(120), at(120)]


async def test_what_was_there_before_and_has_no_stamp_has_its_creation() -> None:
    world = World(held=True)
    world.environment()
    world.clock.advance(3_600)
    late = World(held=True)
    late.clock.advance(3_600)
    raw = world.raw(names.ENVIRONMENTS, "staging")
    raw["metadata"]["generation"] = 7
    late.cluster.put(raw, names.ENVIRONMENTS)
    late.deliver()

    assert (await late.call("GET", STAGING)).json["updated_at"] == at(0)


async def test_answer_of_the_write_and_the_next_read_say_the_same_time() -> None:
    world = World()
    world.environment()
    world.clock.advance(30)

    written = await world.call("PUT", STAGING, {"name": "Other"})
    read = await world.call("GET", STAGING)

    assert written.json["environment"] == read.json
    assert to_moment(read.json["updated_at"]) is not None


async def test_user_named_unknown_is_somebody() -> None:
    world = World()
    world.reviews.grant("unknown", "create environments", "get environments", "create deployments",
                        "patch deployments", "list deploymentrecords", "create environmentlocks",
                        "patch environmentlocks", "get environmentlocks", "list deployments")  # fmt: skip
    await world.call("POST", BASE, {"name": "S", "slug": "staging"}, user="unknown")
    await world.deploy("checkout", "v1", user="unknown")
    await world.call("PUT", f"{STAGING}/lock", {"reason": "audit"}, user="unknown")
    somebody = (await world.call("GET", STAGING)).json
    line = (await world.call("GET", f"{STAGING}/deployments")).json["deployments"][0]
    world.environment("nobody")
    lock = {"metadata": {"name": "nobody", "namespace": NAMESPACE}, "spec": {"reason": "x"}}
    world.cluster.put(lock, names.LOCKS)
    nobody = (await world.call("GET", f"{BASE}/nobody")).json

    assert [somebody["created_by"], somebody["lock"]["locked_by"], line["deployed_by"]] == ["unknown"] * 3
    assert [nobody["created_by"], nobody["lock"]["locked_by"]] == ["unknown"] * 2
    assert somebody["created_by_known"]
    assert somebody["lock"]["locked_by_known"]
    assert line["deployed_by_known"]
    assert not nobody["created_by_known"]
    assert not nobody["lock"]["locked_by_known"]
