"""The cache lags behind other doors: what is answered without a write is true of the cluster, not of the cache."""

from typing import Any

import pytest
from facade_world import BASE, NAMESPACE, World

from moorage_crds import names
from moorage_crds.identifiers import BindingName, NamespaceName
from moorage_crds.store import ObjectRef

STAGING = f"{BASE}/staging"
FROZEN = f"{BASE}/frozen"
DEPLOY = f"{STAGING}/deploy"
CHECKOUT = ObjectRef(names.DEPLOYMENTS, NamespaceName.parse(NAMESPACE), BindingName.parse("staging.checkout"))
OWNED = [{"manager": "helm", "fieldsV1": {"f:spec": {"f:release": {}, "f:displayName": {}, "f:reason": {}}}}]


async def lagging_world() -> World:
    """checkout went from v1 to v2, payments was taken out, frozen is locked; the cache knows all that."""
    world = World(held=True)
    world.environment(displayName="Staging")
    world.environment("frozen")
    for app, release in (("checkout", "v1"), ("checkout", "v2"), ("payments", "v1")):
        await world.deploy(app, release)
    await world.call("DELETE", f"{DEPLOY}/payments")
    await world.call("PUT", f"{FROZEN}/lock", {"reason": "audit"})
    world.deliver()
    world.cluster.reads.clear()
    return world


async def releases(world: World, release: str | None) -> None:
    """Somebody else changes the release of checkout; the cache does not hear of it."""
    raw = world.raw(names.DEPLOYMENTS, CHECKOUT.name)
    patch = {"metadata": {"uid": raw["metadata"]["uid"]}, "spec": {"release": release}}
    await world.cluster.as_caller("bob").merge_patch(CHECKOUT, patch)


def changes(world: World, plural: str, name: str, spec: dict[str, Any] | None = None, **metadata: Any) -> None:
    raw = world.raw(plural, name)
    raw = {**raw, "spec": {**raw["spec"], **(spec or {})}, "metadata": {**raw["metadata"], **metadata}}
    world.cluster.put(raw, plural)


async def test_active_release_is_looked_up_before_nothing_is_done() -> None:
    world = await lagging_world()
    await releases(world, "v3")

    reply = await world.call("POST", DEPLOY, {"app_id": "checkout", "release_id": "v2"})

    assert reply.json["deployment_id"].endswith("4")
    assert world.raw(names.DEPLOYMENTS, CHECKOUT.name)["spec"]["release"] == "v2"


async def test_lock_that_is_gone_is_made_anew() -> None:
    world = await lagging_world()
    world.cluster.remove(names.LOCKS, NAMESPACE, "frozen")

    reply = await world.call("PUT", f"{FROZEN}/lock", {"reason": "audit"})

    assert reply.json["environment"]["lock"]["reason"] == "audit"
    assert world.raw(names.LOCKS, "frozen")["spec"] == {"reason": "audit"}


async def test_name_that_somebody_changed_is_set_again() -> None:
    world = await lagging_world()
    changes(world, names.ENVIRONMENTS, "staging", {"displayName": "Other"})

    reply = await world.call("PUT", STAGING, {"name": "Staging"})

    assert reply.json["environment"]["name"] == "Staging"
    assert world.raw(names.ENVIRONMENTS, "staging")["spec"]["displayName"] == "Staging"


@pytest.mark.parametrize(
    ("prepared", "method", "path", "body", "status", "shown"),
    [
        # Refusals that the cluster does not confirm.
        ("v3", "POST", DEPLOY, {"app_id": "checkout", "release_id": "v4", "expected_release_id": "v3"}, 200, "v4"),
        ("v3", "DELETE", f"{DEPLOY}/checkout?expected_release_id=v3", None, 200, None),
        ("v3", "POST", f"{DEPLOY}/checkout/rollback", {"expected_release_id": "v3"}, 200, "v2"),
        ("v3", "POST", f"{DEPLOY}/checkout/rollback", {"release_id": "v3"}, 200, "v3"),
        # Refusals that only the cluster knows.
        ("v3", "POST", DEPLOY, {"app_id": "checkout", "release_id": "v2", "expected_release_id": "v2"}, 409, "v3"),
        (None, "DELETE", f"{DEPLOY}/checkout", None, 404, None),
    ],
)
async def test_refusals_are_those_of_the_cluster(
    prepared: str | None, method: str, path: str, body: Any, status: int, shown: str | None
) -> None:
    world = await lagging_world()
    await releases(world, prepared)

    reply = await world.call(method, path, body)

    assert reply.status == status, reply.content
    assert world.raw(names.DEPLOYMENTS, CHECKOUT.name)["spec"].get("release") == shown


async def test_app_that_somebody_deployed_can_be_taken_out() -> None:
    world = await lagging_world()
    payments = ObjectRef(CHECKOUT.plural, CHECKOUT.namespace, BindingName.parse("staging.payments"))
    await world.cluster.as_caller("bob").merge_patch(payments, {"metadata": {}, "spec": {"release": "v9"}})

    reply = await world.call("DELETE", f"{DEPLOY}/payments")

    assert reply.json["deployment_id"].endswith("4")


