"""Rules of the contract that stand in one sentence there: notes, filters, preconditions, texts, locks, ownership."""

import json
from typing import Any

import pytest
from facade_world import BASE, NAMESPACE, World

from moorage_crds import names
from moorage_crds.store import UnavailableError

STAGING = f"{BASE}/staging"
DEPLOY = f"{STAGING}/deploy"
LOCK = f"{STAGING}/lock"
OWNED = [{"manager": "helm", "fieldsV1": {"f:spec": {"f:release": {}, "f:displayName": {}, "f:reason": {}}}}]


async def deployed(*releases: str) -> World:
    """staging, in which checkout had these releases, one a second."""
    world = World()
    world.environment(displayName="Staging")
    for release in releases:
        world.clock.advance(1)
        await world.deploy("checkout", release)
    return world


async def history(world: World, query: str = "") -> list[dict[str, Any]]:
    reply = await world.call("GET", f"{STAGING}/deployments?{query}")
    assert reply.status == 200, reply.content
    return list(reply.json["deployments"])


# --- notes and compare-and-set


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", DEPLOY, {"app_id": "checkout", "release_id": "v3", "reason": "why not"}),
        ("POST", f"{DEPLOY}/checkout/rollback", {"reason": "why not"}),
        ("DELETE", f"{DEPLOY}/checkout?reason=why%20not", None),
    ],
)
async def test_reason_is_shown_in_the_history_before_and_after_it_is_recorded(
    method: str, path: str, body: Any
) -> None:
    world = await deployed("v1", "v2")

    await world.call(method, path, body)

    pending = (await history(world))[0]
    world.record()
    recorded = (await history(world))[0]
    assert (pending["reason"], pending["recorded"]) == ("why not", False)
    stored = [raw["spec"] for (plural, *_), raw in world.cluster.objects.items() if plural == names.RECORDS]
    assert pending["hash"] is None
    assert recorded == {**pending, "recorded": True, "hash": max(stored, key=lambda spec: spec["sequence"])["hash"]}
    assert (await history(world))[1]["reason"] is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{DEPLOY}/checkout/rollback", {"expected_release_id": "EXPECTED"}),
        ("DELETE", f"{DEPLOY}/checkout?expected_release_id=EXPECTED", None),
    ],
)
async def test_rollback_and_undeploy_compare_and_set(method: str, path: str, body: Any) -> None:
    world = await deployed("v1", "v2")

    async def call(expected: str) -> Any:
        text = json.dumps(body).replace("EXPECTED", expected)
        return await world.call(method, path.replace("EXPECTED", expected), json.loads(text))

    refused = await call("v1")
    taken = await call("v2")

    assert refused.status == 409
    assert refused.json["details"] == {"reason": "ReleaseMismatch", "active_release_id": "v2"}
    assert taken.status == 200


# --- filters and moments


@pytest.mark.parametrize(
    ("query", "releases"),
    [
        ("since=2026-01-31T12:00:02Z", "v3 v2"),
        ("since=2026-01-31T12:00:02.000000001Z", "v3"),
        ("since=2026-01-31T12:00:02.000000000Z", "v3 v2"),
        ("since=2026-01-31T12:00:02.000001Z", "v3"),
        ("since=2026-01-31T12:00:01.5Z", "v3 v2"),
        ("since=2026-01-31t13:00:02%2B01:00", "v3 v2"),
        ("until=2026-01-31T12:00:02Z", "v2 v1"),
        ("until=2026-01-31T12:00:02.999Z", "v2 v1"),
        ("until=2026-01-31T12:00:00.999Z", ""),
        ("since=2026-01-31T12:00:02Z&until=2026-01-31T12:00:02Z", "v2"),
        ("action=rollback", ""),
        ("action=deploy&until=2026-01-31T12:00:01Z", "v1"),
        ("action=deploy&app_id=payments", ""),
    ],
)
async def test_filters_by_time_and_action(query: str, releases: str) -> None:
    world = await deployed("v1", "v2", "v3")

    lines = await history(world, query)

    assert [line["release_id"] for line in lines] == releases.split()


