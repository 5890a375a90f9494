"""Approvals by REST: who says yes or no to what, whether it counts, and which releases wait for it."""

from typing import Any

import pytest
from facade_world import BASE, NAMESPACE, World

from moorage_api.changes.approvals import MOST_NAMES
from moorage_crds import names

APPROVALS = f"{BASE}/production/approvals"
YES = {"app_id": "web", "release_id": "v2", "comment": "tested"}
NO = {"app_id": "web", "release_id": "v2", "decision": "Reject"}
RIGHTS = ("get environments", "create approvals", "delete approvals", "list approvals", "approve environments")


async def protected(**approvals: Any) -> World:
    """web runs v2 in staging and v1 in production, which wants two others to say yes."""
    world = World()
    world.environment("staging")
    world.environment("production", promotion={"from": "staging"}, approvals={"required": 2, **approvals})
    await world.deploy("web", "v2")
    await world.deploy("web", "v1", environment="production")
    world.clock.advance(60)
    for user in ("alice", "bob", "carol"):
        world.reviews.grant(user, *RIGHTS)
    return world


def stored(world: World) -> list[str]:
    return sorted(name for plural, _, name in world.cluster.objects if plural == names.APPROVALS)


async def test_a_yes_is_the_callers_own_and_stands_in_the_list() -> None:
    world = await protected(validFor="24h")

    given = await world.call("POST", APPROVALS, YES, user="bob")

    said = given.json["approval"]
    assert (given.status, said["decision"], said["comment"], said["counts"]) == (201, "Approve", "tested", True)
    assert (said["decided_at"], said["until"]) == ("2026-01-31T12:01:00Z", "2026-02-01T12:01:00Z")
    assert given.headers["Location"] == f"{APPROVALS}/{said['name']}"
    raw = world.raw(names.APPROVALS, said["name"])
    assert raw["spec"] == {
        "environment": "production", "app": "web", "release": "v2", "decision": "Approve", "comment": "tested"
    }  # fmt: skip
    listed = await world.call("GET", APPROVALS)
    assert (listed.json["total"], listed.json["required"], listed.json["approvals"]) == (1, 2, [said])


async def test_who_says_it_again_says_it_once() -> None:
    world = await protected()

    first = await world.call("POST", APPROVALS, YES, user="bob")
    again = await world.call("POST", APPROVALS, {**YES, "comment": "tested twice"}, user="bob")
    other = await world.call("POST", APPROVALS, YES, user="carol")

    assert again.json == first.json
    assert other.json["approval"]["name"] != first.json["approval"]["name"]
    assert len(stored(world)) == 2


async def test_what_was_used_up_is_given_anew() -> None:
    world = await protected()
    first = await world.call("POST", APPROVALS, YES, user="bob")
    world.clock.advance(5)
    await world.deploy("web", "v2", environment="production")
    world.clock.advance(5)
    await world.deploy("web", "v1", environment="production")
    world.clock.advance(5)
    assert [one["counts"] for one in (await world.call("GET", APPROVALS)).json["approvals"]] == [False]

    tried = await world.call("POST", f"{APPROVALS}?dry_run=true", YES, user="bob")
    assert (tried.status, stored(world)) == (201, [first.json["approval"]["name"]])
    again = await world.call("POST", APPROVALS, YES, user="bob")

    assert (again.status, again.json["approval"]["counts"]) == (201, True)
    assert again.json["approval"]["decided_at"] > first.json["approval"]["decided_at"]
    assert len(stored(world)) == 1


