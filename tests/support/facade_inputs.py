"""What tools that prune are told of a facade in memory, and the ways in which a Deployment goes."""

from typing import Any

from facade_world import BASE, NAMESPACE, Reply, World

from moorage_crds import names

INPUTS = BASE.removesuffix("environments") + "inputs"


async def ask(world: World, query: str = "", **options: Any) -> Reply:
    """The inputs of Flux."""
    return await world.call("GET", f"{INPUTS}?{query}" if query else INPUTS, **options)


async def inputs(world: World, query: str = "") -> list[dict[str, Any]]:
    """The same, which must be answered."""
    reply = await ask(world, query)
    assert reply.status == 200, reply.content
    return list(reply.json["inputs"])


async def delivered(*apps: str) -> World:
    """Apps that are active in staging, each with its first release."""
    world = World()
    world.environment(parameters={"region": "eu", "cluster": "one"})
    for app in apps:
        await world.deploy(app, f"{app}-1")
    return world


def gone(world: World, app: str) -> None:
    """The watch says that the Deployment is not there any more; nobody says who took it out."""
    world.cluster.remove(names.DEPLOYMENTS, NAMESPACE, f"staging.{app}")
    world.deliver()


def ended(world: World, app: str) -> None:
    """The operator records that the Deployment was deleted."""
    end = next(one for one in world.cluster.all(names.RECORDS) if one["spec"]["app"] == app)
    uid = end["spec"]["deployment"]["uid"]
    end["metadata"] = {"name": names.record_name(uid, 2), "namespace": NAMESPACE}
    end["spec"] |= {"sequence": 2, "action": "undeploy", "previousRelease": f"{app}-1"}
    end["spec"].pop("release")
    world.cluster.put(end, names.RECORDS)
    world.deliver()


def listed(world: World, plural: str, *without: str) -> None:
    """A list of a kind in which the objects of these names are missing; the watch said nothing of them."""
    feed = next(one for one in world.catalog.feeds if one.plural == plural)
    shown = [raw for raw in world.cluster.all(plural) if raw["metadata"]["name"] not in without]
    feed.sink.replace([feed.read(raw) for raw in shown], world.cluster.next_version())