async def test_moment_before_what_retention_kept_says_from_when_on_it_works() -> None:
    world = World(retention_days=1)
    world.environment()
    world.clock.advance(86_400)
    await world.deploy("checkout", "v1")
    world.clock.advance(3_600)

    early = await world.call("GET", f"{STAGING}?at=2026-01-31T12:59:59Z")
    known = await world.call("GET", f"{STAGING}?at=2026-01-31T13:00:00Z")
    # The sweep took the first record; the second change is the oldest that is left.
    await world.deploy("checkout", "v2")
    world.record()
    first = next(name for plural, _, name in world.cluster.objects if plural == names.RECORDS and name.endswith("1"))
    world.cluster.remove(names.RECORDS, NAMESPACE, first)
    cut = await world.call("GET", f"{STAGING}?at=2026-02-01T12:59:59Z")

    assert (early.status, early.json["detail"][0]["loc"]) == (422, ["query", "at"])
    assert "2026-01-31T13:00:00Z" in early.json["detail"][0]["msg"]
    assert (known.status, known.json["active_deployments"]) == (200, {})
    assert (cut.status, "2026-02-01T13:00:00Z" in cut.json["detail"][0]["msg"]) == (422, True)


async def test_updated_at_is_the_time_of_the_last_change_of_the_specification() -> None:
    world = await deployed("v1")
    world.clock.advance(60)
    await world.call("PUT", STAGING, {"name": "Other"})
    world.clock.advance(60)
    await world.deploy("checkout", "v2")
    raw = world.raw(names.ENVIRONMENTS, "staging")
    world.cluster.put({**raw, "status": {"x": 1}}, names.ENVIRONMENTS)

    shown = (await world.call("GET", STAGING)).json

    assert shown["updated_at"] == raw["provenance"]["updatedAt"] == "2026-01-31T12:01:01Z"
    assert shown["created_at"] == "2026-01-31T12:00:00Z"


# --- locks


async def test_locking_again_replaces_reason_user_and_time() -> None:
    world = await deployed()
    await world.call("PUT", LOCK, {"reason": "audit"})
    world.clock.advance(5)

    same = await world.call("PUT", LOCK, {"reason": "audit"}, user="root")
    other = await world.call("PUT", f"{LOCK}?take_over=true", {"reason": "freeze"}, user="root")

    both = {"locked_by_known": True, "until": None, "first_locked_by": "alice"}
    first = {"reason": "audit", "locked_by": "alice", "locked_at": "2026-01-31T12:00:00Z", **both}
    second = {"reason": "freeze", "locked_by": "root", "locked_at": "2026-01-31T12:00:05Z", **both}
    assert (same.json["environment"]["lock"], other.json["environment"]["lock"]) == (first, second)
    assert (await world.call("GET", STAGING)).json["lock"] == second


# --- ownership


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", DEPLOY, {"app_id": "checkout", "release_id": "v3"}, "spec.release"),
        ("POST", f"{DEPLOY}/checkout/rollback", {}, "spec.release"),
        ("DELETE", f"{DEPLOY}/checkout", None, "spec.release"),
        ("PUT", STAGING, {"name": "Other"}, "spec.displayName"),
        ("PUT", LOCK, {"reason": "other"}, "spec.reason"),
        ("DELETE", LOCK, None, "spec.reason"),
    ],
)
@pytest.mark.parametrize("tracked", [False, True])
async def test_what_a_tool_declares_is_changed_on_demand_only(
    method: str, path: str, body: Any, field: str, tracked: bool
) -> None:
    world = await deployed("v1", "v2")
    if field == "spec.reason":
        await world.call("PUT", LOCK, {"reason": "audit"})
    mark = {"annotations": {"meta.helm.sh/release-name": "shop"}} if tracked else {"managedFields": OWNED}
    places = {(names.DEPLOYMENTS, "staging.checkout"), (names.ENVIRONMENTS, "staging"), (names.LOCKS, "staging")}
    for plural, name in [(plural, name) for plural, _, name in world.cluster.objects if (plural, name) in places]:
        raw = world.raw(plural, name)
        world.cluster.put({**raw, "metadata": {**raw["metadata"], **mark}}, plural)
    before = list(world.cluster.accepted)

    refused = await world.call(method, path, body)
    untouched = list(world.cluster.accepted) == before
    overridden = await world.call(method, f"{path}?override_ownership=true", body)

    assert (refused.status, untouched, overridden.status) == (409, True, 200)
    assert refused.json["details"] == {"reason": "ManagedDeclaratively", "managed_by": "helm", "fields": [field]}
    # A lock is ended first, in the caller's name, and deleted then.
    writes = 2 if (method, path) == ("DELETE", LOCK) else 1
    assert len(world.cluster.accepted) == len(before) + writes


