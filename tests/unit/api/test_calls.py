"""Calls through the whole edge, over a cluster in memory."""

import re
from base64 import urlsafe_b64encode

import pytest
from facade_world import BASE, NAMESPACE, World

from moorage_api.cache import pages
from moorage_crds import names
from moorage_crds.kube.client import error_for
from moorage_crds.store import (
    Cause,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)

TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}")


def envelope(status: int, error: str, message: str, details: object) -> dict[str, object]:
    return {
        "error": error,
        "message": message,
        "details": details,
        "timestamp": "2026-01-31T12:00:00.000000",
        "status_code": status,
    }


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
            }
        ],
        "total": 1,
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
    assert world.cluster.writes == []


async def test_same_release_again_changes_nothing_and_names_its_line() -> None:
    world = World()
    world.environment()
    first = await world.deploy("checkout", "v1")
    world.record()

    second = await world.deploy("checkout", "v1")

    assert second.json == first.json
    assert len(world.cluster.writes) == 1


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


# --- rollback


async def test_rollback_goes_to_the_last_different_release_and_says_so() -> None:
    world = World()
    world.environment()
    for release in ("v1", "v2"):
        await world.deploy("checkout", release)

    reply = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", {})
    lines = await world.call("GET", f"{BASE}/staging/deployments")

    assert reply.json["message"] == "Release rolled back successfully"
    assert reply.json["release_id"] == "v1"
    assert lines.json["deployments"][0]["action"] == "rollback"


async def test_rollback_to_a_line_and_to_a_release() -> None:
    world = World()
    world.environment()
    first = (await world.deploy("checkout", "v1")).json["deployment_id"]
    for release in ("v2", "v3"):
        await world.deploy("checkout", release)

    to_line = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", {"to_deployment_id": first})
    to_release = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", {"release_id": "v2"})

    assert to_line.json["release_id"] == "v1"
    assert to_release.json["release_id"] == "v2"


@pytest.mark.parametrize("body", [{}, {"release_id": "v7"}])
async def test_nothing_to_roll_back_to(body: dict[str, str]) -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")

    reply = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", body)

    assert reply.json["details"] == {"reason": "NothingToRollBack"}


async def test_rollback_of_an_app_that_was_never_there_is_not_found() -> None:
    world = World()
    world.environment()

    reply = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", {})

    assert reply.status == 404
    assert reply.json["details"] == {"resource_type": "deployment", "resource_id": "checkout"}


async def test_rollback_after_an_undeploy_brings_the_release_back() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    await world.call("DELETE", f"{BASE}/staging/deploy/checkout")

    reply = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", {})

    assert reply.json["release_id"] == "v1"


# --- idempotency


async def test_same_key_makes_one_change_and_the_same_answer() -> None:
    world = World()
    world.environment()
    key = {"Idempotency-Key": "k-1"}
    first = await world.deploy("checkout", "v1", headers=key)
    await world.deploy("checkout", "v2")

    again = await world.deploy("checkout", "v1", headers=key)

    assert again.json == first.json
    assert world.raw(names.DEPLOYMENTS, "staging.checkout")["spec"]["release"] == "v2"


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


async def test_key_is_found_although_the_record_is_still_on_its_way() -> None:
    """The binding says that the change is recorded, the watch of records has not brought it: the log has it."""
    world = World(held=True)
    world.environment()
    key = {"Idempotency-Key": "k-1"}
    for release in ("v1", "v2", "v3"):
        await world.deploy("checkout", release)
    body: dict[str, str] = {}
    first = await world.call("POST", f"{BASE}/staging/deploy/checkout/rollback", body, headers=key)
    world.cluster.record(NAMESPACE, "staging.checkout")
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


# --- conflicts


async def test_conflict_is_decided_anew_on_the_live_state() -> None:
    world = World(held=True)
    world.environment()
    await world.deploy("checkout", "v1")
    world.deliver()
    raced = []

    def race(verb: str, plural: str, name: str) -> None:
        if verb == "patch" and not raced:
            raced.append(name)
            raw = world.raw(plural, name)
            raw["spec"]["release"] = "v5"
            world.cluster.put(plural, raw)

    world.cluster.before = race
    body = {"app_id": "checkout", "release_id": "v2", "expected_release_id": "v1"}

    reply = await world.call("POST", f"{BASE}/staging/deploy", body)

    assert reply.json["details"] == {"reason": "ReleaseMismatch", "active_release_id": "v5"}


