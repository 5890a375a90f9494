"""Reads: the facade against the API server's own answers about the same objects, with the same token."""

from dataclasses import dataclass, field
from typing import Any

from moorage_dev.bench import generator, usage
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import GROUP, Lab
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import Workspace, World
from moorage_dev.processes import Service
from moorage_dev.progress import shown

NAME = "reads"
_CONNECTIONS = 16
_SECONDS = 4.0
#: Different places that are asked for in turns.
_PLACES = 200
_NOTE = (
    "reads: facade (one process), load generator and API server share two cores; 16 connections; the facade is asked "
    "over plain HTTP, as behind an ingress, the API server over TLS, which is all it offers; access log on"
)


@dataclass(slots=True)
class _Way:
    """One way to read, and what its rounds gave."""

    target: dict[str, str]
    paths: list[str]
    pid: int
    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def forget(self) -> None:
        for values in (self.rates, self.p50, self.p95, self.cpu):
            values.clear()

    def measure(self, seconds: float) -> None:
        before = usage.cpu_seconds(self.pid)
        job = {"target": self.target, "paths": self.paths, "connections": _CONNECTIONS, "seconds": seconds}
        result: dict[str, Any] = generator.run("reads", job)
        generator.require_only(result, 200)
        self.cpu.append((usage.cpu_seconds(self.pid) - before) * 1e6 / result["count"])
        self.rates.append(result["rate"])
        self.p50.append(result["p50_ms"])
        self.p95.append(result["p95_ms"])


def measure(lab: Lab, plan: Plan, world: World) -> list[Figure]:
    """GET of an environment, and a page of 50 lines of history."""
    places = world.environments[:: max(1, len(world.environments) // _PLACES)]
    seconds = max(1.0, _SECONDS * min(1.0, plan.scale * 4))
    with lab.facade() as facade:
        pairs = {"environment GET": _environment(lab, facade, places), "history page of 50": _page(lab, facade, places)}
        with shown("reading", lambda: "facade and API server in turns"):
            for own, baseline in pairs.values():
                _in_turns(own, baseline, rounds=plan.rounds, seconds=seconds)
    aims = {"environment GET": 3_000, "history page of 50": 1_500}
    return [figure for name, ways in pairs.items() for figure in _figures(name, *ways, aim=aims[name])]


def _in_turns(own: _Way, baseline: _Way, *, rounds: int, seconds: float) -> None:
    # One round that does not count: connections, access reviews, caches.
    for way in (own, baseline):
        way.measure(1.0)
        way.forget()
    for _ in range(rounds):
        baseline.measure(seconds)
        own.measure(seconds)


def _environment(lab: Lab, facade: Service, places: list[tuple[Workspace, str]]) -> tuple[_Way, _Way]:
    own = [f"{_rest(workspace)}/{slug}" for workspace, slug in places]
    theirs = [f"{GROUP}/namespaces/{workspace.namespace}/environments/{slug}" for workspace, slug in places]
    return _ways(lab, facade, own, theirs)


def _page(lab: Lab, facade: Service, places: list[tuple[Workspace, str]]) -> tuple[_Way, _Way]:
    own = [f"{_rest(workspace)}/{slug}/deployments?limit=50" for workspace, slug in places]
    theirs = [
        f"{GROUP}/namespaces/{workspace.namespace}/deploymentrecords?limit=50"
        f"&labelSelector=moorage.dev/environment%3D{slug}"
        for workspace, slug in places
    ]
    return _ways(lab, facade, own, theirs)


def _ways(lab: Lab, facade: Service, own: list[str], theirs: list[str]) -> tuple[_Way, _Way]:
    api_server = lab.cluster.processes["apiserver"].pid
    facade_target = {"url": facade.url, "ca": "", "token": lab.token}
    return _Way(facade_target, own, facade.child.pid), _Way(generator.target(lab), theirs, api_server)


def _rest(workspace: Workspace) -> str:
    return f"/v1/orgs/{workspace.org}/workspaces/{workspace.name}/environments"


def _figures(name: str, own: _Way, baseline: _Way, *, aim: int) -> list[Figure]:
    call = "API server GET" if name.startswith("environment") else "API server LIST limit=50"

    def figure(what: str, unit: str, mine: list[float], theirs: list[float], *aims: Aim) -> Figure:
        return Figure(NAME, f"{name}: {what}", unit, Samples.of(mine), Baseline(call, Samples.of(theirs)), aims, _NOTE)

    at_least = Aim(aim, at_most=False)
    twice = Aim(2, at_most=False, of_ratio=True)
    return [
        figure("rate", "1/s", own.rates, baseline.rates, at_least, twice),
        figure("p50", "ms", own.p50, baseline.p50),
        figure("p95", "ms", own.p95, baseline.p95),
        figure("CPU of the server per request", "µs", own.cpu, baseline.cpu),
    ]
