"""What tools that prune are told: complete and certain, or an error."""

import random
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from facade_inputs import ask, delivered, ended, gone, inputs
from facade_world import BASE, NAMESPACE

from moorage_api.cache.line import Line
from moorage_api.integrations import decisions
from moorage_api.integrations.decisions import Trace
from moorage_crds import names

READER = [f"list {plural}" for plural in (names.ENVIRONMENTS, names.DEPLOYMENTS, names.RECORDS)]


# --- what is said


async def test_one_input_for_each_active_release_in_a_fixed_order() -> None:
    world = await delivered("web", "api")
    world.clock.advance(60)
    await world.deploy("api", "api-2", environment="staging")
    await world.call("DELETE", f"{BASE}/staging/deploy/web")

    found = await inputs(world)

    history = (await world.call("GET", f"{BASE}/staging/deployments?app_id=api")).json["deployments"][0]
    environment = (await world.call("GET", f"{BASE}/staging")).json
    assert found == [
        {
            "id": f"{NAMESPACE}.staging.api",
            "org": "acme",
            "workspace": "shop",
            "namespace": NAMESPACE,
            "environment": "staging",
            "environment_id": environment["environment_id"],
            "app": "api",
            "release": "api-2",
            "previous_release": "api-1",
            "deployment_id": history["deployment_id"],
            "sequence": "2",
            "deployed_by": "alice",
            "deployed_at": history["deployed_at"],
            "parameters": {"cluster": "one", "region": "eu"},
        }
    ]


async def test_recording_a_change_and_writing_a_status_do_not_change_a_byte() -> None:
    world = await delivered("web", "api")

    before = await ask(world)
    for app in ("web", "api"):
        world.record(f"staging.{app}")
    after = await ask(world)

    assert before.content == after.content
    assert before.headers["ETag"] == after.headers["ETag"]
    unchanged = await ask(world, headers={"If-None-Match": before.headers["ETag"]})
    assert (unchanged.status, unchanged.content) == (304, b"")
    await world.deploy("web", "web-2")
    assert (await ask(world, headers={"If-None-Match": before.headers["ETag"]})).status == 200


@pytest.mark.parametrize(
    ("query", "apps"),
    [
        ("", ["api", "web", "api"]),
        ("environment=staging", ["api", "web"]),
        ("environment=staging,production", ["api", "api", "web"]),
        ("app=api", ["api", "api"]),
        ("app=web&environment=staging", ["web"]),
        ("app=web,api&environment=production", ["api"]),
    ],
)
async def test_a_selection_says_what_is_in_it(query: str, apps: list[str]) -> None:
    world = await delivered("web", "api")
    world.environment("production")
    await world.deploy("api", "api-1", environment="production")
    if "web" in query and "production" in query:
        await world.deploy("web", "web-1", environment="production")
        await world.call("DELETE", f"{BASE}/production/deploy/web")

    assert sorted(one["app"] for one in await inputs(world, query)) == sorted(apps)


@pytest.mark.parametrize(
    ("query", "kind", "what"),
    [
        ("environment=nowhere", "environment", "nowhere"),
        ("environment=staging,nowhere", "environment", "nowhere"),
        ("app=never", "app", "never"),
        ("environment=empty&app=web", "app", "web"),
    ],
)
async def test_what_is_named_and_not_there_is_an_error_and_no_empty_list(query: str, kind: str, what: str) -> None:
    world = await delivered("web")
    world.environment("empty")

    reply = await ask(world, query)

    assert reply.status == 404
    assert reply.json["details"] == {"resource_type": kind, "resource_id": what}


async def test_an_environment_without_releases_is_an_empty_list() -> None:
    world = await delivered()

    assert await inputs(world, "environment=staging") == []


@pytest.mark.parametrize("missing", READER)
async def test_every_right_is_needed(missing: str) -> None:
    world = await delivered("web")
    world.reviews.grant("flux", *(right for right in READER if right != missing))

    reply = await ask(world, user="flux")

    assert reply.status == 403
    assert f"{reply.json['details']['verb']} {reply.json['details']['resource']}" == missing


@pytest.mark.parametrize(
    "query", ["environment=", "environment=a,,b", "app=,", "limit=0", "limit=10001", "enviroment=x"]
)
async def test_a_query_that_means_nothing_names_its_field(query: str) -> None:
    reply = await ask(await delivered("web"), query)

    assert reply.status == 422
    assert reply.json["detail"][0]["loc"][:2] == ["query", query.partition("=")[0]]