async def test_endless_conflict_is_busy() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")

    def conflict(verb: str, _plural: str, _name: str) -> None:
        raise ConflictError(verb)

    world.cluster.before = conflict
    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "checkout", "release_id": "v2"})

    assert reply.status == 503
    assert reply.json["details"] == {"reason": "Busy"}
    assert reply.headers["Retry-After"] == "1"


async def test_first_deploy_lost_to_another_one_is_decided_anew() -> None:
    world = World(held=True)
    world.environment()
    other = {
        "metadata": {"name": "staging.checkout", "namespace": NAMESPACE},
        "spec": {"environment": "staging", "app": "checkout", "release": "v1"},
    }
    world.cluster.put(names.DEPLOYMENTS, other)

    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "checkout", "release_id": "v2"})

    assert reply.status == 200
    assert world.raw(names.DEPLOYMENTS, "staging.checkout")["spec"]["release"] == "v2"


# --- what the cluster says


@pytest.mark.parametrize(
    ("error", "status", "details"),
    [
        (ThrottledError("x", retry_after=7), 503, {"reason": "ClusterUnavailable"}),
        (UnavailableError("x"), 503, {"reason": "ClusterUnavailable"}),
        (UnauthenticatedError("x"), 401, {}),
        (
            ForbiddenError('PATCH x: 403 y is forbidden: User "alice" cannot patch resource "deployments"'),
            403,
            {"required_permission": "deployments:deploy", "verb": "patch", "resource": "deployments"},
        ),
        (
            ForbiddenError("ValidatingAdmissionPolicy 'theirs' with binding 'b' denied request: not on a Friday"),
            409,
            {"reason": "PolicyRefused"},
        ),
        (
            ForbiddenError(
                "ValidatingAdmissionPolicy 'attributed-deletes.moorage.dev' with binding 'b' denied request: no"
            ),
            409,
            {"reason": "AttributedDeletes"},
        ),
        (
            InvalidError("x", [Cause("FieldValueForbidden", "16 changes", "spec.release")]),
            503,
            {"reason": "HistoryFull"},
        ),
    ],
)
async def test_no_of_the_cluster_is_translated(error: Exception, status: int, details: dict[str, object]) -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")

    def refuse(_verb: str, _plural: str, _name: str) -> None:
        raise error

    world.cluster.before = refuse
    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "checkout", "release_id": "v2"})

    assert reply.status == status
    assert reply.json["details"] == details


async def test_invalid_of_the_cluster_names_the_field() -> None:
    world = World()

    def refuse(_verb: str, _plural: str, _name: str) -> None:
        raise InvalidError("x", [Cause("FieldValueInvalid", "looks like a uid", "metadata.name")])

    world.cluster.before = refuse
    reply = await world.call("POST", BASE, {"name": "a", "slug": "a"})

    assert reply.json["detail"][0]["loc"] == ["body", "slug"]


VAP = "ValidatingAdmissionPolicy '{}' with binding 'b' denied request: not on a Friday"
WEBHOOK = 'admission webhook "w.example.com" denied the request: '