async def test_line_that_is_in_the_log_alone_can_be_gone_back_to() -> None:
    """Made at another replica and recorded since: neither the records nor the pending changes here have it."""
    world = await lagging_world()
    for release in ("v3", "v4"):
        await releases(world, release)
    raw = world.raw(names.DEPLOYMENTS, CHECKOUT.name)
    world.cluster.put({**raw, "status": {"recordedSequence": 4, "release": "v4"}}, names.DEPLOYMENTS)

    reply = await world.call(
        "POST", f"{DEPLOY}/checkout/rollback", {"to_deployment_id": f"{raw['metadata']['uid']}-00000003"}
    )

    assert (reply.status, reply.json["release_id"]) == (200, "v3")


@pytest.mark.parametrize("fresh", [True, False])
async def test_declared_by_a_tool_is_what_the_cluster_says(fresh: bool) -> None:
    """The tool let go of everything, and the cache still knows of it; or the other way round."""
    world = await lagging_world()
    places = ((names.DEPLOYMENTS, CHECKOUT.name), (names.ENVIRONMENTS, "staging"), (names.LOCKS, "frozen"))
    for plural, name in places:
        changes(world, plural, name, managedFields=OWNED)
    if fresh:
        world.deliver()
        for plural, name in places:
            changes(world, plural, name, managedFields=[])
    calls = (
        ("POST", DEPLOY, {"app_id": "checkout", "release_id": "v7"}),
        ("PUT", STAGING, {"name": "Other"}),
        ("PUT", f"{FROZEN}/lock", {"reason": "other"}),
        ("DELETE", f"{FROZEN}/lock", None),
        ("DELETE", f"{STAGING}?dry_run=true", None),
    )

    statuses = [(await world.call(*call)).status for call in calls]

    # What the cache takes for free is written with its version: the conflict shows the owner.
    assert statuses == ([200] * 5 if fresh else [409] * 5)


async def test_stale_tag_and_read_only_values_are_compared_with_the_cluster() -> None:
    world = await lagging_world()
    changes(world, names.ENVIRONMENTS, "staging", {"displayName": "Other", "isDefault": True})
    raw = world.raw(names.ENVIRONMENTS, "staging")["metadata"]
    tag = f'"{raw["uid"]}.{raw["generation"]}.x"'

    kept = await world.call("PUT", STAGING, {"is_default": True, "name": "New"}, headers={"If-Match": tag})

    assert kept.status == 200


async def test_fast_path_of_real_changes_reads_the_environment_after_a_deploy_and_nothing_else() -> None:
    world = await lagging_world()
    calls: list[tuple[str, str, Any]] = [
        ("POST", DEPLOY, {"app_id": "checkout", "release_id": "v3", "expected_release_id": "v2"}),
        ("POST", f"{DEPLOY}/checkout/rollback", {}),
        ("DELETE", f"{DEPLOY}/checkout", None),
        ("POST", DEPLOY, {"app_id": "fresh", "release_id": "v1"}),
        ("PUT", STAGING, {"name": "Other"}),
        ("PUT", f"{FROZEN}/lock", {"reason": "other"}),
    ]

    statuses = [(await world.call(*call)).status for call in calls]

    assert (statuses, world.cluster.reads) == ([200] * 6, [(names.ENVIRONMENTS, "staging")] * 3)


async def test_nothing_to_do_is_read_once_and_tells_the_version() -> None:
    world = await lagging_world()
    there = [(names.ENVIRONMENTS, "staging")]
    calls = (
        ("POST", DEPLOY, {"app_id": "checkout", "release_id": "v2"}, names.DEPLOYMENTS, CHECKOUT.name, there),
        ("PUT", STAGING, {"name": "Staging"}, names.ENVIRONMENTS, "staging", []),
        ("PUT", f"{FROZEN}/lock", {"reason": "audit"}, names.LOCKS, "frozen", []),
    )

    for method, path, body, plural, name, more in calls:
        world.cluster.reads.clear()
        reply = await world.call(method, path, body)
        assert world.cluster.reads == [(plural, name), *more]
        version = world.raw(plural, name)["metadata"]["resourceVersion"]
        assert reply.headers["X-Resource-Version"] == f"{plural}={version}"


async def test_environment_that_went_meanwhile_is_not_edited_but_its_lock_is_answered() -> None:
    world = await lagging_world()
    world.cluster.remove(names.ENVIRONMENTS, NAMESPACE, "staging")
    world.cluster.remove(names.ENVIRONMENTS, NAMESPACE, "frozen")
    locked = await world.call("PUT", f"{FROZEN}/lock", {"reason": "other"})

    def gone(verb: str, plural: str, _name: str) -> None:
        if (verb, plural) == ("delete", names.LOCKS):
            world.deliver()

    world.cluster.before = gone
    unlocked = await world.call("DELETE", f"{FROZEN}/lock")
    edited = await world.call("PUT", STAGING, {"name": "Other"})

    assert (locked.status, locked.json["environment"]["lock"]["reason"]) == (200, "other")
    assert (unlocked.status, unlocked.json["environment"]["slug"]) == (200, "frozen")
    assert edited.json["details"] == {"resource_type": "environment", "resource_id": "staging"}
