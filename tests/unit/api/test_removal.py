"""Removing an environment: all of it or nothing, and what is said when it cannot be finished."""

import pytest
from facade_world import BASE, NAMESPACE, World, record

from moorage_crds import names
from moorage_crds.store import ConflictError, ForbiddenError, UnavailableError

STAGING = f"{BASE}/staging"


def refused_by(policy: str) -> ForbiddenError:
    return ForbiddenError("no", policy=policy)


async def full_world(*, recorded: bool = True) -> World:
    """staging with checkout and payments; an operator that records, if `recorded`, whenever somebody waits for it."""
    world = World()
    world.environment()
    for app in ("checkout", "payments"):
        await world.deploy(app, "v1")

    async def operator(seconds: float) -> None:
        if not recorded:
            world.clock.advance(seconds)
            return
        for plural, _, name in list(world.cluster.objects):
            if plural == names.DEPLOYMENTS:
                record(world.cluster, NAMESPACE, name)

    world.catalog.bindings.versions.wait_for_next = operator  # type: ignore[method-assign]
    return world


def bound(world: World) -> list[str]:
    return sorted(name for plural, _, name in world.cluster.objects if plural == names.DEPLOYMENTS)


async def test_policies_that_keep_a_binding_until_it_is_recorded_do_not_stop_the_rehearsal() -> None:
    world = await full_world()

    def ours(verb: str, plural: str, name: str) -> None:
        if (verb, plural) != ("delete", names.DEPLOYMENTS):
            return
        raw = world.raw(plural, name)
        if raw["spec"].get("release"):
            raise refused_by(names.POLICY_ATTRIBUTED_DELETES)
        if raw["changeLog"]["sequence"] > raw.get("status", {}).get("recordedSequence", 0):
            raise refused_by(names.POLICY_DEPLOYMENT_DELETES)

    world.cluster.before = ours
    reply = await world.call("DELETE", STAGING)

    assert (reply.status, bound(world)) == (200, [])


@pytest.mark.parametrize("plural", [names.DEPLOYMENTS, names.ENVIRONMENTS])
async def test_refused_delete_of_anything_changes_nothing(plural: str) -> None:
    world = await full_world()
    before = list(world.cluster.accepted)

    def theirs(verb: str, kind: str, name: str) -> None:
        if (verb, kind) == ("delete", plural) and name != "staging.checkout":
            raise refused_by("theirs")

    world.cluster.before = theirs
    reply = await world.call("DELETE", STAGING)

    assert reply.json["details"] == {"reason": "PolicyRefused"}
    assert world.cluster.accepted == before


async def test_all_apps_that_are_left_are_named() -> None:
    world = await full_world()
    tries: list[str] = []

    def contested(verb: str, _plural: str, name: str) -> None:
        if (verb, name) == ("patch", "staging.checkout"):
            tries.append(name)
            if len(tries) > 1:
                raise ConflictError(name)

    world.cluster.before = contested
    reply = await world.call("DELETE", STAGING)

    assert reply.json["details"] == {"reason": "Busy", "remaining": ["checkout", "payments"]}


async def test_environment_that_alone_is_left_is_told_too() -> None:
    world = await full_world()
    tries: list[str] = []

    def outage(verb: str, plural: str, name: str) -> None:
        if (verb, plural) == ("delete", names.ENVIRONMENTS):
            tries.append(name)
            if len(tries) > 1:
                raise UnavailableError("down")

    world.cluster.before = outage
    reply = await world.call("DELETE", STAGING)

    assert reply.json["details"] == {"reason": "ClusterUnavailable", "remaining": []}


async def test_every_declared_field_is_named() -> None:
    world = await full_world()
    owned = [{"manager": "helm", "fieldsV1": {"f:spec": {"f:displayName": {}, "f:description": {}, "f:release": {}}}}]
    for plural, name in ((names.ENVIRONMENTS, "staging"), (names.DEPLOYMENTS, "staging.checkout")):
        raw = world.raw(plural, name)
        world.cluster.put({**raw, "metadata": {**raw["metadata"], "managedFields": owned}}, plural)

    edited = await world.call("PUT", STAGING, {"name": "A", "description": "B"})
    removed = await world.call("DELETE", STAGING)

    fields = ["spec.displayName", "spec.description"]
    assert edited.json["details"] == {"reason": "ManagedDeclaratively", "managed_by": "helm", "fields": fields}
    assert set(removed.json["details"]["fields"]) == {*fields, "spec.release"}


async def test_removal_tells_its_version_as_soon_as_the_watch_does() -> None:
    world = await full_world()
    await world.call("PUT", f"{STAGING}/lock", {"reason": "audit"})

    unlocked = await world.call("DELETE", f"{STAGING}/lock")
    rehearsed = await world.call("DELETE", f"{STAGING}?dry_run=true")
    deleted = await world.call("DELETE", STAGING)

    versions = [
        f"{plural}={raw['metadata']['resourceVersion']}"
        for plural, kind, raw in world.events
        if kind == "DELETED" and plural in {names.LOCKS, names.ENVIRONMENTS}
    ]
    assert [reply.headers["X-Resource-Version"] for reply in (unlocked, deleted)] == versions
    assert "X-Resource-Version" not in rehearsed.headers
    for version in versions:
        assert (await world.call("GET", BASE, headers={"X-Resource-Version": version})).status == 200