@pytest.mark.parametrize(
    ("code", "reason", "message", "shown"),
    [
        (422, "Invalid", f'deployments.moorage.dev "a" is forbidden: {VAP.format("theirs")}', "not on a Friday"),
        (401, "Unauthorized", f'deployments.moorage.dev "a" is forbidden: {VAP.format("theirs")}', "not on a Friday"),
        (413, "RequestEntityTooLarge", f"x is forbidden: {VAP.format('theirs')}", "not on a Friday"),
        (403, "Forbidden", f"x is forbidden: {VAP.format('theirs')}", "not on a Friday"),
        (400, "", f"{WEBHOOK}not on a Friday", f"{WEBHOOK}not on a Friday"),
        (403, "", f'{WEBHOOK}x is bad: User "a" cannot x', f'{WEBHOOK}x is bad: User "a" cannot x'),
        (404, "NotFound", f"{WEBHOOK}no such team", f"{WEBHOOK}no such team"),
        (409, "Conflict", f"{WEBHOOK}not now", f"{WEBHOOK}not now"),
        (429, "", f"{WEBHOOK}too often", f"{WEBHOOK}too often"),
        (500, "", f"{WEBHOOK}I fell", f"{WEBHOOK}I fell"),
    ],
)
async def test_no_of_foreign_admission_is_shown_whatever_its_status(
    code: int, reason: str, message: str, shown: str
) -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    status = {"reason": reason, "code": code, "details": {"causes": [{"message": message}]}}

    def refuse(_verb: str, _plural: str, _name: str) -> None:
        raise error_for("PATCH /apis/moorage.dev/v1/{name}", code, message, status)

    world.cluster.before = refuse
    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "checkout", "release_id": "v2"})

    assert (reply.status, reply.json["message"]) == (409, shown)
    assert reply.json["details"] == {"reason": "PolicyRefused"}
    # A policy's 401 says nothing about the token.
    assert world.reviews.asked.count("alice") == 1


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        (500, 'Internal error occurred: failed calling webhook "w": timeout', 503),
        (422, "spec.reason: Invalid value: \"admission webhook 'w' denied the request\"", 422),
    ],
)
async def test_other_failures_are_no_refusals(code: int, message: str, status: int) -> None:
    world = World()
    world.environment()

    def refuse(_verb: str, _plural: str, _name: str) -> None:
        raise error_for("POST /x", code, message, {})

    world.cluster.before = refuse
    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "checkout", "release_id": "v2"})

    assert reply.status == status


async def test_lock_that_is_gone_already_holds_up_nobody() -> None:
    world = World()
    world.environment()
    tries: list[str] = []

    def refuse_twice(_verb: str, _plural: str, name: str) -> None:
        tries.append(name)
        if len(tries) <= 2:
            raise ForbiddenError(
                "POST /x: 403 ValidatingAdmissionPolicy 'deployments-locks.moorage.dev' with binding 'b' denied "
                "request: environment staging is locked by bob: audit"
            )

    world.cluster.before = refuse_twice
    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "checkout", "release_id": "v1"})

    assert reply.status == 200
    assert len(tries) == 3


async def test_lock_refusal_says_who_and_why_although_the_watch_lags() -> None:
    world = World(held=True)
    world.environment()
    lock = {"metadata": {"name": "staging", "namespace": NAMESPACE}, "spec": {"reason": "audit"}}
    world.cluster.put(names.LOCKS, {**lock, "provenance": {"updatedBy": "bob"}})

    def refuse(_verb: str, _plural: str, _name: str) -> None:
        raise ForbiddenError(
            "ValidatingAdmissionPolicy 'deployments-locks.moorage.dev' with binding 'b' denied request: locked"
        )

    world.cluster.before = refuse
    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "checkout", "release_id": "v2"})

    assert reply.json["details"] == {"reason": "EnvironmentLocked", "lock_reason": "audit", "locked_by": "bob"}


async def test_namespace_that_vanished_is_a_workspace_that_is_not_there() -> None:
    world = World()

    def refuse(_verb: str, _plural: str, _name: str) -> None:
        raise NotFoundError("namespace")

    world.cluster.before = refuse
    reply = await world.call("POST", BASE, {"name": "a", "slug": "a"})

    assert reply.json["details"] == {"resource_type": "workspace", "resource_id": "shop"}


@pytest.mark.parametrize("method", ["authenticate", "allowed"])
async def test_review_that_fails_is_never_a_yes(method: str) -> None:
    world = World()
    if method == "allowed":
        await world.call("GET", BASE)
        world.clock.advance(9)
        world.facade.access._rights._kept.clear()
    world.reviews.broken = UnavailableError("down")

    reply = await world.call("GET", BASE)

    assert reply.status == 503
    assert reply.json["details"] == {"reason": "ClusterUnavailable"}


