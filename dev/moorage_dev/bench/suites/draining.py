"""Draining a backlog: the operator against a plain client that makes only the writes that are needed."""

from typing import Any

from moorage_dev.bench import audit, generator, usage
from moorage_dev.bench.audit import Write
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import Lab, wait
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import Workspace
from moorage_dev.failures import DevError
from moorage_dev.installation import OPERATOR
from moorage_dev.progress import shown

NAME = "drain"
_ENVIRONMENTS, _APPS = 10, 10
_CHANGES = 12
_WORKERS = (8, 16, 32)
_NOTE = (
    "drain: backlog of 12 changes on each of 100 Deployments, made while nothing records; rate from the first to the "
    "last record in the audit log, so neither side's start counts; `bare` (aiohttp, all bodies made beforehand) at the "
    "best of 8, 16 and 32 requests at once; client and API server share two cores"
)


def measure(lab: Lab, plan: Plan) -> list[Figure]:
    """Both sides drain backlogs of the same size, in turns."""
    workspace = Workspace(800)
    lab.make_workspace(workspace)
    paths = lab.make_bindings(workspace, _ENVIRONMENTS, plan.sized(_APPS * 10, least=20) // 10)
    token = lab.account_token(OPERATOR)
    with lab.operator() as operator:
        # The Environments get their first statuses, which are no part of any backlog.
        lab.wait_swept(operator)
    own, bare, own_all, own_cpu, bare_cpu = list[float](), list[float](), list[float](), list[float](), list[float]()
    with shown("draining backlogs", lambda: "operator and plain client in turns"):
        tried = {workers: _bare(lab, paths, workspace, token, workers, f"try.{workers}") for workers in _WORKERS}
        best = max(tried, key=lambda workers: tried[workers][0])
        for number in range(plan.rounds):
            rate, cpu = _bare(lab, paths, workspace, token, best, f"bare.{number}")
            bare.append(rate)
            bare_cpu.append(cpu)
            rate, everything, cpu = _operator(lab, paths, f"own.{number}")
            own.append(rate)
            own_all.append(everything)
            own_cpu.append(cpu)
    name = f"bare, {best} at once"
    baseline = Baseline(name, Samples.of(bare))
    aim = Aim(0.8, at_most=False, of_ratio=True)
    cpu_name = Baseline(name, Samples.of(bare_cpu))
    return [
        Figure(NAME, "operator: changes recorded", "1/s", Samples.of(own), baseline, (aim,), _NOTE),
        Figure(
            NAME, "operator: the same until the last Deployment status", "1/s", Samples.of(own_all), baseline, (), _NOTE
        ),
        Figure(NAME, "operator: CPU per change, its start included", "ms", Samples.of(own_cpu), cpu_name, (), _NOTE),
    ]


def _backlog(lab: Lab, paths: list[str], prefix: str) -> int:
    job = {"target": generator.target(lab), "paths": paths, "count": len(paths) * _CHANGES, "connections": 16}
    result = generator.run("changes", {**job, "prefix": prefix})
    generator.require_only(result, 200)
    return int(result["count"])


def _bare(
    lab: Lab, paths: list[str], workspace: Workspace, token: str, workers: int, prefix: str
) -> tuple[float, float]:
    """Rate and CPU of the plain client."""
    count = _backlog(lab, paths, prefix)
    mark = lab.mark()
    job: dict[str, Any] = {"target": generator.target(lab, token), "namespace": workspace.namespace, "workers": workers}
    result = generator.run("bare", job)
    if result["refused"] or result["records"] != count:
        raise DevError(f"the plain client did not write everything: {result}")
    records = audit.of(lab.operator_writes(mark), "deploymentrecords")
    return count / _span(records), result["write_cpu_seconds"] * 1000 / count


def _operator(lab: Lab, paths: list[str], prefix: str) -> tuple[float, float, float]:
    """Rate until the last record, rate until the last status, CPU."""
    count = _backlog(lab, paths, prefix)
    mark = lab.mark()
    with lab.operator() as operator:
        wait(lambda: _recorded(lab, mark, paths) >= count, "the backlog is drained")
        cpu = usage.cpu_seconds(operator.child.pid)
    writes = lab.operator_writes(mark)
    records = audit.of(writes, "deploymentrecords")
    everything = [*records, *audit.of(writes, "deployments/status")]
    return count / _span(records), count / _span(everything), cpu * 1000 / count


def _recorded(lab: Lab, mark: int, paths: list[str]) -> int:
    """Records that were written, once every Deployment has its last status."""
    writes = lab.operator_writes(mark)
    records = audit.of(writes, "deploymentrecords")
    statuses = audit.of(writes, "deployments/status")
    latest = {write.place: write.ended for write in statuses}
    done = len(latest) >= len(paths)
    return len(records) if done else 0


def _span(writes: list[Write]) -> float:
    return max(write.ended for write in writes) - min(write.began for write in writes)
