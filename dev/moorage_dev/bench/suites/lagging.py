"""From the answered PATCH to the record that a watch sees, at half of the load that the whole can bear."""

from typing import Any

from moorage_dev.bench import generator
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import Lab
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import Workspace
from moorage_dev.progress import shown

NAME = "lag"
_ENVIRONMENTS, _APPS = 10, 50
_FULL_COUNT = 1_000
_CONNECTIONS = 16
_SECONDS = 15
_NOTE = (
    "lag: full load is what 16 clients reach that wait for each record before the next change; half load is half of "
    "that, at a steady pace; watch, load generator, operator and API server share two cores"
)


def measure(lab: Lab, plan: Plan) -> list[Figure]:
    """Find the full load once, then measure at half of it."""
    workspace = Workspace(700)
    lab.make_workspace(workspace)
    paths = lab.make_bindings(workspace, _ENVIRONMENTS, _APPS)
    results: list[dict[str, Any]] = []
    with lab.operator() as operator, shown("timing records", lambda: "at half load"):
        lab.wait_swept(operator)
        job = {"target": generator.target(lab), "paths": paths, "watch": generator.target(lab, lab.admin_token)}
        count = plan.sized(_FULL_COUNT, least=100)
        full = generator.run(
            "changes", {**job, "count": count, "connections": _CONNECTIONS, "wait": True, "prefix": "full"}
        )
        generator.require_only(full, 200)
        rate = full["count"] / full["seconds"] / 2
        for number in range(plan.rounds):
            steps = max(20, round(rate * _SECONDS * min(1.0, plan.scale * 4)))
            result = generator.run("changes", {**job, "count": steps, "rate": rate, "prefix": f"half.{number}"})
            generator.require_only(result, 200)
            results.append(result)
    return _figures(results, rate)


def _figures(results: list[dict[str, Any]], rate: float) -> list[Figure]:
    note = f"{_NOTE}; here {rate:.0f} changes/s"

    def figure(what: str, key: str, *aims: Aim) -> Figure:
        patch = Baseline("the PATCH itself", Samples.of(one[key] for one in results))
        own = Samples.of(one[f"lag_{key}"] for one in results)
        return Figure(NAME, f"PATCH answered to record visible: {what}", "ms", own, patch, aims, note)

    return [figure("p50", "p50_ms", Aim(2, of_ratio=True)), figure("p95", "p95_ms")]