async def test_right_that_was_taken_away_works_for_ten_seconds_at_most() -> None:
    world = World()
    assert (await world.call("GET", BASE)).status == 200
    world.reviews.rights.clear()
    world.clock.advance(9.9)
    believed = await world.call("GET", BASE)
    world.clock.advance(0.2)

    reply = await world.call("GET", BASE)

    assert believed.status == 200
    assert reply.status == 403


# --- order of checks, limits, requests


async def test_permission_comes_before_the_body() -> None:
    world = World()

    reply = await world.call("POST", BASE, b"no json", user="mallory")

    assert reply.status == 403


async def test_body_comes_before_existence() -> None:
    reply = await World().call("POST", f"{BASE}/nowhere/deploy", {})

    assert reply.status == 422


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "missing"),
        (b"{", "json_invalid"),
        (b"\xff{}", "json_invalid"),
        (b"\xef\xbb\xbf{}", "json_invalid"),
        (b'{"name": NaN, "slug": "a"}', "json_invalid"),
        (b'{"name": 1e400, "slug": "a"}', "json_invalid"),
        (b'{"name": ' + b"9" * 10_000 + b"}", "json_invalid"),
        (b'{"name": "a", "name": "b", "slug": "a"}', "duplicate_key"),
        (b'{"name": "\\ud800", "slug": "a"}', "string_unicode"),
        (b"[" * 60_000, "json_invalid"),
        (b'{"a":' * 10_000, "json_invalid"),
        (b"[]", "model_type"),
        (b"null", "model_type"),
        (b'{"name": "a", "slug": "a", "more": 1}', "extra_forbidden"),
        (b'{"name": 1, "slug": "a"}', "string_type"),
        (b'{"name": "a\\u0000", "slug": "a"}', "string_pattern_mismatch"),
        (b'{"name": "a\\u202e", "slug": "a"}', "string_pattern_mismatch"),
        (b'{"name": "a\\n", "slug": "a"}', "string_pattern_mismatch"),
        (b'{"name": "a", "slug": "A"}', "string_pattern_mismatch"),
        (b'{"name": "a", "slug": "a\\n"}', "string_pattern_mismatch"),
        (b'{"name": "", "slug": "a"}', "string_too_short"),
    ],
)
async def test_bad_bodies_are_refused(content: bytes, kind: str) -> None:
    reply = await World().call("POST", BASE, content)

    assert reply.status == 422
    (problem,) = reply.json["detail"]
    assert set(problem) == {"loc", "msg", "type", "input", "ctx"}
    assert problem["loc"][0] == "body"
    assert problem["type"] == kind


async def test_long_input_is_cut() -> None:
    reply = await World().call("POST", BASE, {"name": "x" * 5000, "slug": ["y" * 500]})

    inputs = [problem["input"] for problem in reply.json["detail"]]
    assert [len(value) for value in inputs] == [256, 256]


@pytest.mark.parametrize(
    ("content", "content_type", "headers", "status"),
    [
        (b"x" * 70_000, "application/json", {}, 413),
        (b"{}", "text/plain", {}, 415),
        (b"{}", None, {}, 415),
        (b"{}", "application/json; charset=utf-16", {}, 415),
        (b"{}", "application/json", {"Content-Encoding": "gzip"}, 415),
        (b"{}", "application/json; charset=UTF-8", {}, 422),
    ],
)
async def test_bodies_that_are_not_taken(
    content: bytes, content_type: str | None, headers: dict[str, str], status: int
) -> None:
    reply = await World().call("POST", BASE, content, content_type=content_type, headers=headers)

    assert reply.status == status


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=x", "limit=1&limit=2", "unknown=1", "cursor=zzz", "since=yesterday", "%ff=1",
        "since=0001-01-01T00:00:00%2B14:00", "until=9999-12-31T23:59:59-00:01", "until=2026-01-31T12:00:00",
        "since=%D9%A2026-01-31T12:00:00Z", "since=2026-02-30T12:00:00Z",
    ],
)  # fmt: skip
async def test_bad_queries_are_refused(query: str) -> None:
    world = World()
    world.environment()

    reply = await world.call("GET", f"{BASE}/staging/deployments?{query}")

    assert reply.status == 422
    assert reply.json["detail"][0]["loc"][0] == "query"


