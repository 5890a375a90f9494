"""Calls that meet: a lock and deploys, a deploy and the removal of its environment, a change and labels that churn."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from facade_world import BASE, EDIT, NAMESPACE, World

from moorage_api.changes import locks
from moorage_crds import names
from moorage_crds.store import ForbiddenError

STAGING = f"{BASE}/staging"
DEPLOY = f"{STAGING}/deploy"
LOCK = f"{STAGING}/lock"
CHECKOUT = "staging.checkout"


async def world_with(release: str | None = "v1") -> World:
    world = World()
    world.environment()
    if release is not None:
        await world.deploy("checkout", release)
    return world


def before(world: World, verb: str, plural: str, act: Callable[[], None], *, times: int = 1) -> None:
    """Do something just before a write gets to the cluster."""
    left = [times]

    def hook(kind: str, where: str, _name: str) -> None:
        if (kind, where) == (verb, plural) and left[0] > 0:
            left[0] -= 1
            act()

    world.cluster.before = hook


def after_write(world: World, plural: str, act: Callable[[], None]) -> None:
    """Do something just after the next write of that kind, before the facade can look again."""
    commit = world.cluster.commit

    def then(key: tuple[str, str, str], raw: Any) -> Any:
        stored = commit(key, raw)
        if key[0] == plural:
            world.cluster.commit = commit  # type: ignore[method-assign]
            act()
        return stored

    world.cluster.commit = then  # type: ignore[method-assign]


# --- locks


async def test_lock_is_answered_when_a_change_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "MARGIN_SECONDS", 3_600.0)
    world = await world_with()
    world.cluster.locks_unheard = True
    probes: list[str] = []

    def heard(verb: str, plural: str, name: str) -> None:
        if (verb, plural) == ("create", names.DEPLOYMENTS):
            probes.append(name)
            world.cluster.locks_unheard = len(probes) < 3

    world.cluster.before = heard
    locked = await world.call("PUT", LOCK, {"reason": "audit"})

    assert (locked.status, len(probes)) == (200, 3)
    assert all(name.startswith("staging.lock-probe-") for name in probes)
    assert [name for plural, _, name in world.cluster.objects if plural == names.DEPLOYMENTS] == [CHECKOUT]


async def test_lock_that_is_not_enforced_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PROBE_SECONDS", 0.0)
    world = await world_with()
    world.cluster.locks_unheard = True

    locked = await world.call("PUT", LOCK, {"reason": "audit"})

    assert (locked.status, locked.json["details"]["reason"]) == (503, "Busy")


async def test_what_a_probe_is_warned_of_nobody_hears() -> None:
    world = await world_with()

    def heard(verb: str, plural: str, _name: str) -> None:
        world.cluster.warnings = ["nobody approved the probe"] if plural == names.DEPLOYMENTS else []

    world.cluster.before = heard
    locked = await world.call("PUT", LOCK, {"reason": "audit"})

    assert locked.status == 200
    assert "Warning" not in locked.headers


@pytest.mark.parametrize("rights", [("create environmentlocks", "patch environmentlocks", "get environments"), EDIT])
async def test_where_no_probe_is_possible_the_watch_and_a_margin_are_waited_for(rights: tuple[str, ...]) -> None:
    world = await world_with()
    world.reviews.grant("keeper", *rights)

    def foreign(verb: str, plural: str, _name: str) -> None:
        if (verb, plural) == ("create", names.DEPLOYMENTS):
            raise ForbiddenError("no", policy="theirs")

    world.cluster.before = foreign
    begun = asyncio.get_running_loop().time()
    locked = await world.call("PUT", LOCK, {"reason": "audit"}, user="keeper")

    assert locked.status == 200
    assert asyncio.get_running_loop().time() - begun >= locks.MARGIN_SECONDS


async def test_rehearsed_lock_is_not_probed() -> None:
    world = await world_with()

    locked = await world.call("PUT", f"{LOCK}?dry_run=true", {"reason": "audit"})

    assert locked.status == 200


@pytest.mark.parametrize("method", ["deploy", "undeploy", "rollback"])
async def test_known_lock_holds_although_the_policy_has_not_heard_of_it(method: str) -> None:
    world = await world_with()
    await world.deploy("checkout", "v2")
    await world.call("PUT", LOCK, {"reason": "audit"})
    world.cluster.locks_unheard = True
    calls: dict[str, tuple[str, str, Any]] = {
        "deploy": ("POST", DEPLOY, {"app_id": "checkout", "release_id": "v3"}),
        "undeploy": ("DELETE", f"{DEPLOY}/checkout", None),
        "rollback": ("POST", f"{DEPLOY}/checkout/rollback", {}),
    }

    reply = await world.call(*calls[method])

    told = {"reason": "EnvironmentLocked", "lock_reason": "audit", "locked_by": "alice"}
    assert reply.json["details"].items() >= told.items()
    assert world.raw(names.DEPLOYMENTS, CHECKOUT)["spec"]["release"] == "v2"


async def test_lock_that_somebody_removed_meanwhile_holds_up_nobody() -> None:
    world = await world_with()
    await world.call("PUT", LOCK, {"reason": "audit"})
    world.held, world.told = True, lambda: None
    world.cluster.remove(names.LOCKS, NAMESPACE, "staging")

    assert (await world.call("POST", DEPLOY, {"app_id": "checkout", "release_id": "v2"})).status == 200


# --- a deploy and the removal of its environment


@pytest.mark.parametrize("first", [True, False])
async def test_deploy_that_came_after_the_environment_is_taken_back(first: bool) -> None:
    """The environment goes between the look into the cache and the write; nobody else looks for bindings any more."""
    world = await world_with(None if first else "v1")

    async def no_operator(seconds: float) -> None:
        world.clock.advance(seconds)

    world.catalog.bindings.versions.wait_for_next = no_operator  # type: ignore[method-assign]
    before(
        world,
        "create" if first else "patch",
        names.DEPLOYMENTS,
        lambda: world.cluster.remove(names.ENVIRONMENTS, NAMESPACE, "staging"),
    )

    reply = await world.call("POST", DEPLOY, {"app_id": "checkout", "release_id": "late"})

    assert (reply.status, reply.json["details"]["resource_type"]) == (404, "environment")
    assert world.raw(names.DEPLOYMENTS, CHECKOUT)["spec"].get("release") is None
    log = world.raw(names.DEPLOYMENTS, CHECKOUT)["changeLog"]["entries"]
    assert (log[-1]["action"], log[-1]["by"], log[-1]["reason"]) == ("undeploy", "alice", "environment deleted")


async def test_binding_that_the_late_deploy_made_is_deleted_when_it_is_recorded() -> None:
    world = await world_with(None)
    before(world, "create", names.DEPLOYMENTS, lambda: world.cluster.remove(names.ENVIRONMENTS, NAMESPACE, "staging"))

    async def operator(_seconds: float) -> None:
        world.record(CHECKOUT)

    world.catalog.bindings.versions.wait_for_next = operator  # type: ignore[method-assign]
    reply = await world.call("POST", DEPLOY, {"app_id": "checkout", "release_id": "late"})

    assert reply.status == 404
    assert (names.DEPLOYMENTS, NAMESPACE, CHECKOUT) not in world.cluster.objects


async def test_deploy_into_an_environment_that_begins_to_go_is_taken_back() -> None:
    world = await world_with()

    def doom() -> None:
        raw = world.raw(names.ENVIRONMENTS, "staging")
        meta = {**raw["metadata"], "finalizers": ["x/y"], "deletionTimestamp": world.cluster.stamp()}
        world.cluster.put({**raw, "metadata": meta}, names.ENVIRONMENTS)

    before(world, "patch", names.DEPLOYMENTS, doom)
    reply = await world.call("POST", DEPLOY, {"app_id": "checkout", "release_id": "late"})

    assert (reply.status, reply.json["details"]["reason"]) == (409, "BeingDeleted")
    assert world.raw(names.DEPLOYMENTS, CHECKOUT)["spec"].get("release") is None


async def test_what_somebody_else_deployed_since_is_not_taken_back() -> None:
    """There is another environment of that name by now, and somebody deployed into it."""
    world = await world_with()

    def replaced() -> None:
        world.cluster.remove(names.ENVIRONMENTS, NAMESPACE, "staging")
        world.environment()
        raw = world.raw(names.DEPLOYMENTS, CHECKOUT)
        log = raw["changeLog"]
        entry = {"sequence": log["sequence"] + 1, "action": "deploy", "from": "late", "to": "theirs", "by": "bob"}
        theirs = {"sequence": log["sequence"] + 1, "entries": [*log["entries"], entry]}
        spec = {**raw["spec"], "release": "theirs"}
        world.cluster.put({**raw, "spec": spec, "changeLog": theirs}, names.DEPLOYMENTS)

    after_write(world, names.DEPLOYMENTS, replaced)
    reply = await world.call("POST", DEPLOY, {"app_id": "checkout", "release_id": "late"})

    assert reply.status == 404
    assert world.raw(names.DEPLOYMENTS, CHECKOUT)["spec"]["release"] == "theirs"


async def test_removal_takes_out_what_was_deployed_meanwhile_at_another_replica() -> None:
    """Our watch does not tell of it: the bindings are listed once more after the environment has gone."""
    world = await world_with(None)
    made: list[str] = []
    remove = world.cluster.remove

    def other_replica() -> None:
        world.told = lambda: None
        spec = {"environment": "staging", "app": "late", "release": "v1"}
        log = {"sequence": 1, "entries": [{"sequence": 1, "action": "deploy", "to": "v1", "by": "bob"}]}
        raw = {"metadata": {"name": "staging.late", "namespace": NAMESPACE}, "spec": spec, "changeLog": log}
        made.append(world.cluster.put(raw, names.DEPLOYMENTS)["metadata"]["uid"])
        world.told = world.deliver
        world.cluster.remove = remove  # type: ignore[method-assign]

    def removing(plural: str, namespace: str, name: str) -> None:
        if plural == names.ENVIRONMENTS:
            other_replica()
        remove(plural, namespace, name)

    world.cluster.remove = removing  # type: ignore[method-assign]

    async def operator(_seconds: float) -> None:
        world.record("staging.late")

    world.catalog.bindings.versions.wait_for_next = operator  # type: ignore[method-assign]
    reply = await world.call("DELETE", STAGING)

    assert (reply.status, len(made)) == (200, 1)
    assert [key for key in world.cluster.objects if key[0] == names.DEPLOYMENTS] == []


async def test_removal_leaves_the_next_environment_of_that_name_alone() -> None:
    world = await world_with(None)
    remove = world.cluster.remove

    def removing(plural: str, namespace: str, name: str) -> None:
        remove(plural, namespace, name)
        if plural == names.ENVIRONMENTS:
            world.environment()
            spec = {"environment": "staging", "app": "next", "release": "v1"}
            world.cluster.put(
                {"metadata": {"name": "staging.next", "namespace": NAMESPACE}, "spec": spec}, names.DEPLOYMENTS
            )

    world.cluster.remove = removing  # type: ignore[method-assign]
    reply = await world.call("DELETE", STAGING)

    assert reply.status == 200
    assert world.raw(names.DEPLOYMENTS, "staging.next")["spec"]["release"] == "v1"


# --- labels that churn


def churn(world: World, *places: tuple[str, str]) -> None:
    """Somebody changes labels before every single write."""

    def hook(_verb: str, _plural: str, _name: str) -> None:
        for plural, name in places:
            raw = world.cluster.objects.get((plural, NAMESPACE, name))
            if raw is not None:
                count = str(int(raw["metadata"].get("labels", {}).get("n", "0")) + 1)
                world.told = lambda: None
                world.cluster.put({**raw, "metadata": {**raw["metadata"], "labels": {"n": count}}}, plural)
                world.told = world.deliver

    world.cluster.before = hook


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", DEPLOY, {"app_id": "checkout", "release_id": "v3"}),
        ("POST", f"{DEPLOY}/checkout/rollback", {}),
        ("DELETE", f"{DEPLOY}/checkout", None),
        ("PUT", STAGING, {"name": "Other"}),
        ("PUT", LOCK, {"reason": "other"}),
        ("DELETE", LOCK, None),
    ],
)
async def test_labels_that_change_all_the_time_hold_up_no_write(method: str, path: str, body: Any) -> None:
    world = await world_with()
    await world.deploy("checkout", "v2")
    if path == LOCK:
        await world.call("PUT", LOCK, {"reason": "audit"})
    churn(world, (names.DEPLOYMENTS, CHECKOUT), (names.ENVIRONMENTS, "staging"), (names.LOCKS, "staging"))

    reply = await world.call(method, path, body)

    assert reply.status == 200, reply.content


async def test_two_changes_there_and_back_are_not_the_same_state() -> None:
    """A decision on v2 after v1 is repeated when it is v2 after v3, although the release is the same."""
    world = await world_with()
    await world.deploy("checkout", "v2")
    rounds = iter(["label", "there and back"])

    def meanwhile() -> None:
        raw = world.raw(names.DEPLOYMENTS, CHECKOUT)
        log = raw["changeLog"]
        world.told = lambda: None
        if next(rounds, None) == "label":
            changed = {**raw, "metadata": {**raw["metadata"], "labels": {"n": "1"}}}
        else:
            number = log["sequence"]
            entries = [
                {"sequence": number + 1, "action": "deploy", "from": "v2", "to": "v3", "by": "bob"},
                {"sequence": number + 2, "action": "rollback", "from": "v3", "to": "v2", "by": "bob"},
            ]
            changed = {**raw, "changeLog": {"sequence": number + 2, "entries": [*log["entries"], *entries]}}
        world.cluster.put(changed, names.DEPLOYMENTS)
        world.told = world.deliver

    before(world, "patch", names.DEPLOYMENTS, meanwhile, times=2)
    reply = await world.call("POST", f"{DEPLOY}/checkout/rollback", {})

    assert (reply.status, reply.json["release_id"]) == (200, "v3")
    assert reply.json["deployment_id"].endswith("00000005")


async def test_expected_release_is_compared_under_churn_too() -> None:
    world = await world_with()
    rounds = iter(range(9))

    def meanwhile() -> None:
        raw = world.raw(names.DEPLOYMENTS, CHECKOUT)
        number = raw["changeLog"]["sequence"]
        if next(rounds) == 0:
            world.cluster.put({**raw, "metadata": {**raw["metadata"], "labels": {"n": "1"}}}, names.DEPLOYMENTS)
            return
        entry = {"sequence": number + 1, "action": "deploy", "from": "v1", "to": "theirs", "by": "bob"}
        log = {"sequence": number + 1, "entries": [*raw["changeLog"]["entries"], entry]}
        world.cluster.put({**raw, "spec": {**raw["spec"], "release": "theirs"}, "changeLog": log}, names.DEPLOYMENTS)

    before(world, "patch", names.DEPLOYMENTS, meanwhile, times=2)
    body = {"app_id": "checkout", "release_id": "mine", "expected_release_id": "v1"}
    reply = await world.call("POST", DEPLOY, body)

    assert (reply.status, reply.json["details"]["reason"]) == (409, "ReleaseMismatch")
    assert world.raw(names.DEPLOYMENTS, CHECKOUT)["spec"]["release"] == "theirs"
