"""What the cluster says to a call, conflicts and refusals, and what the caller reads of it."""

import pytest
from facade_world import BASE, NAMESPACE, World

from moorage_crds import names
from moorage_crds.kube.answers import error_for
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
            world.cluster.put(raw, plural)

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
    world.cluster.put(other, names.DEPLOYMENTS)

    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "checkout", "release_id": "v2"})

    assert reply.status == 200
    assert world.raw(names.DEPLOYMENTS, "staging.checkout")["spec"]["release"] == "v2"


@pytest.mark.parametrize(
    ("error", "status", "details"),
    [
        (ThrottledError("x", retry_after=7), 503, {"reason": "ClusterUnavailable"}),
        (UnavailableError("x"), 503, {"reason": "ClusterUnavailable"}),
        (UnauthenticatedError("x"), 401, {}),
        (
            ForbiddenError('User "alice" cannot patch resource "deployments"', by_authorizer=True),
            403,
            {"required_permission": "deployments:deploy", "verb": "patch", "resource": "deployments"},
        ),
        (
            ForbiddenError("not on a Friday", policy="theirs"),
            409,
            {"reason": "PolicyRefused"},
        ),
        (
            ForbiddenError("no", policy="attributed-deletes.moorage.dev"),
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
    status = {"message": message, "reason": reason, "code": code, "details": {"causes": [{"message": message}]}}

    def refuse(_verb: str, _plural: str, _name: str) -> None:
        raise error_for("PATCH", "/apis/moorage.dev/v1/{name}", code, status)

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
        raise error_for("POST", "/x", code, {"message": message})

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
            raise ForbiddenError("environment staging is locked by bob: audit", policy="deployments-locks.moorage.dev")

    world.cluster.before = refuse_twice
    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "checkout", "release_id": "v1"})

    assert reply.status == 200
    assert len(tries) == 3


async def test_lock_refusal_says_who_and_why_although_the_watch_lags() -> None:
    world = World(held=True)
    world.environment()
    lock = {"metadata": {"name": "staging", "namespace": NAMESPACE}, "spec": {"reason": "audit"}}
    world.cluster.put({**lock, "provenance": {"updatedBy": "bob"}}, names.LOCKS)

    def refuse(_verb: str, _plural: str, _name: str) -> None:
        raise ForbiddenError("locked", policy="deployments-locks.moorage.dev")

    world.cluster.before = refuse
    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "checkout", "release_id": "v2"})

    assert reply.json["details"].items() >= {
        ("reason", "EnvironmentLocked"), ("lock_reason", "audit"), ("locked_by", "bob"), ("opens_at", None)
    }  # fmt: skip
    assert [gate["gate"] for gate in reply.json["details"]["gates"]] == ["lock"]


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