@pytest.mark.parametrize("again", [False, True], ids=["gone", "made again"])
async def test_what_was_used_up_does_not_come_back_with_a_new_deployment(again: bool) -> None:
    world = await protected()
    await world.call("POST", APPROVALS, YES, user="bob")
    world.clock.advance(5)
    await world.call("DELETE", f"{BASE}/production/deploy/web")
    world.record("production.web")
    world.cluster.remove(names.DEPLOYMENTS, NAMESPACE, "production.web")
    if again:
        spec = {"environment": "production", "app": "web"}
        meta = {"name": "production.web", "namespace": NAMESPACE}
        world.cluster.put({"metadata": meta, "spec": spec}, names.DEPLOYMENTS)
    world.deliver()

    listed = (await world.call("GET", APPROVALS)).json

    assert [one["counts"] for one in listed["approvals"]] == [False]


@pytest.mark.parametrize(("decision", "counts"), [("Approve", False), ("Reject", True)])
async def test_beside_another_spelling_of_the_app_a_yes_says_nothing_and_a_no_does(decision: str, counts: bool) -> None:
    world = await protected()

    given = await world.call("POST", APPROVALS, {**YES, "app_id": "WEB", "decision": decision}, user="bob")

    assert (given.status, given.json["approval"]["counts"]) == (201, counts)
    listed = (await world.call("GET", APPROVALS)).json
    assert [one["counts"] for one in listed["approvals"]] == [counts]
    assert all(one["approved_by"] == [] for one in listed["candidates"])


async def test_a_yes_ends_by_itself() -> None:
    world = await protected(validFor="1h")
    await world.call("POST", APPROVALS, YES, user="bob")
    world.clock.advance(3600)

    listed = (await world.call("GET", APPROVALS)).json

    assert [one["counts"] for one in listed["approvals"]] == [False]
    assert [one["approved_by"] for one in listed["candidates"]] == [[]]


async def test_a_candidate_says_what_it_lacks() -> None:
    world = await protected()
    await world.call("POST", APPROVALS, YES, user="bob")
    await world.call("POST", APPROVALS, YES, user="alice")

    [one] = (await world.call("GET", APPROVALS)).json["candidates"]

    assert (one["app_id"], one["release_id"], one["present_release_id"]) == ("web", "v2", "v1")
    # The operator has not looked yet: evidence is what it wrote, and alice approves no change of her own.
    assert (one["approved_by"], one["missing"], one["allowed"]) == (["bob"], 2, False)
    assert [gate["code"] for gate in one["gates"]] == ["NotPromoted", "ApprovalRequired"]


async def test_a_no_stands_among_the_gates_and_beside_the_candidate() -> None:
    world = await protected()
    await world.call("POST", APPROVALS, NO, user="carol")

    [one] = (await world.call("GET", f"{APPROVALS}?app_id=web&release_id=v2")).json["candidates"]

    assert "ApprovalRejected" in {gate["code"] for gate in one["gates"]}
    assert len(one["rejected_by"]) == 1
    assert (await world.call("GET", f"{APPROVALS}?app_id=mail")).json["candidates"] == []


async def test_what_was_approved_is_a_candidate_wherever_it_comes_from() -> None:
    world = await protected()
    await world.call("POST", APPROVALS, {"app_id": "mail", "release_id": "v9"}, user="bob")

    found = (await world.call("GET", APPROVALS)).json["candidates"]

    assert [(one["app_id"], one["release_id"], one["present_release_id"]) for one in found] == [
        ("mail", "v9", None),
        ("web", "v2", "v1"),
    ]


async def test_it_can_be_taken_back_in_its_environment() -> None:
    world = await protected()
    name = (await world.call("POST", APPROVALS, YES, user="bob")).json["approval"]["name"]

    assert (await world.call("DELETE", f"{BASE}/staging/approvals/{name}", user="bob")).status == 404
    assert (await world.call("DELETE", f"{APPROVALS}/{name}?dry_run=true", user="bob")).status == 200
    assert stored(world) == [name]
    assert (await world.call("DELETE", f"{APPROVALS}/{name}", user="bob")).status == 200
    assert stored(world) == []
    assert (await world.call("DELETE", f"{APPROVALS}/{name}", user="bob")).status == 404
    assert (await world.call("DELETE", f"{APPROVALS}/NO", user="bob")).status == 404


