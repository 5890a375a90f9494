"""The removal of an environment through the whole edge."""

from facade_world import BASE, NAMESPACE, World, record

from moorage_crds import names
from moorage_crds.store import (
    ForbiddenError,
)


async def test_environment_is_emptied_with_history_and_then_deleted() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    await world.deploy("payments", "v7")
    recorded = []

    def record_like_the_operator(verb: str, plural: str, _name: str) -> None:
        if verb == "delete" and plural == names.DEPLOYMENTS:
            recorded.append(plural)

    world.cluster.before = record_like_the_operator
    original = world.catalog.bindings.versions.wait_for_next

    async def recorder(seconds: float) -> None:
        for name in ("staging.checkout", "staging.payments"):
            record(world.cluster, NAMESPACE, name)
        world.deliver()

    world.catalog.bindings.versions.wait_for_next = recorder  # type: ignore[method-assign]
    reply = await world.call("DELETE", f"{BASE}/staging")
    world.catalog.bindings.versions.wait_for_next = original  # type: ignore[method-assign]

    assert reply.json == {"message": "Environment deleted successfully"}
    undeploys = [
        raw["spec"]
        for (plural, _, _), raw in world.cluster.objects.items()
        if plural == names.RECORDS and raw["spec"]["action"] == "undeploy"
    ]
    assert {(spec["app"], spec["by"], spec["reason"]) for spec in undeploys} == {
        ("checkout", "alice", "environment deleted"),
        ("payments", "alice", "environment deleted"),
    }
    assert not [key for key in world.cluster.objects if key[0] in {names.DEPLOYMENTS, names.ENVIRONMENTS}]
    assert (await world.call("GET", f"{BASE}/staging")).status == 404


async def test_removal_without_operator_says_what_is_left() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")

    async def nobody_records(seconds: float) -> None:
        world.clock.advance(seconds)

    world.catalog.bindings.versions.wait_for_next = nobody_records  # type: ignore[method-assign]
    reply = await world.call("DELETE", f"{BASE}/staging")

    assert reply.status == 503
    assert reply.json["details"] == {"reason": "Busy", "remaining": ["checkout"]}


async def test_removal_needs_the_rights_to_the_bindings() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    world.reviews.grant("carol", "delete environments", "patch deployments")

    reply = await world.call("DELETE", f"{BASE}/staging", user="carol")

    assert reply.json["details"] == {
        "required_permission": "environments:delete",
        "verb": "delete",
        "resource": "deployments",
    }
    assert world.raw(names.DEPLOYMENTS, "staging.checkout")["spec"]["release"] == "v1"


async def test_removal_that_is_refused_changes_nothing() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    before = list(world.cluster.accepted)

    def locked(_verb: str, plural: str, _name: str) -> None:
        if plural == names.DEPLOYMENTS:
            raise ForbiddenError("locked", policy="deployments-locks.moorage.dev")

    world.cluster.before = locked
    reply = await world.call("DELETE", f"{BASE}/staging")

    assert reply.json["details"]["reason"] == "EnvironmentLocked"
    assert world.cluster.accepted == before
