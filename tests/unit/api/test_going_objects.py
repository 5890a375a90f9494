"""Objects that finalizers hold while they are deleted: shown as what they are, never as gone."""

from typing import Any

import pytest
from facade_world import BASE, NAMESPACE, World

from moorage_crds import names
from moorage_crds.objects import RawObject

STAGING = f"{BASE}/staging"
DEPLOY = f"{STAGING}/deploy"
LOCK = f"{STAGING}/lock"
HOLDER = "example.com/hold"


async def held(plural: str, name: str) -> World:
    """staging with a locked environment `frozen`, and checkout at v2; one object has a finalizer."""
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    await world.deploy("checkout", "v2")
    world.record()
    if plural == names.LOCKS:
        await world.call("PUT", LOCK, {"reason": "audit"})
    changed(world, plural, name, finalizers=[HOLDER])
    _hurry(world)
    return world


def _hurry(world: World) -> None:
    """Waiting for the watch costs the time of the test's clock; an operator records meanwhile."""

    async def next_event(seconds: float) -> None:
        world.clock.advance(seconds)
        for (plural, _, name), raw in list(world.cluster.objects.items()):
            done = raw.get("status", {}).get("recordedSequence", 0)
            if plural == names.DEPLOYMENTS and raw["changeLog"]["sequence"] > done:
                world.record(name)

    world.catalog.bindings.versions.wait_for_next = next_event  # type: ignore[method-assign]

    async def never(uid: str, seconds: float) -> str:
        return ""

    world.catalog.environments.gone_at = never  # type: ignore[method-assign]
    world.catalog.locks.gone_at = never  # type: ignore[method-assign]


def changed(world: World, plural: str, name: str, **metadata: Any) -> RawObject:
    raw = world.raw(plural, name)
    return world.cluster.put({**raw, "metadata": {**raw["metadata"], **metadata}}, plural)


def doomed(world: World, plural: str, name: str) -> None:
    """Somebody deleted it by kubectl."""
    changed(world, plural, name, deletionTimestamp=world.cluster.stamp())


async def test_environment_that_is_held_is_going_and_not_gone() -> None:
    world = await held(names.ENVIRONMENTS, "staging")

    deleted = await world.call("DELETE", STAGING)
    shown = await world.call("GET", STAGING)
    again = await world.call("POST", BASE, {"name": "New", "slug": "staging"})

    assert (deleted.status, deleted.json["details"]) == (409, {"reason": "BeingDeleted", "finalizers": [HOLDER]})
    assert HOLDER in deleted.json["message"]
    assert (shown.status, shown.json["deleting"], shown.json["status"]) == (200, True, "active")
    details = {"reason": "BeingDeleted", "finalizers": [HOLDER], "environment": "staging"}
    assert (again.status, again.json["details"]) == (409, details)


async def test_removal_that_was_held_is_finished_by_the_same_call() -> None:
    world = await held(names.ENVIRONMENTS, "staging")
    await world.call("DELETE", STAGING)
    world.cluster.release(names.ENVIRONMENTS, NAMESPACE, "staging")

    again = await world.call("DELETE", STAGING)

    assert (again.status, again.json["details"]["resource_type"]) == (404, "environment")
    assert (await world.call("POST", BASE, {"name": "New", "slug": "staging"})).status == 201


async def test_binding_that_is_held_keeps_its_environment_and_is_named() -> None:
    world = await held(names.DEPLOYMENTS, "staging.checkout")

    deleted = await world.call("DELETE", STAGING)

    assert deleted.status == 409
    assert deleted.json["details"] == {"reason": "BeingDeleted", "finalizers": [HOLDER], "remaining": ["checkout"]}
    assert (names.ENVIRONMENTS, NAMESPACE, "staging") in world.cluster.objects
    assert world.raw(names.DEPLOYMENTS, "staging.checkout")["spec"].get("release") is None
    world.cluster.release(names.DEPLOYMENTS, NAMESPACE, "staging.checkout")
    assert (await world.call("DELETE", STAGING)).status == 200


