"""Environments through the whole edge: edits, pages, dry runs, own writes."""

from facade_world import BASE, NAMESPACE, World, envelope

from moorage_crds import names


async def test_description_may_be_emptied_and_null_means_unchanged() -> None:
    world = World()
    world.environment(displayName="Staging", description="x")

    kept = await world.call("PUT", f"{BASE}/staging", {"description": None, "name": None})
    emptied = await world.call("PUT", f"{BASE}/staging", {"description": ""})

    assert kept.json["environment"]["description"] == "x"
    assert emptied.json["environment"]["description"] == ""
    assert world.cluster.accepted == [("alice", "patch", "environments")]


async def test_answer_of_get_may_be_sent_back_whole() -> None:
    world = World()
    world.environment()
    await world.deploy("checkout", "v1")
    shown = (await world.call("GET", f"{BASE}/staging")).json

    reply = await world.call("PUT", f"{BASE}/staging", {**shown, "name": "New", "active_deployments": {"a": 1}})

    assert reply.status == 200
    assert reply.json["environment"] == {**shown, "name": "New", "updated_at": shown["updated_at"]}


async def test_read_only_field_with_another_value_is_refused() -> None:
    world = World()
    world.environment()

    reply = await world.call("PUT", f"{BASE}/staging", {"slug": "other", "is_default": True})

    assert [problem["loc"] for problem in reply.json["detail"]] == [["body", "slug"], ["body", "is_default"]]
    assert {problem["type"] for problem in reply.json["detail"]} == {"read_only"}


async def test_etag_guards_edits_but_not_against_deploys() -> None:
    world = World()
    world.environment()
    tag = (await world.call("GET", f"{BASE}/staging")).headers["ETag"]
    await world.deploy("checkout", "v1")
    fresh = await world.call("PUT", f"{BASE}/staging", {"name": "A"}, headers={"If-Match": tag})

    stale = await world.call("PUT", f"{BASE}/staging", {"name": "B"}, headers={"If-Match": tag})
    weak = await world.call("PUT", f"{BASE}/staging", {"name": "B"}, headers={"If-Match": f"W/{tag}"})

    current = (await world.call("GET", f"{BASE}/staging")).headers["ETag"]
    assert fresh.status == 200
    assert stale.status == 412
    assert stale.json == envelope(412, "PRECONDITION_FAILED", "The resource has changed", {"etag": current})
    assert weak.status == 412


async def test_unmodified_environment_is_not_sent_again() -> None:
    world = World()
    world.environment()
    tag = (await world.call("GET", f"{BASE}/staging")).headers["ETag"]
    same = await world.call("GET", f"{BASE}/staging", headers={"If-None-Match": f'"x", {tag}'})
    await world.deploy("checkout", "v1")

    other = await world.call("GET", f"{BASE}/staging", headers={"If-None-Match": tag})

    assert (same.status, same.content) == (304, b"")
    assert other.status == 200


async def test_status_write_of_the_operator_does_not_get_in_the_way_of_an_edit() -> None:
    world = World(held=True)
    world.environment()
    tag = (await world.call("GET", f"{BASE}/staging")).headers["ETag"]
    raw = world.raw(names.ENVIRONMENTS, "staging")
    world.cluster.put({**raw, "status": {"observedGeneration": 1}}, names.ENVIRONMENTS)

    reply = await world.call("PUT", f"{BASE}/staging", {"name": "A"}, headers={"If-Match": tag})

    assert reply.status == 200


async def test_environments_are_paged_by_slug_and_nothing_is_skipped() -> None:
    world = World()
    for slug in ("b", "d", "a", "c"):
        world.environment(slug)
    first = (await world.call("GET", f"{BASE}?limit=2")).json
    world.environment("aa")

    second = (await world.call("GET", f"{BASE}?limit=2&cursor={first['next_cursor']}")).json

    assert [one["slug"] for one in first["environments"] + second["environments"]] == ["a", "b", "c", "d"]
    assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)
    assert second["total"] == 5


async def test_dry_run_stores_nothing_and_answers_alike() -> None:
    world = World()
    world.environment()

    created = await world.call("POST", f"{BASE}?dry_run=true", {"name": "B", "slug": "b"})
    deployed = await world.call(
        "POST", f"{BASE}/staging/deploy?dry_run=true", {"app_id": "checkout", "release_id": "v1"}
    )
    updated = await world.call("PUT", f"{BASE}/staging?dry_run=true", {"name": "B"})
    locked = await world.call("PUT", f"{BASE}/staging/lock?dry_run=true", {"reason": "why"})
    deleted = await world.call("DELETE", f"{BASE}/staging?dry_run=true")

    replies = (created, deployed, updated, locked, deleted)
    assert [reply.status for reply in replies] == [201, 200, 200, 200, 200]
    assert {reply.headers.get("X-Dry-Run") for reply in replies} == {"true"}
    assert updated.json["environment"]["name"] == "B"
    assert locked.json["environment"]["lock"]["reason"] == "why"
    assert world.cluster.accepted == []
    read = await world.call("GET", f"{BASE}/staging")
    real = await world.deploy("checkout", "v1")
    assert "X-Dry-Run" not in read.headers
    assert "X-Dry-Run" not in real.headers
    assert (read.json["name"], read.json["lock"], read.json["active_deployments"]) == ("staging", None, {})


async def test_own_write_is_seen_before_the_watch_brings_it() -> None:
    world = World(held=True)
    await world.call("POST", BASE, {"name": "Staging", "slug": "staging"})
    await world.deploy("checkout", "v1")
    deployed = (await world.call("GET", f"{BASE}/staging")).json
    lines = (await world.call("GET", f"{BASE}/staging/deployments")).json
    await world.call("PUT", f"{BASE}/staging/lock", {"reason": "why"})
    locked = (await world.call("GET", f"{BASE}/staging")).json
    await world.call("DELETE", f"{BASE}/staging/lock")
    unlocked = (await world.call("GET", f"{BASE}/staging")).json

    assert deployed["active_deployments"] == {"checkout": "v1"}
    assert lines["total"] == 1
    assert locked["lock"] == {
        "reason": "why",
        "locked_by": "alice",
        "locked_at": "2026-01-31T12:00:00Z",
        "locked_by_known": True,
        "until": None,
        "first_locked_by": "alice",
    }
    assert unlocked["lock"] is None


async def test_late_event_does_not_bring_a_deleted_environment_back() -> None:
    world = World(held=True)
    world.environment()
    raw = world.raw(names.ENVIRONMENTS, "staging")
    await world.call("DELETE", f"{BASE}/staging")
    late = {**raw, "metadata": {**raw["metadata"], "resourceVersion": "150"}}
    world.catalog.environments.apply("MODIFIED", world.catalog.read.environment(late))

    reply = await world.call("GET", f"{BASE}/staging")

    assert reply.status == 404


async def test_older_namespace_is_the_workspace() -> None:
    world = World()
    world.environment()
    world.clock.advance(60)
    world.namespace("another", "acme", "shop")
    world.deliver()

    reply = await world.call("GET", f"{BASE}/staging")

    assert reply.status == 200
    assert world.catalog.duplicates == {"another": NAMESPACE}
    world.cluster.remove(names.NAMESPACES, "", NAMESPACE)
    world.deliver()
    assert world.catalog.duplicates == {}
    assert (await world.call("GET", f"{BASE}/staging", user="root")).status == 404