async def test_last_moment_there_is_matches_what_has_no_time() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")

    for query in ("since=9999-12-31T23:59:59.5Z", "until=0001-01-01T00:00:00Z", "since=9999-12-31T23:59:59Z"):
        reply = await world.call("GET", f"{BASE}/staging/deployments?{query}")
        assert (reply.status, reply.json["total"]) == (200, 0), query
    early = await world.call("GET", f"{BASE}/staging/deployments?since=0999-12-31T23:59:59.5Z")
    assert early.json["total"] == 1


def forged(scope: object, content: bytes) -> str:
    """A cursor with any content and a right checksum, which everybody can make."""
    return urlsafe_b64encode(pages._checksum(scope, content) + content).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "content",
    [
        b"no json", b"", b"1", b"null", b"[]", b"[1]", b'["a","b",3]', b'["a","b","x","1"]', b'["a","b",1.5,"1"]',
        b'["a",null,1,"1"]', b'["a","b",1,null]', b'{"a":1,"b":2,"c":3,"d":4}', b"[" * 150 + b"]" * 150, b"\xff",
        b'"\xed\xa0\x80"',
    ],
)  # fmt: skip
async def test_forged_cursors_are_refused(content: bytes) -> None:
    world = World()
    uid = world.environment()
    namespace = world.catalog.workspace("acme", "shop")
    assert namespace is not None
    paths = {
        f"{BASE}/staging/deployments": ["history", uid, None, None, None, None],
        BASE: ["environments", namespace.uid],
    }

    for path, scope in paths.items():
        reply = await world.call("GET", f"{path}?cursor={forged(scope, content)}")
        assert reply.status == 422, reply.content
        assert reply.json["detail"][0]["loc"] == ["query", "cursor"]


async def test_user_has_a_rate_limit() -> None:
    world = World()
    world.edge._users._burst, world.edge._users._rate = 2.0, 0.5

    replies = [await world.call("GET", BASE) for _ in range(3)]

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[2].headers["Retry-After"] == "2"
    assert replies[2].json["details"] == {"retry_after": 2}
    assert (await world.call("GET", BASE, user="root")).status == 200


async def test_address_that_fails_has_a_smaller_rate_limit() -> None:
    world = World(failed_rate_burst=2, failed_rate_limit=1)
    await world.call("GET", BASE)

    statuses = [(await world.call("GET", BASE, user=None)).status for _ in range(3)]

    assert statuses == [401, 401, 429]
    assert (await world.call("GET", BASE)).status == 200


async def test_request_id_is_kept_or_made() -> None:
    world = World()

    kept = await world.call("GET", BASE, headers={"X-Request-Id": "abc-1"})
    made = await world.call("GET", BASE, headers={"X-Request-Id": "a b"})

    assert kept.headers["X-Request-Id"] == "abc-1"
    assert re.fullmatch("[0-9a-f]{16}", made.headers["X-Request-Id"])


async def test_not_synced_is_unavailable() -> None:
    world = World()
    world.feeds[0].synced = False
    world.facade.freshness.sample()

    reply = await world.call("GET", BASE)
    ready = await world.call("GET", "/readyz", user=None)

    assert reply.json["details"] == {"reason": "NotSynced"}
    assert ready.status == 503


async def test_cut_watch_is_told_and_ends_the_answers_at_last() -> None:
    world = World()
    world.clock.advance(10)
    world.feeds[0].connected, world.feeds[0].seconds = False, 12.5
    world.facade.freshness.sample()
    warned = await world.call("GET", BASE)
    world.feeds[0].seconds = 301
    world.facade.freshness.sample()

    refused = await world.call("GET", BASE)

    assert (warned.status, warned.headers["Age"]) == (200, "12")
    assert warned.headers["Warning"].startswith("110")
    assert refused.json["details"] == {"reason": "NotSynced"}


async def test_version_of_another_replica_is_waited_for() -> None:
    world = World()
    world.environment()
    version = (await world.deploy("checkout", "v1")).headers["X-Resource-Version"]

    seen = await world.call("GET", BASE, headers={"X-Resource-Version": version})
    wrong = await world.call("GET", BASE, headers={"X-Resource-Version": "pods=1"})

    assert seen.status == 200
    assert wrong.status == 422


# --- environments


