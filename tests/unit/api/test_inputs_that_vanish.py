"""What only a list of the cluster leaves out is not pruned: no watch and no history says that it was deleted."""

from facade_inputs import ask, delivered, ended, gone, inputs, listed
from facade_world import Reply, World

from moorage_crds import names

ALL = "/api/v1/getparams.execute"


async def every(world: World) -> Reply:
    """The releases of all workspaces, as Argo CD asks for them."""
    return await world.call("POST", ALL, {"applicationSetName": "all", "input": {"parameters": {}}}, user="root")


async def test_what_only_a_list_leaves_out_is_never_pruned_whatever_comes_back() -> None:
    world = await delivered("a", "b", "c", "d")
    for app in "abcd":
        world.record(f"staging.{app}")
    before = await inputs(world)

    listed(world, names.DEPLOYMENTS, *(f"staging.{app}" for app in "abcd"))
    assert (await ask(world)).status == 503
    for app in "abc":
        # What changes comes back by the watch: first a quarter, then half, then more than half of it is there.
        world.cluster.put(world.raw(names.DEPLOYMENTS, f"staging.{app}"), names.DEPLOYMENTS)
        world.deliver()
        reply = await ask(world)
        assert (reply.status, reply.json["details"]) == (503, {"reason": "NotSynced"})
        assert "does not show staging." in reply.json["message"]

    listed(world, names.DEPLOYMENTS)
    assert await inputs(world) == before


async def test_a_deletion_that_no_watch_has_told_is_explained_by_its_record() -> None:
    world = await delivered("a", "b", "c")
    for app in "abc":
        world.record(f"staging.{app}")
    assert len(await inputs(world)) == 3

    listed(world, names.DEPLOYMENTS, "staging.a")
    assert (await ask(world)).status == 503
    ended(world, "a")
    assert [one["app"] for one in await inputs(world)] == ["b", "c"]


async def test_a_deletion_that_a_watch_has_told_stays_told_after_a_list() -> None:
    world = await delivered("a", "b", "c")
    assert len(await inputs(world)) == 3

    gone(world, "a")
    listed(world, names.DEPLOYMENTS, "staging.a")

    assert [one["app"] for one in await inputs(world)] == ["b", "c"]


async def test_what_was_told_of_an_earlier_object_of_that_name_says_nothing_of_this_one() -> None:
    world = await delivered("a", "b", "c")
    earlier = world.raw(names.DEPLOYMENTS, "staging.a")
    gone(world, "a")
    await world.deploy("a", "a-2")
    assert len(await inputs(world)) == 3
    # The answer of the write that made it again can be here before the watch tells of the end of the earlier one.
    feed = next(one for one in world.catalog.feeds if one.plural == names.DEPLOYMENTS)
    feed.sink.apply("DELETED", feed.read(earlier))

    listed(world, names.DEPLOYMENTS, "staging.a")

    assert (await ask(world)).status == 503


async def test_a_workspace_that_only_a_list_leaves_out_is_not_pruned_either() -> None:
    world = await delivered("a", "b", "c")
    world.namespace("acme-bank", "acme", "bank")
    raw = {"metadata": {"name": "live", "namespace": "acme-bank"}, "spec": {}}
    world.cluster.put(raw, names.ENVIRONMENTS)
    world.deliver()
    path = "/v1/orgs/acme/workspaces/bank/environments/live/deploy"
    assert (await world.call("POST", path, {"app_id": "web", "release_id": "web-9"}, user="root")).status == 200
    before = await every(world)
    assert (before.status, len(before.json["output"]["parameters"])) == (200, 4)

    for plurals in ([names.NAMESPACES], [names.NAMESPACES, names.DEPLOYMENTS]):
        for plural in plurals:
            listed(world, plural, "acme-bank", "live.web")
        refused = await every(world)
        assert (refused.status, refused.json["details"]) == (503, {"reason": "NotSynced"})
        assert "live.web" in refused.json["message"]
        for plural in plurals:
            listed(world, plural)
        assert (await every(world)).content == before.content

    # A watch that tells it is believed.
    world.cluster.remove(names.NAMESPACES, "", "acme-bank")
    world.deliver()
    assert len((await every(world)).json["output"]["parameters"]) == 3
