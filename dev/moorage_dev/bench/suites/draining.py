"""Draining a backlog: the operator against a plain client that makes only the writes that are needed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moorage_dev.bench import audit, generator, usage
from moorage_dev.bench.audit import Follower, Write
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


@dataclass(frozen=True, slots=True)
class _Drained:
    """What one drain gave.

    Attributes:
        rate: changes a second until the last record.
        rate_to_end: changes a second until the last Deployment status.
        writes: records and Deployment statuses per change.
        cpu_ms: per change.
    """

    rate: float
    rate_to_end: float
    writes: float
    cpu_ms: float


def measure(lab: Lab, plan: Plan) -> list[Figure]:
    """Both sides drain backlogs of the same size, in turns."""
    workspace = Workspace(800)
    lab.make_workspace(workspace)
    paths = lab.make_bindings(workspace, _ENVIRONMENTS, plan.sized(_APPS * 10, least=20) // 10)
    token = lab.account_token(OPERATOR)
    with lab.operator() as operator:
        # The Environments get their first statuses, which are not part of any backlog.
        lab.wait_swept(operator)
    own: list[_Drained] = []
    bare: list[_Drained] = []
    with shown("draining backlogs", lambda: "operator and plain client in turns"):
        tried = {workers: _bare(lab, paths, workspace, token, workers, f"try.{workers}") for workers in _WORKERS}
        best = max(tried, key=lambda workers: tried[workers].rate)
        for number in range(plan.rounds):
            bare.append(_bare(lab, paths, workspace, token, best, f"bare.{number}"))
            own.append(_operator(lab, paths, f"own.{number}"))
    return _figures(own, bare, f"bare, {best} at once")


def _figures(own: list[_Drained], bare: list[_Drained], name: str) -> list[Figure]:
    def figure(what: str, unit: str, value: Callable[[_Drained], float], *aims: Aim) -> Figure:
        baseline = Baseline(name, Samples.of(map(value, bare)))
        return Figure(NAME, f"operator: {what}", unit, Samples.of(map(value, own)), baseline, aims, _NOTE)

    most = Aim(0.8, at_most=False, of_ratio=True)
    return [
        figure("changes recorded", "1/s", lambda one: one.rate, most),
        figure("the same until the last Deployment status", "1/s", lambda one: one.rate_to_end),
        figure("writes (record, Deployment status) per change", "", lambda one: one.writes, Aim(1.3)),
        figure("CPU per change, its start included", "ms", lambda one: one.cpu_ms),
    ]


def _backlog(lab: Lab, paths: list[str], prefix: str) -> int:
    job = {"target": generator.target(lab), "paths": paths, "count": len(paths) * _CHANGES, "connections": 16}
    result = generator.run("changes", {**job, "prefix": prefix})
    generator.require_only(result, 200)
    return int(result["count"])


def _bare(lab: Lab, paths: list[str], workspace: Workspace, token: str, workers: int, prefix: str) -> _Drained:
    """The plain client drains a backlog."""
    count = _backlog(lab, paths, prefix)
    follower = lab.follow_operator()
    job: dict[str, Any] = {"target": generator.target(lab, token), "namespace": workspace.namespace, "workers": workers}
    result = generator.run("bare", job)
    if result["refused"] or result["records"] != count:
        raise DevError(f"the plain client did not write everything: {result}")
    return _drained(follower, count, result["write_cpu_seconds"])


def _operator(lab: Lab, paths: list[str], prefix: str) -> _Drained:
    """The operator drains a backlog."""
    count = _backlog(lab, paths, prefix)
    follower = lab.follow_operator()
    with lab.operator() as operator:
        wait(lambda: _is_done(follower, count, len(paths)), "the backlog is drained", pause=0.5)
        cpu = usage.cpu_seconds(operator.child.pid)
    return _drained(follower, count, cpu)


def _is_done(follower: Follower, count: int, bindings: int) -> bool:
    """All records are written, and a status of every Deployment after the last of them."""
    records = audit.of(follower.writes(), "deploymentrecords")
    statuses = audit.of(follower.writes(), "deployments/status")
    return len(records) >= count and len({write.place for write in statuses}) >= bindings


def _drained(follower: Follower, count: int, cpu_seconds: float) -> _Drained:
    records = audit.of(follower.writes(), "deploymentrecords")
    both = [*records, *audit.of(follower.writes(), "deployments/status")]
    return _Drained(count / _span(records), count / _span(both), len(both) / count, cpu_seconds * 1000 / count)


def _span(writes: list[Write]) -> float:
    return max(write.ended for write in writes) - min(write.began for write in writes)
