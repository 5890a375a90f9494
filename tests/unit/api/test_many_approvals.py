"""Many Approvals: reading one environment looks at its own, each a few times, however many there are."""

from dataclasses import fields
from typing import Any, ClassVar

from facade_world import BASE, NAMESPACE, World

from moorage_api.cache.catalog import Plain
from moorage_api.reads.approvals import MOST_CANDIDATES
from moorage_crds.kinds import approval
from moorage_crds.kinds.approval import Approval, Decision

APPROVALS = f"{BASE}/production/approvals"


class Counted(Approval):
    """An Approval that counts how often somebody reads of it, by environment."""

    reads: ClassVar[dict[str, int]] = {}

    def __getattribute__(self, name: str) -> Any:
        """Read a field, and count it."""
        if name in _FIELDS:
            place = object.__getattribute__(self, "environment")
            Counted.reads[place] = Counted.reads.get(place, 0) + 1
        return object.__getattribute__(self, name)


_FIELDS = {field.name for field in fields(Approval)}


def given(world: World, number: int, *, environment: str = "production") -> Approval:
    """A yes to a release of its own, as the watch brings it."""
    one = Counted(
        namespace=NAMESPACE,
        name=f"{environment}-{number}",
        uid=f"uid-{environment}-{number}",
        resource_version=str(1000 + number),
        environment=environment,
        app="web",
        release=f"r{number:05}",
        decision=Decision.APPROVE,
        comment="",
        by="bob",
        created_at="2026-01-31T12:00:00Z",
        deleting=False,
    )
    cache = world.catalog.plain(approval.KIND)
    cache.wrote(Plain(NAMESPACE, f"{environment}-{number}", f"uid-{environment}-{number}", str(1000 + number), one))
    return one


async def listed(many: int, query: str = "") -> tuple[dict[str, Any], dict[str, int]]:
    """The answer of an environment with `many` Approvals, beside another with as many; and the reads behind it."""
    world = World()
    world.reviews.grant("alice", "list approvals")
    for slug in ("staging", "production"):
        world.environment(slug)
        for number in range(many):
            given(world, number, environment=slug)
    Counted.reads.clear()
    reply = await world.call("GET", APPROVALS + query)
    assert reply.status == 200, reply.content
    return reply.json, dict(Counted.reads)


async def test_work_grows_as_the_approvals_do_and_no_others_are_looked_at() -> None:
    _, few = await listed(50)
    _, many = await listed(200)
    assert set(few) == set(many) == {"production"}
    assert many["production"] <= 4 * few["production"]


async def test_more_candidates_than_an_answer_holds_are_counted_and_can_be_asked_for() -> None:
    said, _ = await listed(MOST_CANDIDATES + 3)
    assert (len(said["candidates"]), said["candidates_total"]) == (MOST_CANDIDATES, MOST_CANDIDATES + 3)
    assert said["total"] == len(said["approvals"]) == MOST_CANDIDATES + 3
    last = f"r{MOST_CANDIDATES + 2:05}"
    one, _ = await listed(MOST_CANDIDATES + 3, f"?release_id={last}")
    assert [found["release_id"] for found in one["candidates"]] == [last]
    assert one["candidates_total"] == 1


async def test_an_approval_that_is_gone_is_in_no_list() -> None:
    world = World()
    world.environment("production")
    world.reviews.grant("alice", "list approvals")
    kept, gone = given(world, 1), given(world, 2)
    world.catalog.deleted_plain(approval.KIND, gone)
    assert [one["name"] for one in (await world.call("GET", APPROVALS)).json["approvals"]] == [kept.name]
    world.catalog.deleted_plain(approval.KIND, kept)
    assert (await world.call("GET", APPROVALS)).json["total"] == 0
