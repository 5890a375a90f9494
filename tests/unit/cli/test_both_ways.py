"""One contract for both ways of the commands: the same answers, the same refusals, the same reasons and exit codes."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from facade_world import NAMESPACE, World
from people import by_kubeconfig, by_rest

from moorage_cli.people import questions
from moorage_cli.people.model import (
    Asked,
    Change,
    Exit,
    Freezing,
    Locking,
    Opinion,
    Promoting,
    TroubleError,
    to_json,
)
from moorage_cli.people.register import Register

WAYS: dict[str, Callable[[World], Register]] = {"rest": by_rest, "kubeconfig": by_kubeconfig}


@pytest.fixture
def world() -> World:
    made = World()
    made.environment("production", displayName="Production", isDefault=True)
    made.environment("staging")
    return made


@pytest.fixture(params=WAYS)
def register(request: pytest.FixtureRequest, world: World) -> Register:
    return WAYS[request.param](world)


def wanted(release: str | None, **more: Any) -> Change:
    return Change("staging", "web", release, **more)


async def day(register: Register) -> None:
    """Five changes and a lock."""
    await register.change(wanted("1", reason="first"))
    await register.change(wanted("2", reason="same"))
    await register.change(wanted("3", reason="same"))
    await register.change(wanted("2", is_rollback=True))
    await register.change(Change("production", "web", "1", reason="go"))
    await register.lock(Locking("production", "stocktaking"))


async def trouble(asked: Any) -> TroubleError:
    with pytest.raises(TroubleError) as raised:
        await asked
    return raised.value


async def test_what_is_changed_is_shown_with_who_and_why(register: Register) -> None:
    await day(register)
    places = {one.environment: one for one in await register.places()}
    lines = await register.history("staging", app="web")

    assert places["staging"].active == {"web": "2"}
    assert (places["production"].name, places["production"].is_default) == ("Production", True)
    lock = places["production"].lock
    assert lock is not None
    assert (lock.by, lock.reason) == ("alice", "stocktaking")
    assert [(one.action, one.release, one.previous, one.reason, one.by) for one in lines] == [
        ("rollback", "2", "3", None, "alice"),
        ("deploy", "3", "2", "same", "alice"),
        ("deploy", "2", "1", "same", "alice"),
        ("deploy", "1", None, "first", "alice"),
    ]


async def test_both_ways_answer_alike(world: World) -> None:
    rest, kubeconfig = by_rest(world), by_kubeconfig(world)
    await day(rest)
    world.record("staging.web")
    await kubeconfig.change(wanted(None, reason="done"))

    for ask in (
        lambda register: register.places(),
        lambda register: register.history("staging"),
        lambda register: register.history("production", app="web"),
        lambda register: register.history("production", app="nothing"),
        lambda register: register.changes(Asked()),
        lambda register: register.changes(Asked("staging", limit=2)),
        lambda register: register.changes(Asked(by="alice", app="web")),
        lambda register: register.changes(Asked(by="nobody")),
        lambda register: register.changes(Asked("production", since=AFTER)),
        lambda register: register.state("staging", "web"),
        lambda register: register.state("production", "web"),
        lambda register: register.state("production", "nothing"),
        lambda register: register.newest(),
        lambda register: register.freezes(),
    ):
        assert to_json(await ask(rest)) == to_json(await ask(kubeconfig))


async def test_a_line_has_one_id_by_both_ways(world: World) -> None:
    made = await by_kubeconfig(world).change(wanted("1"))
    again = await by_rest(world).change(wanted("1"))
    assert made == again == (await by_rest(world).history("staging"))[0].deployment_id


NOES: list[tuple[Any, Exit, str]] = [
    (lambda one: one.change(Change("production", "web", "9")), Exit.REFUSED, "EnvironmentLocked"),
    (lambda one: one.change(Change("production", "web", None)), Exit.REFUSED, "EnvironmentLocked"),
    (lambda one: one.change(wanted("9", expected="1")), Exit.CONFLICT, "ReleaseMismatch"),
    (lambda one: one.change(wanted(None, expected="1")), Exit.CONFLICT, "ReleaseMismatch"),
    (lambda one: one.change(Change("staging", "new", "9", expected="1")), Exit.CONFLICT, "ReleaseMismatch"),
    (lambda one: one.change(Change("qa", "web", "9")), Exit.NOT_FOUND, "EnvironmentNotFound"),
    (lambda one: one.change(Change("qa", "web", None)), Exit.NOT_FOUND, "EnvironmentNotFound"),
    (lambda one: one.change(Change("staging", "nothing", None)), Exit.NOT_FOUND, ""),
    (lambda one: one.change(wanted("not a release")), Exit.USAGE, ""),
    (lambda one: one.change(wanted("9", expected="not a release")), Exit.USAGE, ""),
    (lambda one: one.change(wanted("9", reason="two\nlines")), Exit.USAGE, ""),
    (lambda one: one.change(wanted("9", reason="x" * 513)), Exit.USAGE, ""),
    (lambda one: one.change(Change("staging", "not an app", "1")), Exit.USAGE, ""),
    (lambda one: one.change(Change("No Slug", "web", "1")), Exit.USAGE, ""),
    (lambda one: one.history("qa"), Exit.NOT_FOUND, "EnvironmentNotFound"),
    (lambda one: one.history("staging", app="not an app"), Exit.USAGE, ""),
    (lambda one: one.lock(Locking("qa", "x")), Exit.NOT_FOUND, "EnvironmentNotFound"),
    (lambda one: one.lock(Locking("staging", "")), Exit.USAGE, ""),
    (lambda one: one.unlock("staging", dry_run=False), Exit.NOT_FOUND, ""),
    (lambda one: one.unfreeze("sale", dry_run=False), Exit.NOT_FOUND, ""),
    (lambda one: one.freeze(replace(SALE, until=SALE.begins), dry_run=False), Exit.USAGE, ""),
    (lambda one: one.freeze(replace(SALE, name="No Slug"), dry_run=False), Exit.USAGE, ""),
    (lambda one: one.explain("qa", "web", "1", INSIDE), Exit.NOT_FOUND, "EnvironmentNotFound"),
    (lambda one: one.explain("staging", "not an app", "1", INSIDE), Exit.USAGE, ""),
    (lambda one: one.unlock("qa", dry_run=False), Exit.NOT_FOUND, "EnvironmentNotFound"),
    (lambda one: one.changes(Asked("qa")), Exit.NOT_FOUND, "EnvironmentNotFound"),
    (lambda one: one.changes(Asked("staging", "not an app")), Exit.USAGE, ""),
    (lambda one: one.state("qa", "web"), Exit.NOT_FOUND, "EnvironmentNotFound"),
    (lambda one: one.state("staging", "not an app"), Exit.USAGE, ""),
    (lambda one: one.change(wanted("9", override=["promotion"])), Exit.USAGE, ""),
    (lambda one: one.change(wanted("9", override=["lock"], reason="x")), Exit.USAGE, ""),
    (lambda one: one.decide(replace(YES, release="not a release")), Exit.USAGE, ""),
    (lambda one: one.decide(replace(YES, comment="x" * 513)), Exit.USAGE, ""),
    (lambda one: one.promote(Promoting("qa", "staging")), Exit.NOT_FOUND, "EnvironmentNotFound"),
    (lambda one: one.promote(Promoting("production", "qa")), Exit.NOT_FOUND, "EnvironmentNotFound"),
    (lambda one: one.promote(Promoting("production")), Exit.USAGE, ""),
    (lambda one: one.promote(Promoting("staging", "staging")), Exit.USAGE, ""),
    (lambda one: one.promote(Promoting("production", "staging", "nothing")), Exit.NOT_FOUND, ""),
    (lambda one: one.promote(Promoting("production", "staging", reason="x" * 513)), Exit.USAGE, ""),
]


@pytest.mark.parametrize(("ask", "code", "reason"), NOES)
async def test_a_no_is_the_same_no_in_the_same_words(world: World, ask: Any, code: Exit, reason: str) -> None:
    rest, kubeconfig = by_rest(world), by_kubeconfig(world)
    await day(rest)
    before = to_json(await rest.history("staging"))
    first, second = await trouble(ask(rest)), await trouble(ask(kubeconfig))

    assert (first.code, first.reason, str(first)) == (second.code, second.reason, str(second))
    assert (first.code, first.reason) == (code, reason)
    assert to_json(await rest.history("staging")) == before


async def test_a_promotion_is_the_same_promotion_by_both_ways() -> None:
    seen = []
    for way in WAYS.values():
        world = World()
        world.environment("staging")
        world.environment("production", promotion={"from": "staging"})
        register = way(world)
        for app, release in (("web", "2"), ("api", "7"), ("mail", "1")):
            await register.change(Change("staging", app, release))
        await register.change(Change("production", "web", "1"))
        await register.change(Change("production", "mail", "1"))
        found = [await register.promote(Promoting("production", app=app, reason="go")) for app in ("api", None, None)]
        seen.append([[replace(line, deployment_id=None) for line in lines] for lines in found])
        newest = {(one.environment, one.app): (one.release, one.action) for one in await register.newest()}
        assert newest["production", "web"] == ("2", "deploy")
    assert seen[0] == seen[1]
    assert [[(one.app, one.previous, one.release, one.promoted) for one in lines] for lines in seen[0]] == [
        [("api", None, "7", True)],
        [("web", "1", "2", True)],
        [],
    ]


async def test_one_app_that_is_refused_stops_none_of_the_others(world: World) -> None:
    await day(by_rest(world))
    lines = [await way(world).promote(Promoting("production", "staging")) for way in WAYS.values()]
    assert to_json(lines[0]) == to_json(lines[1])
    assert [(one.app, one.promoted, one.code, one.reason) for one in lines[0]] == [
        ("web", False, Exit.REFUSED, "EnvironmentLocked")
    ]
    assert "stocktaking" in lines[0][0].message


async def test_the_newest_changes_say_how_it_stands(world: World) -> None:
    rest, kubeconfig = by_rest(world), by_kubeconfig(world)
    await day(rest)
    await kubeconfig.change(Change("staging", "api", "1"))
    await kubeconfig.change(Change("staging", "api", None))
    world.record("staging.web")
    assert to_json(await rest.newest()) == to_json(await kubeconfig.newest())

    newest, now = await rest.newest(), world.clock.now()
    assert [(row["check"], row["ok"]) for row in questions.health(newest, 2, now)] == [
        ("workspace", True), ("operator", True), ("policies", True),
    ]  # fmt: skip
    nowhere = questions.health([], 0, now)[0]
    assert (nowhere["ok"], "--namespace" in str(nowhere["detail"])) == (False, True)
    late = questions.health(newest, 2, now + timedelta(minutes=1))[1]
    assert (late["ok"], "does the operator run?" in str(late["detail"])) == (False, True)
    unseen = [replace(one, action="adopt") for one in newest]
    assert [row["ok"] for row in questions.health(unseen, 2, now)] == [True, True, False]


YES = Opinion("production", "web", "2", approve=True, comment="tested")


async def test_an_opinion_is_given_once_by_both_ways() -> None:
    seen = []
    for first, second in ((by_rest, by_kubeconfig), (by_kubeconfig, by_rest)):
        world = World()
        world.environment("staging")
        world.environment("production", approvals={"required": 1})
        for user in ("alice", "bob"):
            world.reviews.grant(user, "get environments", "create approvals", "approve environments")
        given = await first(world, "bob").decide(YES)
        assert await first(world, "bob").decide(replace(YES, comment="tested again")) == given
        other = await second(world, "alice").decide(replace(YES, approve=False))
        assert other != given
        stored = [raw for (plural, _, _), raw in world.cluster.objects.items() if plural == "approvals"]
        seen.append(sorted((json.dumps(raw["spec"], sort_keys=True), raw["provenance"]["createdBy"]) for raw in stored))
    assert seen[0] == seen[1]
    assert len(seen[0]) == 2


SALE = Freezing("sale", "black friday", "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z", ["staging"], ["web"], True)
INSIDE, AFTER = datetime(2026, 6, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
PROTECTED = {"promotion": {"from": "staging", "soak": "1h"}, "approvals": {"required": 1}}


@pytest.mark.parametrize("at", [INSIDE, AFTER])
@pytest.mark.parametrize(
    ("environment", "app", "release"),
    [
        ("staging", "web", "9"), ("staging", "web", "1"), ("staging", "web", "2"), ("staging", "api", "9"),
        ("staging", None, None), ("production", "web", "9"), ("production", "new", None), ("strict", "web", "9"),
    ],
)  # fmt: skip
async def test_gates_say_the_same_by_both_ways(
    world: World, environment: str, app: str | None, release: str | None, at: datetime
) -> None:
    """Freezes, a lock, promotion and approvals, for releases that are new, active, or were there."""
    rest, kubeconfig = by_rest(world), by_kubeconfig(world)
    await day(rest)
    world.environment("strict", **PROTECTED)
    await kubeconfig.freeze(SALE, dry_run=False)
    world.deliver()
    first = await rest.explain(environment, app, release, at)
    second = await kubeconfig.explain(environment, app, release, at)

    assert to_json(first) == to_json(second)
    if environment == "production":
        assert [one.code for one in first.gates] == ["EnvironmentLocked"]
    if environment == "strict":
        assert [one.code for one in first.gates] == ["NotPromoted", "ApprovalRequired"]
    if (environment, app, release) == ("staging", "web", "9"):
        assert first.allowed is (at == AFTER)


async def test_a_freeze_is_written_replaced_and_deleted(register: Register, world: World) -> None:
    await register.freeze(SALE, dry_run=False)
    await register.freeze(replace(SALE, reason="again", environments=(), allow_rollback=False), dry_run=False)
    spec = world.raw("freezes", "sale")["spec"]
    window = {"from": SALE.begins, "until": SALE.until}
    assert (spec["reason"], spec["windows"], spec["apps"]) == ("again", [window], ["web"])
    assert spec.get("environments") is None
    assert not spec.get("allowRollback")

    await register.unfreeze("sale", dry_run=False)
    assert (await trouble(register.unfreeze("sale", dry_run=False))).code is Exit.NOT_FOUND


async def test_a_lock_is_refused_in_the_same_words(world: World) -> None:
    await day(by_rest(world))
    said = [str(await trouble(WAYS[way](world).change(Change("production", "web", "9")))) for way in WAYS]
    assert said == ["environment production is locked by alice: stocktaking"] * 2


async def test_a_dry_run_stores_nothing(register: Register, world: World) -> None:
    await register.change(wanted("1"))
    before = world.cluster.version, len(world.cluster.accepted)
    await register.change(wanted("2", dry_run=True))
    await register.change(wanted(None, dry_run=True))
    await register.lock(Locking("staging", "x", dry_run=True))

    assert (world.cluster.version, len(world.cluster.accepted)) == before


async def test_who_is_overtaken_hears_of_it_by_kubeconfig(world: World) -> None:
    """Between the read and the write somebody else changes the release."""
    register = by_kubeconfig(world)
    await register.change(wanted("1"))

    def overtake(verb: str, plural: str, name: str) -> None:
        if verb == "patch":
            world.cluster.before = lambda *_: None
            raw = world.cluster.objects["deployments", NAMESPACE, "staging.web"]
            raw["spec"]["release"] = "theirs"

    world.cluster.before = overtake
    assert (await trouble(register.change(wanted("2")))).code is Exit.CONFLICT


async def test_a_reason_counts_twice(register: Register) -> None:
    for release in ("1", "2", "3"):
        await register.change(wanted(release, reason="nightly"))
    assert [one.reason for one in await register.history("staging")] == ["nightly"] * 3


async def test_undeployed_apps_are_gone_and_can_come_back(register: Register) -> None:
    for release in ("1", "2", None, "1"):
        await register.change(wanted(release))
    lines = await register.history("staging")

    assert [one.release for one in lines] == ["1", None, "2", "1"]
    assert [one.release for one in questions.earlier_releases(lines)] == ["2"]
    assert [one.release for one in questions.standing(lines)] == ["1"]
