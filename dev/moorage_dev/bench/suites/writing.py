"""The operator's writes and computing time for each recorded change: at a steady pace, in bursts, and for nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from moorage_dev.bench import audit, generator, usage
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import Lab, wait
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import Workspace
from moorage_dev.processes import Service
from moorage_dev.progress import shown

NAME = "writes"
_ENVIRONMENTS, _APPS = 10, 50
_STEADY_RATE = 25.0
_STEADY_COUNT = 500
#: Bursts: number of Deployments, changes in a row on each, Deployments at once.
_BURST_BINDINGS, _BURST_CHANGES, _BURSTS_AT_ONCE = 60, 12, 4
_LABELS = 200
#: Longer than any status is held back before it is written.
_QUIET_SECONDS = 2.5
_NOTE = (
    "writes: counted in the API server's audit log, the Lease left out; CPU of the whole process from the first change "
    "until it is quiet again, the API server's beside it"
)


@dataclass(slots=True)
class _Work:
    """What one kind of work cost, per round."""

    records_and_statuses: list[float] = field(default_factory=list)
    environments: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    server_cpu_ms: list[float] = field(default_factory=list)


def measure(lab: Lab, plan: Plan) -> list[Figure]:
    """Everything in one workspace of 500 bindings."""
    workspace = Workspace(900)
    lab.make_workspace(workspace)
    paths = lab.make_bindings(workspace, _ENVIRONMENTS, _APPS)
    steady, burst, labels, restarts = _Work(), _Work(), list[float](), list[float]()
    with shown("changing releases", lambda: "steadily, in bursts, and not at all"):
        with lab.operator() as operator:
            lab.wait_swept(operator)
            _settle(lab)
            for number in range(plan.rounds):
                _work(lab, operator, steady, partial(_steadily, lab, plan, paths, number))
                _work(lab, operator, burst, partial(_burst, lab, plan, paths, number))
                labels.append(_labels(lab, plan, paths, number))
        for _ in range(plan.rounds):
            restarts.append(_restart(lab))
    return [
        *_figures(steady, f"steady {_STEADY_RATE:g}/s", per_change=2.0, cpu=3.5),
        *_figures(burst, "bursts", per_change=1.3, cpu=2.0),
        Figure(NAME, "label edits: writes", "", Samples.of(labels), None, (Aim(0),), _NOTE),
        Figure(NAME, "restart with nothing to do: writes", "", Samples.of(restarts), None, (Aim(0),), _NOTE),
    ]


def _work(lab: Lab, operator: Service, work: _Work, changes: Callable[[], int]) -> None:
    follower = lab.follow_operator()
    pids = (operator.child.pid, lab.cluster.processes["apiserver"].pid)
    before = [usage.cpu_seconds(pid) for pid in pids]
    count = changes()
    wait(lambda: len(audit.of(follower.writes(), "deploymentrecords")) >= count, "all changes are recorded", pause=0.5)
    _settle(lab)
    own, server = (usage.cpu_seconds(pid) - value for pid, value in zip(pids, before, strict=True))
    writes = follower.writes()
    mine = [write for write in writes if write.resource in {"deploymentrecords", "deployments/status"}]
    environments = audit.of(writes, "environments/status")
    work.records_and_statuses.append(len(mine) / count)
    work.environments.append(len(environments) / count)
    work.gap.append(audit.shortest_gap(environments))
    work.cpu_ms.append(own * 1000 / count)
    work.server_cpu_ms.append(server * 1000 / count)


def _steadily(lab: Lab, plan: Plan, paths: list[str], number: int) -> int:
    """Changes of different Deployments, one after the other."""
    count = plan.sized(_STEADY_COUNT, least=50)
    job = {"paths": paths, "count": count, "rate": _STEADY_RATE, "prefix": f"steady.{number}"}
    return _change(lab, job)


def _burst(lab: Lab, plan: Plan, paths: list[str], number: int) -> int:
    """Several changes in a row of each of some Deployments, as fast as the API server takes them."""
    bindings = paths[:: len(paths) // plan.sized(_BURST_BINDINGS, least=10)]
    count = len(bindings) * _BURST_CHANGES
    job = {"paths": bindings, "count": count, "each": _BURST_CHANGES, "connections": _BURSTS_AT_ONCE}
    return _change(lab, {**job, "prefix": f"burst.{number}"})


def _change(lab: Lab, job: dict[str, Any]) -> int:
    result = generator.run("changes", {**job, "target": generator.target(lab)})
    generator.require_only(result, 200)
    return int(result["count"])


def _labels(lab: Lab, plan: Plan, paths: list[str], number: int) -> float:
    follower = lab.follow_operator()
    for path in paths[: plan.sized(_LABELS, least=20)]:
        lab.label(path, f"round-{number}")
    _settle(lab)
    return float(len(follower.writes()))


def _restart(lab: Lab) -> float:
    follower = lab.follow_operator()
    with lab.operator() as operator:
        lab.wait_swept(operator)
        _settle(lab)
    return float(len(follower.writes()))


def _settle(lab: Lab) -> None:
    """Return when the operator has written nothing for a while."""
    follower, known = lab.follow_operator(), -1
    while len(follower.writes()) > known:
        known = len(follower.writes())
        # A fixed pause: that nothing is written during it is what is looked for.
        time.sleep(_QUIET_SECONDS)


def _figures(work: _Work, what: str, *, per_change: float, cpu: float) -> list[Figure]:
    needed = Baseline("one record", Samples.of([1.0]))
    server = Baseline("API server", Samples.of(work.server_cpu_ms))

    def figure(name: str, unit: str, values: list[float], baseline: Baseline | None, *aims: Aim) -> Figure:
        return Figure(NAME, f"{what}: {name}", unit, Samples.of(values), baseline, aims, _NOTE)

    return [
        figure("writes (record, Deployment status) per change", "", work.records_and_statuses, needed, Aim(per_change)),
        figure("writes of Environment statuses per change", "", work.environments, None),
        figure("shortest time between two statuses of one Environment", "s", work.gap, None, Aim(1, at_most=False)),
        figure("operator CPU per change", "ms", work.cpu_ms, server, Aim(cpu)),
    ]
