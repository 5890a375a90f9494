"""Freezes by REST, what the gates say of a change, and what a refusal tells of them."""

from types import SimpleNamespace
from typing import Any

import pytest
from facade_world import BASE, NAMESPACE, World

from moorage_crds import names
from moorage_crds.objects import RawObject
from moorage_crds.store import ForbiddenError

WORKSPACE = BASE.rpartition("/")[0]
FREEZES = f"{WORKSPACE}/freezes"
STAGING = f"{BASE}/staging"
#: The clock of the world stands at noon of Saturday, 31 January 2026.
WEEKEND = {
    "reason": "nobody is on call",
    "time_zone": "Europe/Berlin",
    "weekly": [{"days": ["Sat", "Sun"], "from": "00:00", "until": "24:00"}],
}
MONDAY = "2026-02-01T23:00:00Z"
SATURDAY = "2026-02-06T23:00:00Z"


def window(begins: str, until: str, **more: Any) -> dict[str, Any]:
    return {"reason": "sale", "windows": [{"from": begins, "until": until}], **more}


async def frozen() -> World:
    """staging has web at v1, and a Freeze on weekends."""
    world = World()
    world.environment()
    await world.deploy("web", "v1")
    assert (await world.call("PUT", f"{FREEZES}/weekend", WEEKEND)).status == 200
    return world


async def test_a_freeze_is_shown_as_it_was_written_and_when_it_opens() -> None:
    world = await frozen()

    shown = (await world.call("GET", f"{FREEZES}/weekend")).json

    assert shown | WEEKEND == shown
    assert (shown["mode"], shown["apps"], shown["allow_rollback"]) == ("Closed", None, False)
    assert (shown["closed"], shown["next_open"], shown["next_close"]) == (True, MONDAY, None)
    assert (await world.call("GET", FREEZES)).json == {"total": 1, "freezes": [shown]}


async def test_what_get_answers_can_be_put_back_and_writes_nothing() -> None:
    world = await frozen()
    before = world.raw(names.FREEZES, "weekend")["metadata"]["resourceVersion"]
    shown = (await world.call("GET", f"{FREEZES}/weekend")).json

    again = await world.call("PUT", f"{FREEZES}/weekend", shown)
    elsewhere = await world.call("PUT", f"{FREEZES}/other", shown)

    assert (again.status, again.json["freeze"]) == (200, shown)
    assert world.raw(names.FREEZES, "weekend")["metadata"]["resourceVersion"] == before
    assert (elsewhere.status, elsewhere.json["detail"][0]["loc"]) == (422, ["body", "name"])


async def test_what_a_put_does_not_say_is_taken_out() -> None:
    world = await frozen()
    body = window("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", environments=["staging"])

    reply = await world.call("PUT", f"{FREEZES}/weekend", body)

    assert (reply.json["freeze"]["weekly"], reply.json["freeze"]["time_zone"]) == (None, "UTC")
    assert "weekly" not in world.raw(names.FREEZES, "weekend")["spec"]


async def test_a_dry_run_stores_nothing() -> None:
    world = World()

    made = await world.call("PUT", f"{FREEZES}/weekend?dry_run=true", WEEKEND)

    assert (made.status, (await world.call("GET", f"{FREEZES}/weekend")).status) == (200, 404)
    await world.call("PUT", f"{FREEZES}/weekend", WEEKEND)
    assert (await world.call("DELETE", f"{FREEZES}/weekend?dry_run=true")).status == 200
    assert (await world.call("GET", f"{FREEZES}/weekend")).status == 200


async def test_a_deleted_freeze_is_gone_at_once() -> None:
    world = await frozen()

    gone = await world.call("DELETE", f"{FREEZES}/weekend")
    again = await world.call("DELETE", f"{FREEZES}/weekend")

    assert (gone.status, again.status, again.json["details"]["resource_type"]) == (200, 404, "freeze")
    assert (await world.call("GET", STAGING)).json["closed"] is False