async def test_declared_environment_and_its_declared_bindings_are_removed_on_demand_only() -> None:
    world = await deployed("v1")
    for plural, name in ((names.DEPLOYMENTS, "staging.checkout"), (names.ENVIRONMENTS, "staging")):
        raw = world.raw(plural, name)
        world.cluster.put({**raw, "metadata": {**raw["metadata"], "labels": {"kapp.k14s.io/app": "1"}}}, plural)

    refused = await world.call("DELETE", f"{STAGING}?dry_run=true")
    allowed = await world.call("DELETE", f"{STAGING}?dry_run=true&override_ownership=true")

    assert refused.json["details"]["fields"] == ["spec", "spec.release"]
    assert allowed.status == 200


# --- texts and what cannot be changed

UNSEEN = ["\x00", "\x1f", "\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069"]
SEEN = ["\x20", "\xa0", "\u200b", "\u2027", "\u202f", "\u2065", "\u206a", "\U0001f600", "é"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", STAGING, {"name": "TEXT"}),
        ("PUT", STAGING, {"description": "TEXT"}),
        ("PUT", LOCK, {"reason": "TEXT"}),
        ("POST", DEPLOY, {"app_id": "checkout", "release_id": "v1", "reason": "TEXT"}),
        ("POST", f"{DEPLOY}/checkout/rollback", {"release_id": "v1", "reason": "TEXT"}),
    ],
)
async def test_texts_have_no_control_and_bidi_characters(method: str, path: str, body: dict[str, str]) -> None:
    world = await deployed("v1", "v2")
    multiline = "description" in body

    async def status(character: str) -> int:
        sent = {key: value.replace("TEXT", f"a{character}b") for key, value in body.items()}
        return (await world.call(method, f"{path}?dry_run=true", sent)).status

    refused = {character: await status(character) for character in [*UNSEEN, "\n", "\t", "\r"]}
    taken = {character: await status(character) for character in SEEN}

    assert {character for character, code in refused.items() if code == 200} == ({"\n", "\t"} if multiline else set())
    assert set(refused.values()) <= {200, 422}
    assert set(taken.values()) == {200}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("environment_id", "00000000-0000-4000-8000-000000000000"),
        ("workspace_id", "market"),
        ("org_id", "other"),
        ("slug", "production"),
        ("is_default", True),
        ("status", "paused"),
        ("created_by", "mallory"),
        ("created_at", "2020-01-01T00:00:00Z"),
    ],
)
async def test_read_only_field_is_taken_as_it_is_and_refused_otherwise(field: str, wrong: Any) -> None:
    world = await deployed()
    shown = (await world.call("GET", STAGING)).json

    same = await world.call("PUT", STAGING, {field: shown[field], "name": "Other"})
    other = await world.call("PUT", STAGING, {field: wrong, "name": "Third"})

    assert same.status == 200
    assert other.status == 422
    (problem,) = other.json["detail"]
    assert (problem["loc"], problem["type"], problem["input"]) == (["body", field], "read_only", wrong)
    assert "read-only" in problem["msg"]
    assert (await world.call("GET", STAGING)).json["name"] == "Other"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (10**31, 10**31),
        (-(10**30), -(10**30)),
        ([2**70], [2**70]),
        ([2**70] * 50, json.dumps([2**70] * 50)[:256]),
        ({"a": "é" * 300}, json.dumps({"a": "é" * 300})[:256]),
        ([1.5, None], [1.5, None]),
    ],
)
async def test_input_of_any_kind_is_echoed_up_to_256_characters(value: Any, shown: Any) -> None:
    world = await deployed()

    reply = await world.call("PUT", STAGING, json.dumps({"name": value}).encode())

    assert json.loads(reply.content)["detail"][0]["input"] == shown


