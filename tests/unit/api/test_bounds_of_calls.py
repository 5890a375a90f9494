"""The order of checks, limits, and bytes that are not a request."""

import re
from base64 import urlsafe_b64encode

import pytest
from facade_world import BASE, World

from moorage_api.contract import pages


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
        assert (reply.status, reply.json["matching"], reply.json["total"]) == (200, 0, 1), query
    early = await world.call("GET", f"{BASE}/staging/deployments?since=0999-12-31T23:59:59.5Z")
    assert early.json["matching"] == 1


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