async def test_description_may_be_emptied_and_null_means_unchanged() -> None:
    world = World()
    world.environment(displayName="Staging", description="x")

    kept = await world.call("PUT", f"{BASE}/staging", {"description": None, "name": None})
    emptied = await world.call("PUT", f"{BASE}/staging", {"description": ""})

    assert kept.json["environment"]["description"] == "x"
    assert emptied.json["environment"]["description"] == ""
    assert world.cluster.writes == [("alice", "patch", "environments")]


async def test_answer_of_get_may_be_sent_back_whole() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    shown = (await world.call("GET", f"{BASE}/staging")).json

    reply = await world.call("PUT", f"{BASE}/staging", {**shown, "name": "New", "active_deployments": {"a": 1}})

    assert reply.status == 200
    assert reply.json["environment"] == {**shown, "name": "New", "updated_at": shown["updated_at"]}


async def test_read_only_field_with_another_value_is_refused() -> None:
    world = World()
    world.environment()

    reply = await world.call("PUT", f"{BASE}/staging", {"slug": "other", "is_default": True})

    assert [problem["loc"] for problem in reply.json["detail"]] == [["body", "slug"], ["body", "is_default"]]
    assert {problem["type"] for problem in reply.json["detail"]} == {"read_only"}


async def test_etag_guards_edits_but_not_against_deploys() -> None:
    world = World()
    world.environment()
    tag = (await world.call("GET", f"{BASE}/staging")).headers["ETag"]
    await world.deploy("checkout", "v1")
    fresh = await world.call("PUT", f"{BASE}/staging", {"name": "A"}, headers={"If-Match": tag})

    stale = await world.call("PUT", f"{BASE}/staging", {"name": "B"}, headers={"If-Match": tag})
    weak = await world.call("PUT", f"{BASE}/staging", {"name": "B"}, headers={"If-Match": f"W/{tag}"})

    current = (await world.call("GET", f"{BASE}/staging")).headers["ETag"]
    assert fresh.status == 200
    assert stale.status == 412
    assert stale.json == envelope(412, "PRECONDITION_FAILED", "The resource has changed", {"etag": current})
    assert weak.status == 412


async def test_unmodified_environment_is_not_sent_again() -> None:
    world = World()
    world.environment()
    tag = (await world.call("GET", f"{BASE}/staging")).headers["ETag"]
    same = await world.call("GET", f"{BASE}/staging", headers={"If-None-Match": f'"x", {tag}'})
    await world.deploy("checkout", "v1")

    other = await world.call("GET", f"{BASE}/staging", headers={"If-None-Match": tag})

    assert (same.status, same.content) == (304, b"")
    assert other.status == 200


async def test_status_write_of_the_operator_does_not_get_in_the_way_of_an_edit() -> None:
    world = World(held=True)
    world.environment()
    tag = (await world.call("GET", f"{BASE}/staging")).headers["ETag"]
    raw = world.raw(names.ENVIRONMENTS, "staging")
    world.cluster.put(names.ENVIRONMENTS, {**raw, "status": {"observedGeneration": 1}})

    reply = await world.call("PUT", f"{BASE}/staging", {"name": "A"}, headers={"If-Match": tag})

    assert reply.status == 200


async def test_environments_are_paged_by_slug_and_nothing_is_skipped() -> None:
    world = World()
    for slug in ("b", "d", "a", "c"):
        world.environment(slug)
    first = (await world.call("GET", f"{BASE}?limit=2")).json
    world.environment("aa")

    second = (await world.call("GET", f"{BASE}?limit=2&cursor={first['next_cursor']}")).json

    assert [one["slug"] for one in first["environments"] + second["environments"]] == ["a", "b", "c", "d"]
    assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)
    assert second["total"] == 5


