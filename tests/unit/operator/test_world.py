"""What the operator remembers by Namespace is what it remembers at all, whatever comes and goes."""

import random

from builders import at, environment
from fake_cluster import FixedClock

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