@pytest.mark.parametrize("name", ["..", "Quiet", "a%2Fb", "x" * 64])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_can_be_no_name_is_a_freeze_that_is_not_there(method: str, name: str) -> None:
    world = World()

    reply = await world.call(method, f"{FREEZES}/{name}")

    assert (reply.status, reply.json["details"]["resource_type"]) == (404, "freeze")


@pytest.mark.parametrize("name", ["..", "Quiet", "a%2Fb", "x" * 64])
async def test_a_freeze_is_not_made_under_what_can_be_no_name(name: str) -> None:
    reply = await World().call("PUT", f"{FREEZES}/{name}", WEEKEND)

    assert reply.status == 422
    assert reply.json["detail"][0]["loc"] == ["path", "freeze_name"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"reason": ""}, ["body", "reason"]),
        ({"mode": "Open"}, ["body", "mode"]),
        ({"weekly": [{"days": ["Sat"], "from": "25:00", "until": "24:00"}]}, ["body", "weekly", 0, "from"]),
        ({"weekly": [{"days": [], "from": "01:00", "until": "24:00"}]}, ["body", "weekly", 0, "days"]),
        ({"yearly": [{"from": "13-01", "until": "01-01"}]}, ["body", "yearly", 0, "from"]),
        ({"windows": [{"from": "tomorrow", "until": "2026-01-01T00:00:00Z"}]}, ["body", "windows", 0, "from"]),
        ({"timeZone": "UTC"}, ["body", "timeZone"]),
        ({"time_zone": "a b"}, ["body", "time_zone"]),
        ({"environments": []}, ["body", "environments"]),
    ],
)
async def test_what_a_freeze_cannot_say_is_named(change: dict[str, Any], place: list[Any]) -> None:
    world = World()

    reply = await world.call("PUT", f"{FREEZES}/odd", WEEKEND | change)

    assert (reply.status, reply.json["detail"][0]["loc"]) == (422, place)


async def test_a_freeze_that_a_tool_declares_is_left_to_it() -> None:
    world = await frozen()
    raw = dict(world.raw(names.FREEZES, "weekend"))
    fields = {"f:spec": {"f:reason": {}}}
    raw["metadata"] |= {"managedFields": [{"manager": "argocd-controller", "operation": "Apply", "fieldsV1": fields}]}
    world.cluster.put(raw, names.FREEZES)
    world.deliver()

    put = await world.call("PUT", f"{FREEZES}/weekend", WEEKEND | {"reason": "other"})
    deleted = await world.call("DELETE", f"{FREEZES}/weekend")
    forced = await world.call("DELETE", f"{FREEZES}/weekend?override_ownership=true")

    reasons = [reply.json["details"]["reason"] for reply in (put, deleted)]
    assert (reasons, forced.status) == (["ManagedDeclaratively", "ManagedDeclaratively"], 200)


async def test_an_environment_says_when_it_opens_and_closes() -> None:
    world = await frozen()
    closed = (await world.call("GET", STAGING)).json
    world.clock.advance(2 * 86_400)

    opened = (await world.call("GET", STAGING)).json

    assert [closed[field] for field in ("closed", "next_open", "next_close")] == [True, MONDAY, None]
    assert [opened[field] for field in ("closed", "next_open", "next_close")] == [False, None, SATURDAY]


async def test_a_lock_closes_and_nobody_knows_until_when() -> None:
    world = World()
    world.environment()

    tried = (await world.call("PUT", f"{STAGING}/lock?dry_run=true", {"reason": "audit"})).json["environment"]
    locked = (await world.call("PUT", f"{STAGING}/lock", {"reason": "audit"})).json["environment"]
    opened = (await world.call("DELETE", f"{STAGING}/lock")).json["environment"]

    assert [(shown["closed"], shown["next_open"]) for shown in (tried, locked, opened)] == [
        (True, None),
        (True, None),
        (False, None),
    ]


async def test_a_freeze_of_some_apps_does_not_close_the_environment() -> None:
    world = World()
    world.environment()
    await world.call("PUT", f"{FREEZES}/billing", WEEKEND | {"apps": ["billing"]})

    assert (await world.call("GET", STAGING)).json["closed"] is False
    asked = [(await world.call("GET", f"{STAGING}/gates?app_id={app}")).json for app in ("billing", "web")]
    assert [one["allowed"] for one in asked] == [False, True]