async def test_what_a_finalizer_holds_is_named() -> None:
    world = await protected()
    name = (await world.call("POST", APPROVALS, YES, user="bob")).json["approval"]["name"]
    raw = world.raw(names.APPROVALS, name)
    world.cluster.put({**raw, "metadata": {**raw["metadata"], "finalizers": ["example.com/hold"]}}, names.APPROVALS)

    refused = await world.call("DELETE", f"{APPROVALS}/{name}", user="bob")

    assert (refused.status, refused.json["details"]["reason"]) == (409, "BeingDeleted")
    assert refused.json["details"]["finalizers"] == ["example.com/hold"]


async def taken(world: World, count: int) -> str:
    """The name of bob's yes; it and those after it are held by somebody else's Approvals of the same words."""
    name = str((await world.call("POST", APPROVALS, YES, user="bob")).json["approval"]["name"])
    spec = world.raw(names.APPROVALS, name)["spec"]
    await world.call("DELETE", f"{APPROVALS}/{name}", user="bob")
    for one in [name, *(f"{name}-{number}" for number in range(2, MOST_NAMES + 1))][:count]:
        world.cluster.put({"metadata": {"name": one, "namespace": NAMESPACE}, "spec": spec}, names.APPROVALS)
    world.deliver()
    return name


async def test_a_name_that_somebody_else_has_taken_keeps_nobody_from_saying_it() -> None:
    world = await protected()
    name = await taken(world, 2)

    first = await world.call("POST", APPROVALS, YES, user="bob")
    assert (first.status, first.json["approval"]["name"]) == (201, f"{name}-3")
    assert first.json["approval"]["decided_by"] == "bob"
    world.cluster.remove(names.APPROVALS, NAMESPACE, name)
    world.deliver()
    again = await world.call("POST", APPROVALS, YES, user="bob")

    assert again.json == first.json
    assert len(stored(world)) == 2


async def test_names_that_somebody_has_all_taken_keep_nobody_from_saying_it() -> None:
    world = await protected()
    await taken(world, MOST_NAMES)

    given = await world.call("POST", APPROVALS, YES, user="bob")
    again = await world.call("POST", APPROVALS, YES, user="bob")

    assert (given.status, given.json["approval"]["decided_by"]) == (201, "bob")
    assert again.json == given.json
    assert len(stored(world)) == MOST_NAMES + 1


@pytest.mark.parametrize(("missing", "verb"), [("create approvals", "create"), ("approve environments", "approve")])
async def test_saying_it_needs_both_rights(missing: str, verb: str) -> None:
    world = await protected()
    world.reviews.grant("eve", *(right for right in RIGHTS if right != missing))

    refused = await world.call("POST", APPROVALS, YES, user="eve")

    assert refused.status == 403
    assert refused.json["details"] == {
        "required_permission": "approvals:create",
        "verb": verb,
        "resource": missing.split(" ")[1],
    }
    assert stored(world) == []


async def test_who_may_not_see_releases_is_told_of_no_candidate() -> None:
    world = await protected()
    world.reviews.grant("eve", "get environments", "list approvals")

    listed = (await world.call("GET", APPROVALS, user="eve")).json

    assert (listed["candidates"], listed["hidden"], listed["may_approve"]) == (None, ["candidates"], False)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"decision": "Maybe"}, "decision"),
        ({"release_id": "no good"}, "release_id"),
        ({"app_id": None}, "app_id"),
        ({"comment": "two\nlines"}, "comment"),
        ({"by": "alice"}, "by"),
    ],
)
async def test_what_is_no_approval_is_named(change: dict[str, Any], place: str) -> None:
    world = await protected()

    refused = await world.call("POST", APPROVALS, {**YES, **change}, user="bob")

    assert (refused.status, refused.json["detail"][0]["loc"]) == (422, ["body", place])