async def test_more_inputs_than_flux_would_take_are_an_error() -> None:
    world = await delivered("a", "b", "c")

    assert (await ask(world, "limit=3")).status == 200
    refused = await ask(world, "limit=2")

    assert refused.status == 422
    assert "raise both limits" in refused.json["detail"][0]["msg"]


@pytest.mark.parametrize("scheme", ["Basic", "basic"])
async def test_the_token_may_be_the_password_of_basic_here_and_nowhere_else(scheme: str) -> None:
    world = await delivered("web")
    sent = {"Authorization": f"{scheme} {b64encode(b'any:alice').decode()}"}

    assert (await ask(world, headers=sent, user=None)).status == 200
    assert (await world.call("GET", f"{BASE}/staging", headers=sent, user=None)).status == 401


@pytest.mark.parametrize("credentials", ["", "!", "YWxpY2U=", b64encode(b"a:").decode(), b64encode(b"\xff:a").decode()])
async def test_basic_credentials_without_a_token_are_none(credentials: str) -> None:
    world = await delivered("web")

    reply = await ask(world, headers={"Authorization": f"Basic {credentials}"}, user=None)

    assert reply.status == 401


# --- certain, or silent


async def test_a_cache_that_is_not_filled_or_too_old_says_nothing() -> None:
    world = await delivered("web")
    for feed in world.feeds:
        feed.connected, feed.seconds = False, 31.0
    world.clock.advance(31)
    world.facade.freshness.sample()
    cut = await ask(world)
    assert (cut.status, cut.json["details"]["reason"]) == (503, "NotSynced")
    assert (await world.call("GET", f"{BASE}/staging")).status == 200

    world.feeds[0].synced = False
    world.facade.freshness.sample()
    assert (await ask(world)).status == 503


async def test_an_open_watch_is_believed_no_longer_than_the_bound() -> None:
    """As after a process stood still: every watch looks open, and the last sample is from before."""
    world = await delivered("web")
    world.feeds[0].unproved_seconds = 30.5
    still = await ask(world)
    assert (still.status, still.json["details"]["reason"]) == (503, "NotSynced")
    assert (await world.call("GET", f"{BASE}/staging")).status == 200

    world.feeds[0].unproved_seconds = 29.5
    assert (await ask(world)).status == 200


@pytest.mark.parametrize("days", [-400, 400])
async def test_a_clock_that_is_set_makes_no_answer_older_or_younger(days: int) -> None:
    world = await delivered("web")
    before = await ask(world)

    world.clock.moment += timedelta(days=days)
    world.facade.freshness.sample()
    after = await ask(world)

    assert (after.status, after.content) == (200, before.content)


async def test_an_answer_is_not_younger_than_what_the_caller_has_seen() -> None:
    world = await delivered("web")

    behind = await ask(world, headers={"X-Resource-Version": "deployments=99999999"})

    assert (behind.status, behind.json["details"]["reason"]) == (503, "NotSynced")


async def test_what_vanishes_without_a_history_is_not_pruned() -> None:
    world = await delivered("a", "b", "c", "d")
    for app in "abcd":
        world.record(f"staging.{app}")
    assert len(await inputs(world)) == 4

    for app in "abc":
        gone(world, app)
    refused = await ask(world)

    assert (refused.status, refused.json["details"]["reason"]) == (503, "NotSynced")
    assert "3 of 4" in refused.json["message"]
    # Less than half of it may go without a reason, and another selection has an answer of its own to compare with.
    assert [one["app"] for one in await inputs(world, "app=d")] == ["d"]


async def test_what_was_undeployed_goes_at_once() -> None:
    world = await delivered("a", "b", "c")
    assert len(await inputs(world)) == 3

    for app in "abc":
        assert (await world.call("DELETE", f"{BASE}/staging/deploy/{app}")).status == 200

    assert await inputs(world) == []


async def test_the_record_of_a_deletion_explains_it() -> None:
    world = await delivered("a")
    world.record("staging.a")
    assert len(await inputs(world)) == 1
    gone(world, "a")
    assert (await ask(world)).status == 503

    ended(world, "a")

    assert await inputs(world) == []


