"""The outside of every request: who pays for guessing, what is logged and counted, who is told what."""

import asyncio
import json
import logging
from typing import Any

import pytest
from facade_sockets import exchange, get, listening
from facade_world import BASE, World
from fixed_clock import FixedClock

from moorage_api.access import Access
from moorage_api.config import ApiSettings
from moorage_api.reviews import answers
from moorage_api.reviews.answers import Upstream
from moorage_crds import names
from moorage_crds.store import Identity, Right, ThrottledError, UnavailableError


def logged(caplog: pytest.LogCaptureFixture, message: str = "request") -> list[dict[str, Any]]:
    return [record.fields for record in caplog.records if record.message == message]  # type: ignore[attr-defined]


class Heard(logging.Handler):
    """Sets its event at the first record."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.set()


def counted(world: World, operation: str, status: int) -> float:
    labels = {"operation": operation, "status": str(status)}
    return world.metrics.registry.get_sample_value("moorage_requests_total", labels) or 0.0


# --- guessing


@pytest.mark.parametrize("at_once", [False, True])
async def test_address_that_guesses_is_refused_without_a_review(at_once: bool) -> None:
    world = World(failed_rate_burst=2, failed_rate_limit=0.01)
    await world.call("GET", BASE)
    guesses = [world.call("GET", BASE, user=f"bad-{number}") for number in range(50)]
    world.reviews.asked.clear()

    replies = await asyncio.gather(*guesses) if at_once else [await guess for guess in guesses]

    assert sorted(reply.status for reply in replies) == [401] * 2 + [429] * 48
    assert len(world.reviews.asked) == 2
    # A token that was accepted before is not a guess, also when its review is due again.
    for seconds in (0, 5, 60):
        world.clock.advance(seconds)
        assert (await world.call("GET", BASE)).status == 200
    assert (await world.call("GET", BASE, user="root")).status == 429


async def test_good_tokens_cost_an_address_nothing_and_neither_do_outages() -> None:
    world = World(failed_rate_burst=2, failed_rate_limit=0.01)
    for number in range(5):
        world.reviews.grant(f"user-{number}", "list environments")
    good = [(await world.call("GET", BASE, user=f"user-{number}")).status for number in range(5)]
    world.reviews.broken = UnavailableError("down")
    down = [(await world.call("GET", BASE, user=f"other-{number}")).status for number in range(5)]
    world.reviews.broken = None

    last = [(await world.call("GET", BASE, user="bad")).status for _ in range(3)]

    assert (good, down, last) == ([200] * 5, [503] * 5, [401, 401, 429])


async def test_token_that_was_withdrawn_is_a_guess_again() -> None:
    world = World(failed_rate_burst=1, failed_rate_limit=0.01)
    await world.call("GET", BASE)
    world.reviews.authenticate = lambda _token: asyncio.sleep(0)  # type: ignore[assignment,method-assign]
    world.clock.advance(11)

    statuses = [(await world.call("GET", BASE)).status for _ in range(2)]

    assert statuses == [401, 429]


async def test_reviews_that_nobody_waits_for_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        async def authenticate(self, token: str) -> Identity | None:
            await asyncio.Event().wait()
            return None

        async def allowed(self, identity: Identity, right: Right) -> bool:
            return False

    monkeypatch.setattr(answers, "MAX_OPEN", 3)
    asked = Access(Silent(), FixedClock())
    clients = [asyncio.ensure_future(asked.authenticate(str(number))) for number in range(3)]
    await asyncio.sleep(0)
    for client in clients:
        client.cancel()

    with pytest.raises(ThrottledError):
        await asked.authenticate("one more")


async def test_old_tokens_are_let_go_of() -> None:
    world = World()
    for user in ("alice", "bad"):
        await world.call("GET", BASE, user=user)
    kept = world.facade.access
    assert (len(kept._callers), len(kept._rights)) == (2, 4)

    world.clock.advance(10.1)
    kept.drop_expired()

    assert (len(kept._callers), len(kept._rights)) == (0, 0)


# --- log and metrics


async def test_log_has_who_what_and_how_long(caplog: pytest.LogCaptureFixture) -> None:
    """And of the time, what the API server took: both reviews, and the write."""
    world = World()
    world.environment()

    async def slow_authenticate(token: str) -> Identity | None:
        world.clock.advance(0.1)
        return Identity(token)

    async def slow_allowed(identity: Identity, right: Right) -> bool:
        world.clock.advance(0.2)
        return True

    world.reviews.authenticate, world.reviews.allowed = slow_authenticate, slow_allowed  # type: ignore[method-assign]
    world.cluster.before = lambda _verb, _plural, _name: world.clock.advance(0.4)
    caplog.set_level(logging.INFO, "moorage.access")
    await world.deploy("checkout", "v1", headers={"X-Request-Id": "id-1"})
    await world.call("GET", "/nowhere", user=None)

    assert logged(caplog) == [
        {
            "request_id": "id-1",
            "method": "POST",
            "route": "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}/deploy",
            "status": 200,
            "user": "alice",
            "remote": None,
            "duration_ms": 900.0,
            "upstream_ms": 900.0,
            "workspace": "acme/shop",
            "environment": "staging",
            "app": "checkout",
        },
        {**logged(caplog)[1], "method": "GET", "route": "", "status": 404, "user": ""},
    ]
    assert counted(world, "deployRelease", 200) == counted(world, "unrouted", 404) == 1
    spent = world.metrics.registry.get_sample_value("moorage_upstream_seconds_sum", {"operation": "deployRelease"})
    assert spent == pytest.approx(0.9)


async def test_log_and_metrics_say_why_a_change_was_refused(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.environment("production")
    await world.deploy("checkout", "v0", environment="production")
    await world.call("PUT", f"{BASE}/production/lock", {"reason": "audit"})
    caplog.set_level(logging.INFO, "moorage.access")
    body = {"app_id": "checkout", "release_id": "v1"}
    reply = await world.call("POST", f"{BASE}/production/deploy", body)
    await world.call("POST", f"{BASE}/production/deploy", body, user=None)
    await world.call("POST", f"{BASE}/production/deploy", {**body, "app_id": "a-token-by-mistake"})
    await world.call("GET", f"{BASE}/a-token-by-mistake")

    assert reply.status == 409
    place = {"workspace": "acme/shop", "environment": "production", "app": "checkout"}
    refused, stranger, *mistaken = logged(caplog)
    assert "a-token-by-mistake" not in str(mistaken)
    assert refused.items() >= {**place, "reason": "EnvironmentLocked", "user": "alice"}.items()
    assert not {"workspace", "environment", "app", "reason"} & set(stranger)
    labels = {"reason": "EnvironmentLocked"}
    assert world.metrics.registry.get_sample_value("moorage_refusals_total", labels) == 2


async def test_time_that_others_are_waited_for_counts_too() -> None:
    clock = FixedClock()
    gate = asyncio.Event()

    class Slow:
        async def authenticate(self, token: str) -> Identity | None:
            await gate.wait()
            clock.advance(0.5)
            return Identity(token)

        async def allowed(self, identity: Identity, right: Right) -> bool:
            return True

    asked, spent = Access(Slow(), clock), [Upstream(), Upstream()]
    both = [asyncio.ensure_future(asked.authenticate("a", one)) for one in spent]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*both)
    await asked.authenticate("a", fresh := Upstream())

    assert ([one.seconds for one in spent], fresh.seconds) == ([0.5, 0.5], 0.0)


@pytest.mark.parametrize("headers", [("Content-Length: 100",), ("Transfer-Encoding: chunked",)])
async def test_client_that_hangs_up_in_its_body_is_no_failure_of_ours(
    headers: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    world, asked, told = World(), asyncio.Event(), Heard()
    allowed = world.reviews.allowed

    async def watched(identity: Identity, right: Right) -> bool:
        asked.set()
        return await allowed(identity, right)

    world.reviews.allowed = watched  # type: ignore[method-assign]
    caplog.set_level(logging.INFO)
    logging.getLogger("moorage.access").addHandler(told)
    head = get("Content-Type: application/json", *headers).replace(b"GET", b"POST", 1)
    async with listening(world) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b"1\r\n{\r\n")
        await writer.drain()
        async with asyncio.timeout(5):
            await asked.wait()
            writer.transport.abort()
            await told.heard.wait()
    logging.getLogger("moorage.access").removeHandler(told)

    (line,) = logged(caplog)
    assert (line["status"], line["user"]) == (499, "alice")
    assert {record.levelname for record in caplog.records} <= {"INFO", "DEBUG"}
    assert counted(world, "createEnvironment", 499) == 1
    assert counted(world, "createEnvironment", 500) == 0


@pytest.mark.parametrize(
    ("content", "status", "error", "details"),
    [(get(), 503, "SERVICE_UNAVAILABLE", {"reason": "Busy"}), (b"\x16\x03\x01\r\n\r\n", 400, "BAD_REQUEST", {})],
)
async def test_what_is_refused_before_it_is_a_request_is_answered_counted_and_logged(
    content: bytes, status: int, error: str, details: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    caplog.set_level(logging.INFO, "moorage.access")
    async with listening(world, connections=0 if status == 503 else 10) as port:
        answer = await exchange(port, content)

    head, _, body = answer.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    shown = json.loads(body)
    assert (shown["error"], shown["details"], shown["status_code"]) == (error, details, status)
    assert set(shown) == {"error", "message", "details", "timestamp", "status_code"}
    assert int(headers["Content-Length"]) == len(body)
    assert headers.get("Connection", "close").lower() == "close"
    assert ("Retry-After" in headers) == (status == 503)
    (line,) = logged(caplog, "no request")
    assert line["request_id"] == headers["X-Request-Id"] != "-"
    assert (line["status"], line["remote"]) == (status, "127.0.0.1")
    assert counted(world, "unrouted", status) == 1


# --- versions and defaults


async def test_version_that_this_replica_does_not_reach_is_not_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moorage_api.edge.pipeline.VERSION_SECONDS", 0.01)
    world = World(held=True)
    world.environment()
    version = (await world.deploy("checkout", "v1")).headers["X-Resource-Version"]

    early = await world.call("GET", f"{BASE}/staging", headers={"X-Resource-Version": version})
    world.deliver()
    late = await world.call("GET", f"{BASE}/staging", headers={"X-Resource-Version": version})

    assert (early.status, early.json["details"]) == (503, {"reason": "NotSynced"})
    assert int(early.headers["Retry-After"]) >= 1
    assert late.status == 200


def test_defaults_are_the_documented_ones() -> None:
    wanted = ApiSettings(_env_file=None)

    assert (wanted.rate_limit, wanted.rate_burst, wanted.max_staleness_seconds) == (50, 100, 300)
    assert (wanted.failed_rate_limit, wanted.failed_rate_burst) < (wanted.rate_limit, wanted.rate_burst)


async def test_lists_are_as_long_as_documented_without_a_limit() -> None:
    world = World()
    for number in range(1_001):
        world.environment(f"env-{number:04}")
    reads = world.cluster.as_caller("bob")
    for number in range(51):
        body = {
            "metadata": {"name": f"env-0000.app-{number}"},
            "spec": {"environment": "env-0000", "app": f"app-{number}", "release": "v1"},
        }
        await reads.create(names.DEPLOYMENTS, "acme-shop", body)

    listed = (await world.call("GET", BASE)).json
    lines = (await world.call("GET", f"{BASE}/env-0000/deployments")).json

    assert (len(listed["environments"]), listed["total"], listed["has_more"]) == (1_000, 1_001, True)
    assert (len(lines["deployments"]), lines["total"], lines["has_more"]) == (50, 51, True)
    rest = (await world.call("GET", f"{BASE}?cursor={listed['next_cursor']}")).json
    assert [one["slug"] for one in rest["environments"]] == ["env-1000"]


async def test_relabelled_namespace_is_shown_as_the_workspace_that_it_is_now() -> None:
    world = World()
    world.environment()
    tag = (await world.call("GET", f"{BASE}/staging")).headers["ETag"]
    world.namespace("acme-shop", "acme", "market")

    reply = await world.call("GET", f"{BASE}/staging".replace("shop", "market"), headers={"If-None-Match": tag})

    assert (reply.status, reply.json["workspace_id"]) == (200, "market")


async def test_of_two_namespaces_of_one_age_the_smaller_name_is_the_workspace() -> None:
    world = World()
    for name in ("acme-zoo", "acme-a"):
        world.namespace(name, "acme", "shop")

    found = world.catalog.workspace("acme", "shop")

    assert found is not None
    assert found.namespace == "acme-a"
    assert world.catalog.duplicates == {"acme-shop": "acme-a", "acme-zoo": "acme-a"}
