"""Overrides and locks with an end, by REST."""

from typing import Any

import pytest
from facade_world import BASE, World

from moorage_crds import names
from moorage_crds.kinds import lock

STAGING = f"{BASE}/staging"


async def test_a_lock_ends_by_itself() -> None:
    world = World()
    world.environment()
    body = {"reason": "audit", "until": "2026-01-31T13:00:00Z"}

    locked = (await world.call("PUT", f"{STAGING}/lock", body)).json["environment"]
    refused_now = await world.call("POST", f"{STAGING}/deploy", {"app_id": "web", "release_id": "v1"})
    asked = (await world.call("GET", f"{STAGING}/gates?app_id=web")).json
    world.clock.advance(3_600)
    opened = (await world.call("GET", STAGING)).json

    assert (locked["lock"]["until"], locked["next_open"]) == ("2026-01-31T13:00:00Z", "2026-01-31T13:00:00Z")
    assert (refused_now.status, refused_now.json["details"]["opens_at"]) == (409, "2026-01-31T13:00:00Z")
    assert (asked["allowed"], asked["opens_at"]) == (False, "2026-01-31T13:00:00Z")
    assert (opened["lock"], opened["closed"]) == (None, False)


async def test_somebody_elses_lock_is_taken_over_only_on_purpose() -> None:
    world = World()
    world.environment()
    await world.call("PUT", f"{STAGING}/lock", {"reason": "audit"})

    kept = await world.call("PUT", f"{STAGING}/lock", {"reason": "mine"}, user="root")
    taken = await world.call("PUT", f"{STAGING}/lock?take_over=true", {"reason": "mine"}, user="root")

    assert (kept.status, kept.json["details"]["reason"]) == (409, "EnvironmentLocked")
    assert (kept.json["details"]["locked_by"], "take_over=true" in kept.json["message"]) == ("alice", True)
    assert (taken.status, taken.json["environment"]["lock"]["reason"]) == (200, "mine")


@pytest.mark.parametrize(("user", "reason"), [("alice", "audit"), ("root", "unlocked")])
async def test_a_lock_that_goes_says_who_unlocked(user: str, reason: str) -> None:
    world = World()
    world.environment()
    await world.call("PUT", f"{STAGING}/lock", {"reason": "audit"})
    world.clock.advance(60)

    rehearsed = await world.call("DELETE", f"{STAGING}/lock?dry_run=true", user=user)
    kept = lock.from_object(world.raw(names.LOCKS, "staging"))
    unlocked = await world.call("DELETE", f"{STAGING}/lock", user=user)

    assert (rehearsed.status, kept.ended_by, unlocked.status) == (200, None, 200)
    last = [lock.from_object(raw) for plural, _, raw in world.events if plural == names.LOCKS][-1]
    assert (last.ended_by, last.reason, last.first_locked_by) == (user, reason, "alice")
    assert unlocked.json["environment"]["lock"] is None


async def test_who_may_delete_locks_and_not_write_them_unlocks_too() -> None:
    world = World()
    world.environment()
    await world.call("PUT", f"{STAGING}/lock", {"reason": "audit"})
    world.reviews.grant("keeper", "get environments", "delete environmentlocks")

    assert (await world.call("DELETE", f"{STAGING}/lock", user="keeper")).status == 200


NAMED = "override=freeze/weekend&override=promotion"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{STAGING}/deploy?{NAMED}", {"app_id": "web", "release_id": "v3", "reason": "outage"}),
        ("POST", f"{STAGING}/deploy/web/rollback?{NAMED}", {"reason": "outage"}),
        ("DELETE", f"{STAGING}/deploy/web?reason=outage&{NAMED}", None),
    ],
    ids=["deploy", "rollback", "undeploy"],
)
async def test_an_override_is_written_with_the_change(method: str, path: str, body: Any) -> None:
    world = World()
    world.environment()
    for release in ("v1", "v2"):
        await world.deploy("web", release)

    without_right = await world.call(method, path, body)
    world.reviews.grant("alice", "override environments")
    world.clock.advance(11)
    no_reason = await world.call(method, path.replace("reason=outage&", ""), {**body, "reason": None} if body else None)
    done = await world.call(method, path, body)

    assert (without_right.status, without_right.json["details"]) == (
        403,
        {"required_permission": "deployments:override", "verb": "override", "resource": "environments"},
    )
    assert (no_reason.status, no_reason.json["detail"][0]["loc"]) == (422, ["query", "override"])
    assert done.status == 200, done.content
    gates = ["freeze/weekend", "promotion"]
    assert world.raw(names.DEPLOYMENTS, "staging.web")["spec"]["change"]["override"] == gates
    for recorded in (False, True):
        lines = (await world.call("GET", f"{STAGING}/deployments")).json["deployments"]
        assert [line["override"] for line in lines] == [gates, [], []]
        assert lines[0]["recorded"] is recorded
        world.record("staging.web")


async def test_what_is_no_gate_cannot_be_overridden() -> None:
    world = World()
    world.environment()
    world.reviews.grant("alice", "override environments")
    body = {"app_id": "web", "release_id": "v1", "reason": "outage"}

    for name in ("lock", "freeze/", "", "freeze/A"):
        reply = await world.call("POST", f"{STAGING}/deploy?override={name}", body)
        assert (reply.status, reply.json["detail"][0]["loc"]) == (422, ["query", "override", 0]), name