async def test_the_gates_say_who_refuses_and_when_the_change_would_pass() -> None:
    world = await frozen()
    await world.call("PUT", f"{FREEZES}/sale", window("2026-02-01T20:00:00Z", "2026-02-03T08:00:00Z"))
    path = f"{STAGING}/gates?app_id=web&release_id=v2"

    now = (await world.call("GET", path)).json
    later = (await world.call("GET", f"{path}&at=2026-02-03T08:00:00Z")).json
    between = (await world.call("GET", f"{path}&at=2026-02-02T12:00:00Z")).json

    assert (now["allowed"], now["opens_at"]) == (False, "2026-02-03T08:00:00Z")
    assert [(gate["gate"], gate["allowed"], gate["opens_at"]) for gate in now["gates"]] == [
        ("freeze/sale", True, None),
        ("freeze/weekend", False, MONDAY),
    ]
    assert (later["allowed"], later["opens_at"], between["allowed"]) == (True, None, False)


async def test_what_is_active_already_passes_every_gate() -> None:
    world = await frozen()

    same = (await world.call("GET", f"{STAGING}/gates?app_id=web&release_id=v1")).json

    assert (same["allowed"], [gate["allowed"] for gate in same["gates"]]) == (True, [True])


async def test_the_way_back_passes_by_the_log_of_the_binding() -> None:
    world = World()
    world.environment()
    for release in ("v1", "v2"):
        await world.deploy("web", release)
    await world.call("PUT", f"{FREEZES}/weekend", WEEKEND | {"allow_rollback": True})

    found = {release: (await world.call("GET", f"{STAGING}/gates?app_id=web&release_id={release}")).json["allowed"]
             for release in ("v1", "v3")}  # fmt: skip

    assert found == {"v1": True, "v3": False}


async def test_gates_need_all_the_rights_that_they_tell_of() -> None:
    world = await frozen()
    rights = ["get environments", "list deployments", "get environmentlocks", "list freezes"]
    for number, missing in enumerate(rights):
        world.reviews.grant(f"eve-{number}", *(right for right in rights if right != missing))
    world.reviews.grant("reader", *rights)

    refused = [await world.call("GET", f"{STAGING}/gates", user=f"eve-{number}") for number in range(4)]

    named = [f"{reply.json['details']['verb']} {reply.json['details']['resource']}" for reply in refused]
    assert named == rights
    assert (await world.call("GET", f"{STAGING}/gates", user="reader")).status == 200


async def test_who_may_not_see_freezes_is_not_told_that_it_is_closed() -> None:
    world = await frozen()
    world.reviews.grant("eve", "get environments", "list deployments", "get environmentlocks")

    shown = (await world.call("GET", STAGING, user="eve")).json

    assert (shown["closed"], shown["next_open"]) == (None, None)
    assert shown["hidden"] == ["closed", "next_open", "next_close"]


def refused(world: World, policy: str, message: str) -> None:
    """The API server refuses the next change of a release."""
    error = ForbiddenError(message, policy=policy)
    world.cluster.fail("patch", names.DEPLOYMENTS, error)


async def test_a_refusal_names_every_gate_in_the_way_and_when_all_are_open() -> None:
    world = await frozen()
    await world.call("PUT", f"{FREEZES}/sale", window("2026-01-31T00:00:00Z", "2026-02-03T08:00:00Z"))
    refused(world, "freezes.moorage.dev", "environment staging is frozen by freeze/sale: sale")

    reply = await world.call("POST", f"{STAGING}/deploy", {"app_id": "web", "release_id": "v2"})

    details = reply.json["details"]
    assert (reply.status, details["reason"], details["freeze"]) == (409, "EnvironmentFrozen", "freeze/sale")
    assert (details["freezes"], details["opens_at"]) == (["freeze/sale", "freeze/weekend"], "2026-02-03T08:00:00Z")
    assert [(gate["gate"], gate["opens_at"]) for gate in details["gates"]] == [
        ("freeze/sale", "2026-02-03T08:00:00Z"),
        ("freeze/weekend", MONDAY),
    ]


