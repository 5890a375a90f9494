"""Each part of an answer needs its own right: a caller with only that of the call learns nothing else."""

from typing import Any

import pytest
from facade_world import BASE, Reply, World

from moorage_api.reads.sight import SCHEDULE
from moorage_crds import names

STAGING = f"{BASE}/staging"
DEPLOY = f"{STAGING}/deploy"
LOCK = f"{STAGING}/lock"
#: What nobody may learn without the right to it.
SECRETS = (b"v1-secret", b"v2-secret", b"audit-secret", b"why-secret")


async def furnished() -> World:
    """checkout went from v1 to v2 in staging; frozen is locked; eve has no right yet."""
    world = World()
    world.environment()
    world.environment("frozen")
    for release in ("v1-secret", "v2-secret"):
        reply = await world.call("POST", DEPLOY, {"app_id": "checkout", "release_id": release, "reason": "why-secret"})
        assert reply.status == 200
        world.clock.advance(10)
    for slug in ("staging", "frozen"):
        await world.call("PUT", f"{BASE}/{slug}/lock", {"reason": "audit-secret"})
    await world.call("DELETE", LOCK)
    return world


def leaks(reply: Reply) -> list[bytes]:
    return [secret for secret in SECRETS if secret in reply.content]


async def test_reader_of_environments_sees_neither_releases_nor_locks() -> None:
    world = await furnished()
    world.reviews.grant("eve", "get environments", "list environments")

    one = await world.call("GET", f"{BASE}/frozen", user="eve")
    listed = await world.call("GET", BASE, user="eve")

    hidden = ["active_deployments", "lock", *SCHEDULE, "last_unlock"]
    assert (one.json["active_deployments"], one.json["lock"], one.json["hidden"]) == (None, None, hidden)
    assert [shown["hidden"] for shown in listed.json["environments"]] == [hidden, hidden]
    assert leaks(one) + leaks(listed) == []


@pytest.mark.parametrize(
    ("right", "hidden"),
    [
        ("list deployments", ["lock", *SCHEDULE, "last_unlock"]),
        ("get environmentlocks", ["active_deployments", *SCHEDULE]),
        ("list freezes", ["active_deployments", "lock", *SCHEDULE, "last_unlock"]),
        ("get deployments", ["active_deployments", "lock", *SCHEDULE, "last_unlock"]),
    ],
)
async def test_each_field_has_its_own_right(right: str, hidden: list[str]) -> None:
    world = await furnished()
    world.reviews.grant("eve", "get environments", right)

    shown = (await world.call("GET", STAGING, user="eve")).json

    assert shown["hidden"] == hidden
    assert (shown["active_deployments"] == {"checkout": "v2-secret"}) == ("active_deployments" not in shown["hidden"])


@pytest.mark.parametrize(("by", "shown_as"), [("bob", ("bob", True)), (None, ("unknown", False))])
async def test_who_unlocked_is_told_to_those_who_may_read_locks(by: str | None, shown_as: tuple[str, bool]) -> None:
    world = World()
    world.environment()
    raw = world.raw(names.ENVIRONMENTS, "staging")
    said = {"at": "2026-01-31T12:00:00Z", "lockedBy": "alice"} | ({"by": by} if by else {})
    world.cluster.put({**raw, "status": {"lastUnlock": said}}, names.ENVIRONMENTS)
    world.reviews.grant("eve", "get environments")
    world.reviews.grant("dan", "get environments", "get environmentlocks")

    eve, dan = [(await world.call("GET", STAGING, user=user)).json["last_unlock"] for user in ("eve", "dan")]

    assert eve is None
    assert (dan["unlocked_by"], dan["unlocked_by_known"]) == shown_as
    assert (dan["unlocked_at"], dan["first_locked_by"]) == ("2026-01-31T12:00:00Z", "alice")


async def test_those_with_all_rights_see_all() -> None:
    world = await furnished()

    shown = (await world.call("GET", f"{BASE}/frozen")).json

    assert (shown["hidden"], shown["lock"]["reason"]) == ([], "audit-secret")


async def test_tag_tells_nothing_of_what_is_hidden() -> None:
    """Neither a deploy nor a lock moves the tag of somebody who may see neither; he gets a 304."""
    world = await furnished()
    world.reviews.grant("eve", "get environments")
    before = await world.call("GET", STAGING, user="eve")
    tag = before.headers["ETag"]
    full = (await world.call("GET", STAGING)).headers["ETag"]

    await world.deploy("checkout", "v3")
    await world.call("PUT", LOCK, {"reason": "other"})
    same = await world.call("GET", STAGING, user="eve", headers={"If-None-Match": tag})
    moved = await world.call("GET", STAGING, headers={"If-None-Match": full})

    assert (same.status, moved.status, tag != full) == (304, 200, True)


async def test_state_of_the_past_is_history() -> None:
    world = await furnished()
    world.reviews.grant("eve", "get environments", "list deployments", "get environmentlocks")
    world.reviews.grant("historian", "get environments", f"list {names.RECORDS}")

    refused = await world.call("GET", f"{STAGING}?at=2026-01-31T12:00:05Z", user="eve")
    early = await world.call("GET", f"{STAGING}?at=2020-01-01T00:00:00Z", user="eve")
    shown = await world.call("GET", f"{BASE}/frozen?at=2026-01-31T12:00:15Z", user="historian")

    details = {"required_permission": "deployments:read", "verb": "list", "resource": "deploymentrecords"}
    assert (refused.status, refused.json["details"], early.status) == (403, details, 403)
    assert (shown.status, shown.json["lock"], shown.json["hidden"]) == (200, None, ["lock", *SCHEDULE, "last_unlock"])