async def test_change_after_a_delete_that_is_held_is_shown() -> None:
    """REST shows what kubectl shows, no matter who deleted and what came later."""
    world = await held(names.DEPLOYMENTS, "staging.checkout")
    await world.call("DELETE", STAGING)
    raw = world.raw(names.DEPLOYMENTS, "staging.checkout")
    world.cluster.put({**raw, "spec": {**raw["spec"], "release": "evil"}}, names.DEPLOYMENTS)

    assert (await world.call("GET", STAGING)).json["active_deployments"] == {"checkout": "evil"}


async def test_environment_with_a_release_in_deletion_is_not_begun_to_be_removed() -> None:
    world = await held(names.DEPLOYMENTS, "staging.checkout")
    doomed(world, names.DEPLOYMENTS, "staging.checkout")
    await world.deploy("payments", "v1")
    writes = list(world.cluster.accepted)

    deleted = await world.call("DELETE", STAGING)

    assert (deleted.status, deleted.json["details"]["reason"]) == (409, "BeingDeleted")
    assert world.cluster.accepted == writes


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", DEPLOY, {"app_id": "checkout", "release_id": "v3"}),
        ("POST", DEPLOY, {"app_id": "checkout", "release_id": "v2"}),
        ("POST", f"{DEPLOY}/checkout/rollback", {}),
        ("DELETE", f"{DEPLOY}/checkout", None),
    ],
)
async def test_nothing_is_deployed_onto_a_binding_in_deletion(method: str, path: str, body: Any) -> None:
    world = await held(names.DEPLOYMENTS, "staging.checkout")
    doomed(world, names.DEPLOYMENTS, "staging.checkout")

    reply = await world.call(method, path, body)

    details = {"reason": "BeingDeleted", "finalizers": [HOLDER], "app_id": "checkout"}
    assert (reply.status, reply.json["details"]) == (409, details)
    assert "is being deleted" in reply.json["message"]


async def test_nothing_is_deployed_into_an_environment_in_deletion() -> None:
    world = await held(names.ENVIRONMENTS, "staging")
    doomed(world, names.ENVIRONMENTS, "staging")

    deployed = await world.call("POST", DEPLOY, {"app_id": "fresh", "release_id": "v1"})
    undeployed = await world.call("DELETE", f"{DEPLOY}/checkout")

    assert (deployed.status, deployed.json["details"]["reason"]) == (409, "BeingDeleted")
    assert undeployed.status == 200


async def test_lock_that_is_held_still_locks_and_is_shown() -> None:
    world = await held(names.LOCKS, "staging")

    unlocked = await world.call("DELETE", LOCK)
    shown = (await world.call("GET", STAGING)).json
    locked = await world.call("PUT", LOCK, {"reason": "other"})
    deployed = await world.call("POST", DEPLOY, {"app_id": "checkout", "release_id": "v3"})

    assert (unlocked.status, unlocked.json["details"]) == (409, {"reason": "BeingDeleted", "finalizers": [HOLDER]})
    assert shown["lock"]["reason"] == "audit"
    assert (locked.status, locked.json["details"]["reason"]) == (409, "BeingDeleted")
    told = {"reason": "EnvironmentLocked", "lock_reason": "audit", "locked_by": "alice"}
    assert deployed.json["details"].items() >= told.items()


async def test_rehearsed_delete_of_what_would_be_held_stores_nothing() -> None:
    world = await held(names.ENVIRONMENTS, "staging")
    writes = list(world.cluster.accepted)

    reply = await world.call("DELETE", f"{STAGING}?dry_run=true")

    assert (reply.status, world.cluster.accepted) == (200, writes)
    assert "deletionTimestamp" not in world.raw(names.ENVIRONMENTS, "staging")["metadata"]
