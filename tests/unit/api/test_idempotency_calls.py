"""Keys of idempotency through the whole edge: one key, one change."""

import pytest
from facade_world import BASE, NAMESPACE, World, record

from moorage_crds import names


async def test_same_key_makes_one_change_and_the_same_answer() -> None:
    world = World()
    world.environment()
    key = {"Idempotency-Key": "k-1"}
    first = await world.deploy("checkout", "v1", headers=key)
    await world.deploy("checkout", "v2")

    again = await world.deploy("checkout", "v1", headers=key)

    assert again.json == first.json
    stored = world.raw(names.DEPLOYMENTS, "staging.checkout")
    assert stored["spec"]["release"] == "v2"
    # Another replica that reads with this header shows the change.
    assert again.headers["X-Resource-Version"] == f"deployments={stored['metadata']['resourceVersion']}"


async def test_key_is_found_in_records_too() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    key = {"Idempotency-Key": "k-1"}
    first = await world.call("DELETE", f"{BASE}/staging/deploy/checkout", headers=key)
    world.record()

    again = await world.call("DELETE", f"{BASE}/staging/deploy/checkout", headers=key)

    assert (again.status, again.json) == (200, first.json)


async def test_same_key_for_something_else_is_refused() -> None:
    world = World()
    world.environment()
    key = {"Idempotency-Key": "k-1"}
    await world.deploy("checkout", "v1", headers=key)

    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "checkout", "release_id": "v2"}, headers=key)

    assert reply.status == 422
    assert reply.json["detail"][0]["loc"] == ["header", "Idempotency-Key"]


async def test_same_key_for_another_app_or_environment_is_refused_until_the_line_is_gone() -> None:
    world = World()
    for slug in ("staging", "production"):
        world.environment(slug)
    key = {"Idempotency-Key": "k-1"}
    await world.deploy("checkout", "v1", headers=key)
    world.record()
    body = {"app_id": "checkout", "release_id": "v1"}
    calls = (
        ("POST", f"{BASE}/staging/deploy", {**body, "app_id": "payments"}),
        ("POST", f"{BASE}/production/deploy", body),
        ("DELETE", f"{BASE}/staging/deploy/checkout", None),
        ("POST", f"{BASE}/staging/deploy/checkout/rollback", {"release_id": "v1"}),
    )

    statuses = [(await world.call(*call, headers=key)).status for call in calls]
    mine = await world.call("POST", f"{BASE}/production/deploy", body, headers=key, user="root")
    for plural, namespace, name in list(world.cluster.objects):
        if plural == names.RECORDS:
            world.cluster.remove(plural, namespace, name)

    assert statuses == [422] * 4
    assert mine.status == 200
    assert (
        await world.call("POST", f"{BASE}/production/deploy", {**body, "release_id": "v2"}, headers=key)
    ).status == 200


async def test_key_of_somebody_else_is_another_key() -> None:
    world = World()
    world.environment()
    key = {"Idempotency-Key": "k-1"}
    await world.deploy("checkout", "v1", headers=key, user="root")
    await world.call("DELETE", f"{BASE}/staging/deploy/checkout")

    reply = await world.deploy("checkout", "v1", headers=key)

    assert reply.json["deployment_id"].endswith("3")


async def test_answer_of_a_record_that_came_before_its_deployment_names_the_version_that_shows_it() -> None:
    world = World(held=True)
    world.environment()
    key = {"Idempotency-Key": "k-1"}
    first = await world.deploy("checkout", "v1", headers=key)
    record(world.cluster, NAMESPACE, "staging.checkout")
    [made] = [raw for (plural, _, _), raw in world.cluster.objects.items() if plural == names.RECORDS]
    other = World(held=True)
    other.cluster = world.cluster
    other.catalog.environments.wrote(other.catalog.read.environment(world.raw(names.ENVIRONMENTS, "staging")))
    other.catalog.history.apply("ADDED", other.catalog.read.line(made))
    object.__setattr__(other.facade, "store", world.cluster)

    again = await other.deploy("checkout", "v1", headers=key)

    assert again.json == first.json
    stored = world.raw(names.DEPLOYMENTS, "staging.checkout")
    assert again.headers["X-Resource-Version"] == f"deployments={stored['metadata']['resourceVersion']}"


async def test_key_is_found_although_the_record_is_still_on_its_way() -> None:
    """The binding says that the change is recorded, the watch of records has not brought it: the log has it."""
    world = World(held=True)
    world.environment()
    key = {"Idempotency-Key": "k-1"}
    for release in ("v1", "v2", "v3"):
        await world.deploy("checkout", release)
    body: dict[str, str] = {}
    first = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", body, headers=key)
    record(world.cluster, NAMESPACE, "staging.checkout")
    other = World(held=True)
    other.cluster = world.cluster
    stored = world.raw(names.DEPLOYMENTS, "staging.checkout")
    other.catalog.environments.wrote(other.catalog.read.environment(world.raw(names.ENVIRONMENTS, "staging")))
    other.catalog.bindings.wrote(other.catalog.read.binding(stored))
    object.__setattr__(other.facade, "store", world.cluster)

    again = await other.call("POST", f"{BASE}/staging/deploy/checkout/rollback", body, headers=key)

    assert again.json == first.json


@pytest.mark.parametrize("key", ["", "a\tb", "k" * 65, "\u00e9", "\x7f"])
async def test_impossible_key_is_refused(key: str) -> None:
    world = World()
    world.environment()

    reply = await world.call(
        "POST", f"{BASE}/staging/deploy", {"app_id": "a", "release_id": "b"}, headers={"Idempotency-Key": key}
    )

    assert reply.status == 422
