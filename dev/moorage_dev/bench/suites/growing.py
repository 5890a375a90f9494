"""How time and memory of both processes grow with the number of objects: the exponent of a power law, above the cost of
an empty cluster."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from moorage_dev.bench import generator, population, usage
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import Lab, opened
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import World
from moorage_dev.progress import shown

NAME = "growth"
_KINDS = ("environments", "deployments", "deploymentrecords")
_WAYS = ("operator: ready", "operator: swept", "operator: memory", "facade: synced", "facade: memory", "LIST")
#: A line through the measured points may be this much steeper than straight before it counts as worse than linear.
_LINEAR = 1.1

Measured = dict[str, list[float]]


def measure(folder: Path, plan: Plan) -> list[Figure]:
    """Measure worlds of growing size in a lab of their own."""
    found: dict[int, Measured] = {}
    now = population.whole_second()
    with opened(folder) as lab:
        # Size 0 is what starting costs however little there is: growth is what comes on top.
        for size in (0, *plan.growth):
            world = World(size, now)
            if size:
                lab.populate(world)
            found[size] = _measure(lab, plan, world)
    return _figures(found)


def _measure(lab: Lab, plan: Plan, world: World) -> Measured:
    found: Measured = {way: [] for way in _WAYS}
    with shown("starting both processes", lambda: f"{world.size:,} Deployments"):
        for _ in range(plan.rounds):
            job = {"target": generator.target(lab, lab.admin_token), "plurals": _KINDS}
            found["LIST"].append(generator.run("listing", job)["seconds"])
            with lab.operator() as operator:
                ready = usage.age_seconds(operator.child.pid)
                swept = lab.wait_swept(operator)
                found["operator: ready"].append(ready)
                found["operator: swept"].append(swept)
                found["operator: memory"].append(usage.memory_mib(operator.child.pid))
            with lab.facade() as facade:
                found["facade: synced"].append(usage.age_seconds(facade.child.pid))
                found["facade: memory"].append(usage.memory_mib(facade.child.pid))
    return found


def _figures(found: dict[int, Measured]) -> list[Figure]:
    sizes = sorted(found)[1:]
    baseline = Baseline("plain LIST in pages", _exponents(found, "LIST"))
    figures: list[Figure] = []
    for way in _WAYS[:-1]:
        points = "; ".join(f"{size:,}: {median(measured[way]):.3g}" for size, measured in sorted(found.items()))
        unit = "MiB" if way.endswith("memory") else "s"
        figures.append(
            Figure(
                NAME,
                f"exponent of {way}, {sizes[0]:,} to {sizes[-1]:,} Deployments",
                "",
                _exponents(found, way),
                None if unit == "MiB" else baseline,
                (Aim(_LINEAR),),
                f"growth, {way} ({unit}): {points}",
            )
        )
    return figures


def _exponents(found: dict[int, Measured], way: str) -> Samples:
    """One slope per round of the straight line through the logarithms, of what comes on top of an empty cluster."""
    empty = median(found[0][way])
    sizes = sorted(found)[1:]
    rounds = zip(*(found[size][way] for size in sizes), strict=True)
    return Samples.of(_slope(sizes, [value - empty for value in values]) for values in rounds)


def _slope(sizes: Sequence[int], values: Sequence[float]) -> float:
    # What is lost in the noise of an empty cluster counts as a hundredth of a second, or of a MiB.
    points = [(math.log(size), math.log(max(value, 0.01))) for size, value in zip(sizes, values, strict=True)]
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