async def test_dry_run_stores_nothing_and_answers_alike() -> None:
    world = World()
    world.environment()

    created = await world.call("POST", f"{BASE}?dry_run=true", {"name": "B", "slug": "b"})
    deployed = await world.call(
        "POST", f"{BASE}/staging/deploy?dry_run=true", {"app_id": "checkout", "release_id": "v1"}
    )
    updated = await world.call("PUT", f"{BASE}/staging?dry_run=true", {"name": "B"})
    locked = await world.call("PUT", f"{BASE}/staging/lock?dry_run=true", {"reason": "why"})
    deleted = await world.call("DELETE", f"{BASE}/staging?dry_run=true")

    assert [reply.status for reply in (created, deployed, updated, locked, deleted)] == [201, 200, 200, 200, 200]
    assert updated.json["environment"]["name"] == "B"
    assert locked.json["environment"]["lock"]["reason"] == "why"
    assert world.cluster.writes == []
    shown = (await world.call("GET", f"{BASE}/staging")).json
    assert (shown["name"], shown["lock"], shown["active_deployments"]) == ("staging", None, {})


async def test_own_write_is_seen_before_the_watch_brings_it() -> None:
    world = World(held=True)
    await world.call("POST", BASE, {"name": "Staging", "slug": "staging"})
    await world.deploy("checkout", "v1")
    deployed = (await world.call("GET", f"{BASE}/staging")).json
    lines = (await world.call("GET", f"{BASE}/staging/deployments")).json
    await world.call("PUT", f"{BASE}/staging/lock", {"reason": "why"})
    locked = (await world.call("GET", f"{BASE}/staging")).json
    await world.call("DELETE", f"{BASE}/staging/lock")
    unlocked = (await world.call("GET", f"{BASE}/staging")).json

    assert deployed["active_deployments"] == {"checkout": "v1"}
    assert lines["total"] == 1
    assert locked["lock"] == {"reason": "why", "locked_by": "alice", "locked_at": "2026-01-31T12:00:00Z"}
    assert unlocked["lock"] is None


async def test_late_event_does_not_bring_a_deleted_environment_back() -> None:
    world = World(held=True)
    world.environment()
    raw = world.raw(names.ENVIRONMENTS, "staging")
    await world.call("DELETE", f"{BASE}/staging")
    late = {**raw, "metadata": {**raw["metadata"], "resourceVersion": "150"}}
    world.catalog.environments.apply("MODIFIED", world.catalog.read.environment(late))

    reply = await world.call("GET", f"{BASE}/staging")

    assert reply.status == 404


async def test_older_namespace_is_the_workspace() -> None:
    world = World()
    world.environment()
    world.clock.advance(60)
    world.namespace("another", "acme", "shop")
    world.deliver()

    reply = await world.call("GET", f"{BASE}/staging")

    assert reply.status == 200
    assert world.catalog.duplicates == {"another": NAMESPACE}
    world.cluster.remove(names.NAMESPACES, "", NAMESPACE)
    world.deliver()
    assert world.catalog.duplicates == {}
    assert (await world.call("GET", f"{BASE}/staging", user="root")).status == 404


# --- removal


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
            world.cluster.record(NAMESPACE, name)
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
    before = list(world.cluster.writes)

    def locked(_verb: str, plural: str, _name: str) -> None:
        if plural == names.DEPLOYMENTS:
            raise ForbiddenError(
                "ValidatingAdmissionPolicy 'deployments-locks.moorage.dev' with binding 'b' denied request: locked"
            )

    world.cluster.before = locked
    reply = await world.call("DELETE", f"{BASE}/staging")

    assert reply.json["details"]["reason"] == "EnvironmentLocked"
    assert world.cluster.writes == before


# --- ownership


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
    world.cluster.put(names.DEPLOYMENTS, {**raw, "metadata": {**raw["metadata"], "managedFields": MANAGED}})
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
    world.cluster.put(names.ENVIRONMENTS, {**raw, "metadata": {**raw["metadata"], "managedFields": MANAGED}})
    world.deliver()

    shown = await world.call("GET", f"{BASE}/staging")
    refused = await world.call("PUT", f"{BASE}/staging", {"name": "B"})
    free = await world.call("PUT", f"{BASE}/staging", {"description": "B"})
    deleted = await world.call("DELETE", f"{BASE}/staging")

    assert shown.json["managed_by"] == "argocd-controller"
    assert refused.json["details"]["fields"] == ["spec.displayName"]
    assert free.status == 200
    assert deleted.json["details"]["reason"] == "ManagedDeclaratively"


# --- point in time


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
