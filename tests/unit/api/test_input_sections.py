"""Answers to tools after changes: the parts that are kept between answers never differ from freshly made ones."""

import copy
import random
from typing import Any

from facade_world import BASE, NAMESPACE, ORG, WORKSPACE, World

from moorage_api.integrations.inputs import Form, Inputs
from moorage_api.integrations.selection import Selection
from moorage_crds import names

INPUTS = BASE.removesuffix("environments") + "inputs"
FORM = Form("test", lambda count, sets: b"%d %s" % (count, sets))
ENVIRONMENTS = ("production", "staging")
APPS = ("api", "mail", "web")


def told(inputs: Inputs, world: World, org: str, *apps: str) -> tuple[bytes, str]:
    """Body and ETag for the whole workspace, or for some apps of it."""
    workspace = world.catalog.workspace(org, WORKSPACE)
    assert workspace is not None
    answer = inputs.answer(world.facade, {}, [workspace], Selection((org,), (WORKSPACE,), (), apps), FORM)
    return answer.body, answer.headers["ETag"]


async def change(world: World, chance: random.Random, step: int) -> None:
    """Anything that can happen to an environment and its apps."""
    place, app = chance.choice(ENVIRONMENTS), chance.choice(APPS)
    match chance.randrange(6):
        case 0 | 1:
            await world.deploy(app, str(step), environment=place)
        case 2:
            await world.call("DELETE", f"{BASE}/{place}/deploy/{app}")
        case 3:
            world.record(f"{place}.{app}")
        case 4:
            environment = copy.deepcopy(world.raw(names.ENVIRONMENTS, place))
            environment["spec"]["parameters"] = {"region": str(step)}
            world.cluster.put(environment, names.ENVIRONMENTS)
        case 5:
            # Deleted and made again, with a new uid.
            world.cluster.remove(names.DEPLOYMENTS, NAMESPACE, f"{place}.{app}")
            await world.deploy(app, str(step), environment=place)
    world.deliver()


async def test_kept_sections_say_what_new_ones_say_whatever_has_changed() -> None:
    world, chance, kept = World(), random.Random(3), Inputs()  # noqa: S311 — a plan, no secret
    for environment in ENVIRONMENTS:
        world.environment(environment, parameters={"region": "eu"})
        for app in APPS:
            await world.deploy(app, "1", environment=environment)
    bodies, tags = set(), set()
    for step in range(300):
        await change(world, chance, step)
        body, tag = told(kept, world, ORG)
        assert (body, tag) == told(Inputs(), world, ORG)
        app = chance.choice(APPS)
        assert told(kept, world, ORG, app) == told(Inputs(), world, ORG, app)
        bodies.add(body)
        tags.add(tag)
    assert len(bodies) == len(tags) > 100


async def test_a_workspace_that_gets_another_name_is_told_by_it() -> None:
    world, kept = World(), Inputs()
    world.environment("staging")
    await world.deploy("web", "1")
    assert b'"org":"acme"' in told(kept, world, ORG)[0]
    world.namespace(NAMESPACE, "acme-two", WORKSPACE)
    assert b'"org":"acme-two"' in told(kept, world, "acme-two")[0]


async def test_history_that_has_not_arrived_silences_its_own_app_and_no_other() -> None:
    world = World()
    world.environment("staging")
    for app in ("api", "web"):
        await world.deploy(app, "1")
    raw: Any = copy.deepcopy(world.raw(names.DEPLOYMENTS, "staging.web"))
    # A release that came while nobody watched; its record is on its way.
    raw["spec"]["release"] = "2"
    raw["status"] = {"recordedSequence": 2, "release": "2"}
    world.cluster.put(raw, names.DEPLOYMENTS)
    world.deliver()

    for query, status in (("", 503), ("?app=web", 503), ("?app=api", 200), ("?app=api,web", 503)):
        assert (await world.call("GET", f"{INPUTS}{query}")).status == status
