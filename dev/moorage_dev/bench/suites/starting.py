"""Cold start of the operator where everything is recorded: time, memory, and no write."""

import time

from moorage_dev.bench import generator, usage
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import Lab
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import CHANGES_PER_DEPLOYMENT, World
from moorage_dev.progress import shown

NAME = "start"
#: Longer than any status is held back before it is written.
_QUIET_SECONDS = 2.5
_KINDS = ("environments", "deployments")


def measure(lab: Lab, plan: Plan, world: World) -> list[Figure]:
    """Start it `rounds` times, in turns with a client that only lists and keeps the raw objects."""
    ready: list[float] = []
    swept: list[float] = []
    memory: list[float] = []
    peak: list[float] = []
    writes: list[float] = []
    plain: list[dict[str, float]] = []
    with shown("starting operators", lambda: f"{world.size:,} Deployments"):
        for _ in range(plan.rounds):
            plain.append(
                generator.run("listing", {"target": generator.target(lab, lab.admin_token), "plurals": _KINDS})
            )
            follower = lab.follow_operator()
            with lab.operator() as operator:
                ready.append(usage.age_seconds(operator.child.pid))
                swept.append(lab.wait_swept(operator))
                # Here a fixed pause is what is measured: nothing may be written during it.
                time.sleep(_QUIET_SECONDS)
                memory.append(usage.memory_mib(operator.child.pid))
                peak.append(usage.peak_memory_mib(operator.child.pid))
            writes.append(len(follower.writes()))
    size = f"{world.size:,} recorded Deployments, {world.size * CHANGES_PER_DEPLOYMENT:,} records"
    note = (
        f"start: {size}; time from the start of the process until /readyz says yes; the plain client's own not counted"
    )
    listing = "plain LIST in pages, raw JSON kept"
    plain_seconds = Baseline(listing, Samples.of(one["seconds"] for one in plain))
    plain_memory = Baseline(listing, Samples.of(one["memory_mib"] for one in plain))
    return [
        Figure(NAME, "operator: start until ready", "s", Samples.of(ready), plain_seconds, (Aim(8),), note),
        Figure(NAME, "operator: first sweep, records included", "s", Samples.of(swept), None, (), note),
        Figure(
            NAME, "operator: memory after the first sweep", "MiB", Samples.of(memory), plain_memory, (Aim(150),), note
        ),
        Figure(NAME, "operator: peak memory", "MiB", Samples.of(peak), plain_memory, (Aim(150),), note),
        Figure(NAME, "operator: writes at a start with nothing to do", "", Samples.of(writes), None, (Aim(0),), note),
    ]