@pytest.mark.parametrize("key", ["a b", "~", "a" * 64, 'x"y'])
async def test_key_may_hold_every_printable_character(key: str) -> None:
    world = await deployed()
    headers = {"Idempotency-Key": key}

    first = await world.deploy("checkout", "v1", headers=headers)
    await world.deploy("checkout", "v2")

    assert (await world.deploy("checkout", "v1", headers=headers)).json == first.json


# --- small answers that said the wrong thing


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"name": "a", "name": "b", "slug": "s"}', ["name"]),
        (b'{"name": {"x": 1, "x": 2}, "slug": "s"}', ["name", "x"]),
        (b'{"name": [0, {"y": {"x": 1, "x": 2}}], "slug": "s"}', ["name", 1, "y", "x"]),
        (b'{"slug": {"x": 1, "x": 2}, "slug": "s"}', ["slug"]),
    ],
)
async def test_duplicate_key_is_the_end_of_its_place(body: bytes, place: list[str | int]) -> None:
    reply = await World().call("POST", BASE, body)

    problem = reply.json["detail"][0]
    assert (reply.status, problem["type"], problem["loc"]) == (422, "duplicate_key", ["body", *place])


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (rb'{"name": "\ud800", "slug": "s"}', ["name"]),
        (rb'{"name": "a", "slug": ["s", {"z": "x\udfff"}]}', ["slug", 1, "z"]),
        (rb'{"name": {"\ud800": 1}}', ["name", "?"]),
        (rb'"\ud800"', []),
    ],
)
async def test_lone_surrogate_is_the_end_of_its_place(body: bytes, place: list[str | int]) -> None:
    reply = await World().call("POST", BASE, body)

    problem = reply.json["detail"][0]
    assert (reply.status, problem["type"], problem["loc"]) == (422, "string_unicode", ["body", *place])


async def test_weak_tag_is_told_from_a_changed_resource() -> None:
    world = await deployed()
    tag = (await world.call("GET", STAGING)).headers["ETag"]

    weak = await world.call("PUT", STAGING, {"name": "A"}, headers={"If-Match": f"W/{tag}"})
    both = await world.call("PUT", STAGING, {"name": "B"}, headers={"If-Match": f"W/{tag}, {tag}"})
    stale = await world.call("PUT", STAGING, {"name": "C"}, headers={"If-Match": tag})

    assert (weak.status, weak.json["message"]) == (412, "The resource has changed")
    details = weak.json["details"]
    assert (details.pop("etag"), "W/" in details.pop("hint"), details) == (tag, True, {})
    assert both.status == 200
    now = (await world.call("GET", STAGING)).headers["ETag"]
    assert (stale.status, stale.json["message"], stale.json["details"]) == (
        412,
        "The resource has changed",
        {"etag": now},
    )


async def test_webhook_that_cannot_be_reached_is_named() -> None:
    world = await deployed()

    def unreachable(_verb: str, _plural: str, _name: str) -> None:
        raise UnavailableError("POST /x: 500 Post https://10.0.0.1/validate: refused", webhook="guard.example.com")

    world.cluster.before = unreachable
    reply = await world.call("PUT", STAGING, {"name": "A"})

    assert (reply.status, reply.json["details"]) == (
        503,
        {"reason": "ClusterUnavailable", "webhook": "guard.example.com"},
    )
    assert "guard.example.com" in reply.json["message"]
    assert "10.0.0.1" not in reply.content.decode()
