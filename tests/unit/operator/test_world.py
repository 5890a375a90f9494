"""What the operator remembers by Namespace is what it remembers at all, whatever comes and goes."""

import random

from builders import at, deployment, environment
from fake_cluster import FixedClock

from moorage_crds.kinds import deployment as deployments
from moorage_crds.kinds import environment as kind
from moorage_operator.memory.world import World

NAMESPACES = ("bank", "shop", "zoo")
SLUGS = ("production", "staging", "test")


def test_environments_of_a_namespace_are_those_that_are_there() -> None:
    world, chance = World(FixedClock()), random.Random(5)  # noqa: S311 — a plan, no secret
    for version in range(1, 500):
        namespace, slug = chance.choice(NAMESPACES), chance.choice(SLUGS)
        raw = environment(slug, uid=f"{namespace}-{slug}-{version // 40}")
        raw["metadata"] |= {"namespace": namespace, "resourceVersion": str(version), "creationTimestamp": at()}
        seen = kind.from_object(raw)
        known = world.environments.get((namespace, slug))
        if known is not None and chance.random() < 0.4:
            world.drop_environment(known.environment)
        else:
            world.see_environment(seen)
        for one in (*NAMESPACES, "elsewhere"):
            there = {view.environment.uid for key, view in world.environments.items() if key[0] == one}
            assert {view.uid for view in world.environments_of(one)} == there
            assert world.slugs(one) == {name for place, name in world.environments if place == one}
    for known in list(world.environments.values()):
        world.drop_environment(known.environment)
    assert world._slugs == {}


def test_chains_of_a_place_are_those_that_are_there() -> None:
    """Those of Deployments of one name that followed one another, too."""
    world, chance = World(FixedClock()), random.Random(6)  # noqa: S311 — a plan, no secret
    for number in range(1, 500):
        if world.chains and chance.random() < 0.45:
            world.forget_chain(chance.choice(list(world.chains)))
        else:
            place = {"app": chance.choice(("api", "web")), "environment": chance.choice(SLUGS)}
            world.see_deployment(deployments.from_object(deployment(**place, uid=f"uid-{number}")))
        for slug in SLUGS:
            for app in ("api", "web", "absent"):
                name = f"{slug}.{app}"
                there = {uid for uid, chain in world.chains.items() if chain.deployment.name == name}
                assert {chain.deployment.uid for chain in world.at("shop", name)} == there
    for uid in list(world.chains):
        world.forget_chain(uid)
    assert world._places == world._members == {}
