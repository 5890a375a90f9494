"""The past that was imported, by REST: shown and marked, and nothing that decides looks at it."""

from datetime import UTC, datetime

from facade_world import BASE, NAMESPACE, World

from moorage_cli.importing.past import past_of, records_of
from moorage_cli.replay import Line

WORKSPACE = BASE.removesuffix("/environments")
THEN = datetime(2025, 6, 1, tzinfo=UTC)


async def world_with_a_past() -> World:
    """web runs 3 in staging since now; an import says that it had 1 and 2 before, by bob."""
    world = World()
    world.environment("staging")
    lines = [Line(THEN, "web", "staging", "1", "bob"), Line(THEN.replace(month=7), "web", "staging", "2", "bob")]
    for raw in records_of(past_of(lines, now=world.clock.now()), namespace=NAMESPACE, source="a file"):
        world.cluster.put(raw)
    await world.deploy("web", "3")
    return world


async def test_imported_lines_stand_in_the_history_and_say_what_they_are() -> None:
    world = await world_with_a_past()
    lines = (await world.call("GET", f"{BASE}/staging/deployments")).json["deployments"]
    assert [(one["release_id"], one["action"], one["imported"], one["imported_from"]) for one in lines] == [
        ("3", "deploy", False, None), ("2", "import", True, "a file"), ("1", "import", True, "a file"),
    ]  # fmt: skip
    assert [(one["deployed_by"], one["deployed_by_known"], one["deployed_at"]) for one in lines[1:]] == [
        ("bob", False, "2025-07-01T00:00:00Z"), ("bob", False, "2025-06-01T00:00:00Z"),
    ]  # fmt: skip
    every = (await world.call("GET", f"{WORKSPACE}/deployments")).json["deployments"]
    assert [one["environment_id"] for one in every] == [lines[0]["environment_id"]] * 3


async def test_who_is_only_claimed_is_nobody_to_a_filter() -> None:
    world = await world_with_a_past()
    assert (await world.call("GET", f"{WORKSPACE}/deployments?user=bob")).json["deployments"] == []
    only = (await world.call("GET", f"{BASE}/staging/deployments?action=import")).json
    assert only["matching"] == 2


async def test_nothing_goes_back_to_what_is_only_claimed() -> None:
    world = await world_with_a_past()
    for body in ({}, {"release_id": "2"}):
        refused = await world.call("POST", f"{BASE}/staging/deploy/web/rollback", body)
        assert (refused.status, refused.json["details"]["reason"]) == (409, "NothingToRollBack")


async def test_a_past_is_no_news() -> None:
    world = await world_with_a_past()
    newer = world.catalog.history.journal.newer(NAMESPACE, "0", "0")
    assert [line.release for line in newer] == ["3"]


async def test_no_number_counts_what_is_only_claimed() -> None:
    world = await world_with_a_past()
    world.clock.advance(60)
    said = (await world.call("GET", f"{WORKSPACE}/metrics/dora?since=2025-05-01T00:00:00Z")).json
    total = said["environments"][0]["total"]
    assert (total["deployments"], total["days_with_deployments"]) == (1, 1)


async def test_a_claim_is_no_earlier_place_for_a_lead_time() -> None:
    """An import says that the release of today was in qa long before."""
    world = await world_with_a_past()
    lines = [Line(THEN, "web", "qa", "3", "bob")]
    for raw in records_of(past_of(lines, now=world.clock.now()), namespace=NAMESPACE, source="another file"):
        world.cluster.put(raw)
    world.clock.advance(60)
    said = (await world.call("GET", f"{WORKSPACE}/metrics/dora?since=2025-05-01T00:00:00Z")).json
    assert [one["environment"] for one in said["environments"]] == ["staging"]
    total = said["environments"][0]["total"]
    assert (total["lead_time"], total["failures"], total["rollbacks"]) == (None, 0, 0)
    assert "no release of these deployments was in another environment" in total["unknown"]["lead_time"]
