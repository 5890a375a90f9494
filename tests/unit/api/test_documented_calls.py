"""The documented calls through the whole edge, over a cluster in memory."""

import re

import pytest
from facade_world import BASE, World, envelope

TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}")


async def test_documented_calls_answer_as_documented() -> None:
    world = World()

    created = await world.call("POST", BASE, {"name": "Staging", "slug": "staging"})
    environment = created.json["environment"]
    uid = environment["environment_id"]
    deployed = await world.deploy("checkout", "v1")
    shown = await world.call("GET", f"{BASE}/{uid}")
    listed = await world.call("GET", BASE)
    updated = await world.call("PUT", f"{BASE}/{uid}", {"name": "Stage"})
    lines = await world.call("GET", f"{BASE}/{uid}/deployments")
    undeployed = await world.call("DELETE", f"{BASE}/{uid}/deploy/checkout")

    assert created.status == 201
    assert created.json["message"] == "Environment created successfully"
    assert created.headers["Location"] == f"{BASE}/{uid}"
    assert environment == {
        "environment_id": uid,
        "workspace_id": "shop",
        "org_id": "acme",
        "name": "Staging",
        "slug": "staging",
        "description": "",
        "is_default": False,
        "active_deployments": {},
        "status": "active",
        "created_by": "alice",
        "created_at": "2026-01-31T12:00:00Z",
        "updated_at": "2026-01-31T12:00:00Z",
        "lock": None,
        "managed_by": None,
        "deleting": False,
        "hidden": [],
        "created_by_known": True,
        "rollouts": {},
        "closed": False,
        "next_open": None,
        "next_close": None,
        "last_unlock": None,
    }
    line = deployed.json["deployment_id"]
    assert deployed.json == {
        "message": "Release deployed successfully",
        "deployment_id": line,
        "environment_id": uid,
        "app_id": "checkout",
        "release_id": "v1",
    }
    assert shown.json == {**environment, "active_deployments": {"checkout": "v1"}}
    assert listed.json == {"total": 1, "has_more": False, "next_cursor": None, "environments": [shown.json]}
    assert updated.json == {
        "message": "Environment updated successfully",
        "environment": {**shown.json, "name": "Stage"},
    }
    assert lines.json == {
        "deployments": [
            {
                "deployment_id": line,
                "environment_id": uid,
                "app_id": "checkout",
                "release_id": "v1",
                "previous_release_id": None,
                "action": "deploy",
                "deployed_by": "alice",
                "deployed_at": "2026-01-31T12:00:00Z",
                "reason": None,
                "sequence": 1,
                "recorded": False,
                "deployed_by_known": True,
                "outcome": None,
                "healthy_at": None,
                "override": [],
                "hash": None,
                "removed": False,
                "imported": False,
                "imported_from": None,
            }
        ],
        "total": 1,
        "matching": 1,
        "has_more": False,
        "next_cursor": None,
    }
    assert undeployed.json == {
        "message": "App undeployed from environment",
        "deployment_id": line.removesuffix("1") + "2",
    }


@pytest.mark.parametrize(
    ("method", "path", "user", "status", "error", "message", "details"),
    [
        ("GET", BASE, None, 401, "AUTHENTICATION_FAILED", "Authentication required", {}),
        ("GET", BASE, "bad", 401, "AUTHENTICATION_FAILED", "Authentication required", {}),
        (
            "GET", f"{BASE}/staging", "mallory", 403, "FORBIDDEN", "You don't have permission to perform this action",
            {"required_permission": "environments:read", "verb": "get", "resource": "environments"},
        ),
        (
            "GET", f"{BASE}/nowhere", "alice", 404, "RESOURCE_NOT_FOUND", "The requested resource was not found",
            {"resource_type": "environment", "resource_id": "nowhere"},
        ),
        (
            "GET", BASE.replace("shop", "none"), "root", 404, "RESOURCE_NOT_FOUND",
            "The requested resource was not found", {"resource_type": "workspace", "resource_id": "none"},
        ),
        (
            "PATCH", f"{BASE}/staging", None, 405, "METHOD_NOT_ALLOWED", "This method is not allowed here",
            {"allowed": ["DELETE", "GET", "PUT"]},
        ),
    ],
)  # fmt: skip
async def test_documented_errors(  # noqa: PLR0917 — a table
    method: str, path: str, user: str | None, status: int, error: str, message: str, details: dict[str, object]
) -> None:
    world = World()
    world.environment()

    reply = await world.call(method, path, user=user)

    assert reply.status == status
    assert reply.json == envelope(status, error, message, details)


