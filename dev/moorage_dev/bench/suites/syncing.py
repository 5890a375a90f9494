"""Start of the facade with a large world: time until it is ready, and memory."""

from moorage_dev.bench import generator, usage
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import Lab
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import CHANGES_PER_DEPLOYMENT, World
from moorage_dev.progress import shown

NAME = "sync"
_KINDS = ("environments", "deployments", "deploymentrecords")


def measure(lab: Lab, plan: Plan, world: World) -> list[Figure]:
    """Start it, `rounds` times, in turns with a client that only lists and keeps the raw objects."""
    seconds: list[float] = []
    memory: list[float] = []
    peak: list[float] = []
    plain: list[dict[str, float]] = []
    with shown("starting facades", lambda: f"{world.size:,} Deployments"):
        for _ in range(plan.rounds):
            plain.append(
                generator.run("listing", {"target": generator.target(lab, lab.admin_token), "plurals": _KINDS})
            )
            with lab.facade() as facade:
                seconds.append(usage.age_seconds(facade.child.pid))
                memory.append(usage.memory_mib(facade.child.pid))
                peak.append(usage.peak_memory_mib(facade.child.pid))
    size = f"{world.size:,} Deployments, {world.size * CHANGES_PER_DEPLOYMENT:,} records"
    listing = "plain LIST in pages, raw JSON kept"
    note = (
        f"sync: {size}; time from the start of the process until /readyz says yes; the plain client's own not counted"
    )
    return [
        Figure(
            NAME,
            "facade: start until synced",
            "s",
            Samples.of(seconds),
            Baseline(listing, Samples.of(one["seconds"] for one in plain)),
            (Aim(15),),
            note,
        ),
        Figure(
            NAME,
            "facade: memory when synced",
            "MiB",
            Samples.of(memory),
            Baseline(listing, Samples.of(one["memory_mib"] for one in plain)),
            (Aim(350),),
            note,
        ),
        Figure(NAME, "facade: peak memory", "MiB", Samples.of(peak), None, (Aim(350),), note),
    ]