WRITER = ("create deployments", "patch deployments")


async def test_mismatch_names_the_active_release_to_those_who_may_get_it() -> None:
    world = await furnished()
    world.reviews.grant("eve", *WRITER)
    world.reviews.grant("reader", *WRITER, "get deployments")
    body = {"app_id": "checkout", "release_id": "x", "expected_release_id": "nope"}
    calls: list[tuple[str, str, Any]] = [
        ("POST", f"{DEPLOY}?dry_run=true", body),
        ("POST", f"{DEPLOY}/checkout/rollback", {"expected_release_id": "nope"}),
        ("DELETE", f"{DEPLOY}/checkout?expected_release_id=nope", None),
    ]

    for call in calls:
        hidden = await world.call(*call, user="eve")
        shown = await world.call(*call, user="reader")
        details = {"reason": "ReleaseMismatch", "active_release_id": None, "hidden": ["active_release_id"]}
        assert (hidden.status, hidden.json["details"]) == (409, details)
        assert shown.json["details"] == {"reason": "ReleaseMismatch", "active_release_id": "v2-secret"}


@pytest.mark.parametrize("dry_run", ["true", "false"])
async def test_rollback_names_the_earlier_release_to_those_who_may_read_history(dry_run: str) -> None:
    path = f"{DEPLOY}/checkout/rollback?dry_run={dry_run}"
    world = await furnished()
    world.reviews.grant("eve", *WRITER)
    world.reviews.grant("half", *WRITER, "get deployments")
    world.reviews.grant("reader", *WRITER, "get deployments", f"list {names.RECORDS}")
    line = f"{world.raw(names.DEPLOYMENTS, 'staging.checkout')['metadata']['uid']}-00000001"

    hidden = [await world.call("POST", path, body, user=user)
              for user in ("eve", "half") for body in ({}, {"to_deployment_id": line})]  # fmt: skip
    shown = await world.call("POST", path, {}, user="reader")

    assert {(reply.status, reply.json["release_id"], *reply.json["hidden"]) for reply in hidden} == {
        (200, None, "release_id")
    }
    assert shown.json["release_id"] in {"v1-secret", "v2-secret"}
    assert shown.json["hidden"] == []


async def test_release_that_was_named_is_answered() -> None:
    world = await furnished()
    world.reviews.grant("eve", *WRITER)

    reply = await world.call("POST", f"{DEPLOY}/checkout/rollback", {"release_id": "v1-secret"}, user="eve")

    assert (reply.status, reply.json["release_id"]) == (200, "v1-secret")


async def test_apps_that_are_left_are_named_to_those_who_may_list_them() -> None:
    world = await furnished()
    world.reviews.grant("eve", "delete environments", "patch deployments", "delete deployments")

    async def no_operator(seconds: float) -> None:
        world.clock.advance(seconds)

    world.catalog.bindings.versions.wait_for_next = no_operator  # type: ignore[method-assign]
    reply = await world.call("DELETE", STAGING, user="eve")

    assert reply.json["details"] == {"reason": "Busy", "remaining": None, "hidden": ["remaining"]}


@pytest.mark.parametrize(
    ("rights", "calls"),
    [
        (
            ("get environments", "list environments", "create environments", "patch environments"),
            [("GET", BASE, None), ("GET", STAGING, None), ("GET", f"{BASE}/frozen", None),
             ("PUT", STAGING, {"name": "N"}), ("PUT", f"{BASE}/frozen", {}),
             ("PUT", STAGING, {"name": "M", "created_by": "x"}),
             ("POST", BASE, {"name": "N", "slug": "staging"})],
        ),
        (
            WRITER,
            [("POST", DEPLOY, {"app_id": "checkout", "release_id": "x", "expected_release_id": "y"}),
             ("POST", DEPLOY, {"app_id": "Checkout", "release_id": "x"}),
             ("POST", f"{DEPLOY}/checkout/rollback", {}), ("POST", f"{DEPLOY}/checkout/rollback", {"release_id": "n"}),
             ("POST", f"{DEPLOY}/nothing/rollback", {}), ("DELETE", f"{DEPLOY}/checkout", None),
             ("GET", STAGING, None), ("GET", f"{STAGING}/deployments", None)],
        ),
        (
            ("get environments", "create environmentlocks", "patch environmentlocks", "delete environmentlocks"),
            [("PUT", f"{BASE}/frozen/lock", {"reason": "mine"}), ("DELETE", f"{BASE}/frozen/lock", None)],
        ),
        ((f"list {names.RECORDS}",), [("GET", STAGING, None), ("GET", BASE, None), ("PUT", LOCK, {"reason": "x"})]),
        (("list deployments", "get deployments"), [("GET", STAGING, None), ("GET", f"{STAGING}/deployments", None)]),
    ],
    ids=["environments", "deployments", "locks", "records", "reader of deployments"],
)  # fmt: skip
async def test_no_answer_of_any_kind_says_more_than_its_caller_may_read(
    rights: tuple[str, ...], calls: list[tuple[str, str, Any]]
) -> None:
    world = await furnished()
    world.reviews.grant("eve", *rights)

    found = {}
    for method, path, body in calls:
        for query in ("?dry_run=true", "") if method != "GET" else ("", "?at=2026-01-31T12:00:05Z", "?limit=5"):
            reply = await world.call(method, path + query, body, user="eve")
            assert reply.status < 500
            found[method, path + query] = leaks(reply)

    assert {call: secrets for call, secrets in found.items() if secrets} == {}
