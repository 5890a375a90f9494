"""What a GitOps tool declares is refused; and the state at an earlier moment."""

import pytest
from facade_world import BASE, World

from moorage_crds import names

MANAGED = [
    {
        "manager": "argocd-controller",
        "operation": "Apply",
        "fieldsV1": {"f:spec": {"f:release": {}, "f:displayName": {}, "f:reason": {}}},
    }
]


async def test_declared_release_is_refused_unless_overridden() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    raw = world.raw(names.DEPLOYMENTS, "staging.checkout")
    world.cluster.put({**raw, "metadata": {**raw["metadata"], "managedFields": MANAGED}}, names.DEPLOYMENTS)
    world.deliver()
    body = {"app_id": "checkout", "release_id": "v2"}

    refused = await world.call("POST", f"{BASE}/staging/deploy", body)
    unchanged = await world.call("POST", f"{BASE}/staging/deploy", {**body, "release_id": "v1"})
    overridden = await world.call("POST", f"{BASE}/staging/deploy?override_ownership=true", body)

    assert refused.json["details"] == {
        "reason": "ManagedDeclaratively",
        "managed_by": "argocd-controller",
        "fields": ["spec.release"],
    }
    assert (unchanged.status, overridden.status) == (200, 200)


async def test_declared_environment_shows_its_manager_and_refuses_only_declared_fields() -> None:
    world = World()
    world.environment(displayName="A")
    raw = world.raw(names.ENVIRONMENTS, "staging")
    world.cluster.put({**raw, "metadata": {**raw["metadata"], "managedFields": MANAGED}}, names.ENVIRONMENTS)
    world.deliver()

    shown = await world.call("GET", f"{BASE}/staging")
    refused = await world.call("PUT", f"{BASE}/staging", {"name": "B"})
    free = await world.call("PUT", f"{BASE}/staging", {"description": "B"})
    deleted = await world.call("DELETE", f"{BASE}/staging")

    assert shown.json["managed_by"] == "argocd-controller"
    assert refused.json["details"]["fields"] == ["spec.displayName"]
    assert free.status == 200
    assert deleted.json["details"]["reason"] == "ManagedDeclaratively"


async def test_state_at_an_earlier_moment() -> None:
    world = World()
    world.environment()
    world.clock.advance(10)
    await world.deploy("checkout", "v1")
    world.clock.advance(10)
    await world.deploy("checkout", "v2")
    world.clock.advance(10)

    states = {
        second: (await world.call("GET", f"{BASE}/staging?at=2026-01-31T12:00:{second}Z")).json["active_deployments"]
        for second in ("05", "10", "15", "25")
    }

    assert states == {"05": {}, "10": {"checkout": "v1"}, "15": {"checkout": "v1"}, "25": {"checkout": "v2"}}


@pytest.mark.parametrize(
    "moment",
    [
        "2026-01-31T11:59:59Z", "2027-01-01T00:00:00Z", "2026-01-31", "x", "0001-01-01T00:00:00%2B14:00",
        "9999-12-31T23:59:59.9-14:00", "9999-12-31T24:00:00Z", "0999-01-01T00:00:00Z",
    ],
)  # fmt: skip
async def test_moment_that_cannot_be_answered(moment: str) -> None:
    world = World()
    world.environment()

    reply = await world.call("GET", f"{BASE}/staging?at={moment}")

    assert reply.status == 422
    assert reply.json["detail"][0]["loc"] == ["query", "at"]
    assert moment[0] != "0" or reply.json["detail"][0]["input"].startswith("0")