async def test_a_locked_environment_tells_of_its_freezes_too() -> None:
    world = await frozen()
    await world.call("PUT", f"{STAGING}/lock", {"reason": "audit"})

    reply = await world.call("POST", f"{STAGING}/deploy", {"app_id": "web", "release_id": "v2"})

    details = reply.json["details"]
    assert (details["reason"], details["lock_reason"], details["opens_at"]) == ("EnvironmentLocked", "audit", None)
    assert [gate["gate"] for gate in details["gates"]] == ["lock", "freeze/weekend"]


def raw_freeze(kind: str, name: str, spec: RawObject) -> RawObject:
    meta = {"name": name} | ({"namespace": NAMESPACE} if kind == "Freeze" else {})
    return {"apiVersion": "moorage.dev/v1", "kind": kind, "metadata": meta, "spec": spec}


@pytest.mark.parametrize(
    ("kind", "plural", "gate"),
    [("Freeze", names.FREEZES, "freeze/new"), ("ClusterFreeze", names.CLUSTER_FREEZES, "clusterfreeze/new")],
)
async def test_a_freeze_of_which_the_watch_does_not_know_yet_is_looked_up(kind: str, plural: str, gate: str) -> None:
    world = World(held=True)
    world.environment()
    await world.deploy("web", "v1")
    world.deliver()
    spec = window("2026-01-31T00:00:00Z", "2026-02-03T08:00:00Z")
    world.cluster.put(raw_freeze(kind, "new", spec), plural)
    refused(world, f"{plural}.moorage.dev", f"environment staging is frozen by {gate}: sale")

    reply = await world.call("POST", f"{STAGING}/deploy", {"app_id": "web", "release_id": "v2"})

    assert (reply.json["details"]["freezes"], reply.json["details"]["opens_at"]) == ([gate], "2026-02-03T08:00:00Z")


async def test_a_refusal_that_no_gate_explains_is_tried_again_in_the_next_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two changes in one second: the second leaves no time, which a Freeze takes for one inside its windows."""
    world = World()
    world.environment()
    await world.deploy("web", "v1")
    await world.call("PUT", f"{FREEZES}/later", window("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"))
    refused(world, "freezes.moorage.dev", "environment staging is frozen by freeze/later: the write leaves no time")
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("moorage_api.changes.releases.asyncio", SimpleNamespace(sleep=sleep))
    reply = await world.call("DELETE", f"{STAGING}/deploy/web")

    assert (reply.status, [round(pause, 2) for pause in pauses]) == (200, [1.05])


async def test_a_protected_environment_says_what_a_release_lacks() -> None:
    world = World()
    known = {"provenFor": {"from": "dev", "soak": "1h", "require": "Deployed"},
             "proven": {"web": [{"release": "v2", "eligibleAt": "2026-01-31T12:30:00Z"}]},
             "approved": {"web": [{"release": "v2", "sequence": 0, "by": [{"user": "bob"}]}]}}  # fmt: skip
    spec = {"promotion": {"from": "dev", "soak": "1h"}, "approvals": {"required": 2}}
    meta = {"name": "staging", "namespace": NAMESPACE}
    world.cluster.put({"metadata": meta, "spec": spec, "status": {"gates": known}}, names.ENVIRONMENTS)
    no = {"environment": "staging", "app": "web", "release": "v3", "decision": "Reject", "comment": "leaks"}
    world.cluster.put({"metadata": {"name": "no-1", "namespace": NAMESPACE}, "spec": no}, names.APPROVALS)
    world.deliver()

    async def lacks(release: str) -> dict[str, Any]:
        said = (await world.call("GET", f"{STAGING}/gates?app_id=web&release_id={release}")).json
        return {gate["code"]: gate["opens_at"] for gate in said["gates"] if not gate["allowed"]}

    assert await lacks("v2") == {"NotPromoted": "2026-01-31T12:30:00Z", "ApprovalRequired": None}
    assert await lacks("v3") == {"NotPromoted": None, "ApprovalRequired": None, "ApprovalRejected": None}