async def test_an_environment_that_goes_before_its_apps_are_undeployed_is_not_pruned() -> None:
    world = await delivered("a")
    assert len(await inputs(world)) == 1

    world.cluster.remove(names.ENVIRONMENTS, NAMESPACE, "staging")
    world.deliver()

    assert (await ask(world)).status == 503


async def test_a_binding_that_is_made_again_is_the_same_place() -> None:
    world = await delivered("a")
    before = await inputs(world)
    gone(world, "a")
    await world.deploy("a", "a-2")

    after = await inputs(world)

    assert (after[0]["id"], after[0]["release"]) == (before[0]["id"], "a-2")
    assert after[0]["deployment_id"] != before[0]["deployment_id"]


async def test_a_release_whose_environment_alone_is_gone_is_not_left_out() -> None:
    world = await delivered("web")
    world.environment("production")
    for app in ("api", "cart", "web"):
        await world.deploy(app, f"{app}-1", environment="production")
    assert len(await inputs(world)) == 4

    # A list that was a lie, or somebody who deleted it: less than half is gone.
    kept = world.raw(names.ENVIRONMENTS, "staging")
    world.cluster.remove(names.ENVIRONMENTS, NAMESPACE, "staging")
    world.deliver()
    reply = await ask(world)
    assert (reply.status, reply.json["details"]) == (503, {"reason": "NotSynced"})
    assert "staging is gone" in reply.json["message"]

    world.cluster.put({**kept, "metadata": {"name": "staging", "namespace": NAMESPACE}}, names.ENVIRONMENTS)
    world.deliver()
    assert len(await inputs(world)) == 4
    world.cluster.remove(names.ENVIRONMENTS, NAMESPACE, "staging")
    gone(world, "web")
    assert len(await inputs(world)) == 3


# --- the decisions alone


def line(release: str | None, *, recorded: bool) -> Line:
    now = "2026-01-31T12:00:00Z"
    return Line(
        namespace="n", environment="e", app="a", uid="u", sequence=1, action="undeploy", previous="x",  # type: ignore[arg-type]
        release=release, by=None, at=now, reason=None, request_id=None, recorded=recorded, version="1", created=now,
        first_version="1", own=now, key=(now, "u", 1),
    )  # fmt: skip


KNOWN = (
    (Trace(None, None), False),
    (Trace(None, line(None, recorded=False)), False),
    (Trace(None, line("v1", recorded=True)), False),
    (Trace(None, line(None, recorded=True)), True),
)


def test_more_than_half_without_an_explanation_is_never_let_through() -> None:
    chance = random.Random(14)  # noqa: S311 — a test's dice
    for _ in range(1_000):
        before = [("n", str(number)) for number in range(chance.randint(1, 40))]
        kept = [place for place in before if chance.random() < 0.5]
        found = [chance.choice(KNOWN) for place in before if place not in kept]
        unexplained = sum(not explained for _, explained in found)

        refused = decisions.shrunken(len(before), [trace for trace, _ in found])

        assert (refused is not None) == (unexplained > len(before) / 2)


async def test_what_is_kept_of_an_answer_is_never_older_than_the_cache() -> None:
    world = await delivered("web", "api")
    first = await ask(world)
    assert (await ask(world)).content == first.content
    steps: list[Any] = [
        lambda: world.deploy("web", "web-2"),
        lambda: world.call("DELETE", f"{BASE}/staging/deploy/api"),
        lambda: world.deploy("api", "api-2"),
        lambda: world.call("POST", f"{BASE}/staging/deploy/web/rollback", body={}),
    ]
    before = first.content
    for step in steps:
        await step()
        after = await ask(world)
        assert after.content != before
        before = after.content
    world.environment("staging", parameters={"region": "us"})
    assert (await inputs(world))[0]["parameters"] == {"region": "us"}


async def test_an_object_that_cannot_be_read_silences_its_own_workspace() -> None:
    world = await delivered("web", "api")
    feed = next(one for one in world.feeds if one.plural == names.DEPLOYMENTS)
    feed.left_out.add(("elsewhere", "staging.web"))
    assert len(await inputs(world)) == 2

    feed.left_out.add((NAMESPACE, "staging.web"))
    reply = await ask(world)

    assert (reply.status, reply.json["details"]) == (503, {"reason": "NotSynced"})
    assert "deployments/staging.web" in reply.json["message"]
    feed.left_out.clear()
    assert len(await inputs(world)) == 2