async def test_bug_discloses_nothing() -> None:
    world = World()
    world.catalog.environment = None  # type: ignore[assignment,method-assign]

    reply = await world.call("GET", f"{BASE}/staging")

    assert reply.json == envelope(500, "INTERNAL_SERVER_ERROR", "An unexpected error occurred", {})


async def test_missing_token_names_the_scheme() -> None:
    reply = await World().call("GET", BASE, user=None)

    assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", [BASE, f"{BASE}/staging", BASE.replace("shop", "absent"), BASE.replace("shop", "..")])
async def test_outsider_cannot_tell_absent_from_forbidden(path: str) -> None:
    world = World()
    world.environment()
    there = await world.call("GET", f"{BASE}/staging" if path.endswith("staging") else BASE, user="mallory")

    reply = await world.call("GET", path, user="mallory")

    assert reply.status == 403
    assert reply.json == there.json


@pytest.mark.parametrize(
    "text",
    [".", "..", "%2e", "%2E%2e", "a%2Fb", "%00", "a%0d%0ab", "STAGING", "a" * 64, "%e2%80%ae", "%ff", "%252e", ""],
)
async def test_impossible_environment_is_absent_and_reaches_nobody(text: str) -> None:
    world = World()
    world.environment()

    reply = await world.call("GET", f"{BASE}/{text}")

    assert reply.status == 404
    assert [right.name for right in world.reviews.asked if not isinstance(right, str)] == [""]


@pytest.mark.parametrize("text", [".", "..", "a%2Fb", "%00", "x" * 64, "-a", "%2e%2e%2f"])
async def test_impossible_app_is_absent(text: str) -> None:
    world = World()
    world.environment()

    reply = await world.call("DELETE", f"{BASE}/staging/deploy/{text}")

    assert reply.status == 404
    assert reply.json["details"]["resource_type"] == "deployment"
    assert world.cluster.accepted == []


async def test_same_release_again_changes_nothing_and_names_its_line() -> None:
    world = World()
    world.environment()
    first = await world.deploy("checkout", "v1")
    world.record()

    second = await world.deploy("checkout", "v1")

    assert second.json == first.json
    assert len(world.cluster.accepted) == 1


async def test_undeploy_of_what_is_not_deployed_is_not_found() -> None:
    world = World()
    world.environment()

    reply = await world.call("DELETE", f"{BASE}/staging/deploy/checkout")

    assert reply.json["details"] == {"resource_type": "deployment", "resource_id": "checkout"}


async def test_names_that_differ_in_case_collide() -> None:
    world = World()
    world.environment()
    await world.deploy("check_out", "v1")

    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "Check-Out", "release_id": "v1"})

    assert reply.status == 409
    assert reply.json["details"] == {"reason": "AppNameCollision", "app_id": "check_out"}


async def test_taken_slug_is_a_conflict_in_documented_words() -> None:
    world = World()
    world.environment()

    reply = await world.call("POST", BASE, {"name": "Staging", "slug": "staging"})

    assert reply.json == envelope(
        409, "CONFLICT", "Resource already exists", {"reason": "AlreadyExists", "environment": "staging"}
    )


async def test_expected_release_is_compared() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    body = {"app_id": "checkout", "release_id": "v3", "expected_release_id": "v2"}

    reply = await world.call("POST", f"{BASE}/staging/deploy", body)

    assert reply.status == 409
    assert reply.json["details"] == {"reason": "ReleaseMismatch", "active_release_id": "v1"}
