"""The endpoints for Argo CD and Flux, with 5,000 releases in one answer, against LISTs of the same objects."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from typing import Any

from moorage_dev import patience
from moorage_dev.bench import generator
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import GROUP, Lab
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import Workspace, World
from moorage_dev.failures import DevError
from moorage_dev.processes import Service
from moorage_dev.progress import shown
from moorage_dev.rest_client import RestClient

NAME = "delivery"
_SECONDS = 4.0
#: Seconds between two changes.
_PAUSE = 0.02
#: Of 200 bindings each: 5,000.
_WORKSPACES = 25
#: Seconds until the first answer.
_FIRST_PROOF_SECONDS = 60.0
_PLUGIN = "/api/v1/getparams.execute"
_LIST, _HEALTH = "API server LIST", "GET /healthz of the facade"
"""What is asked beside a way: the second, which asks nothing of what is known, shows what is the machine's part."""
_NOTE = (
    "delivery: one request at a time; the facade over plain HTTP, the API server over TLS, which is "
    "all it offers; its LIST is that of as many Deployments, without their history"
)


@dataclass(slots=True)
class _Way:
    """One way to ask, and the p99 of its rounds."""

    job: dict[str, Any]
    status: int = 200
    what: str = ""
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    def measure(self, seconds: float) -> None:
        result = generator.run("reads", {**self.job, "connections": 1, "seconds": seconds})
        generator.require_only(result, self.status)
        self.p50.append(result["p50_ms"])
        self.p99.append(result["p99_ms"])


def measure(lab: Lab, plan: Plan, world: World) -> list[Figure]:
    """Whole answers, and answers that say that nothing has changed."""
    workspaces = world.workspaces[:_WORKSPACES]
    seconds = max(1.0, _SECONDS * min(1.0, plan.scale * 4))
    with lab.facade() as facade:
        target = {"url": facade.url, "ca": "", "token": lab.token}
        ways = {
            "plugin of Argo CD": _plugin(target, workspaces),
            "inputs of Flux, one workspace": _Way({"target": target, "paths": [_inputs(workspaces[0])]}),
        }
        same = {f"{name}: nothing new (304)": _unchanged(facade, lab.token, way) for name, way in ways.items()}
        size = sum(1 for one, _ in world.environments if one in workspaces) * 10
        pairs = {
            **{name: (way, _list(lab, workspaces, size, name)) for name, way in ways.items()},
            **{name: (way, _health(target)) for name, way in same.items()},
        }
        with shown("asking as Argo CD and Flux do", lambda: "facade and API server in turns"):
            for way, baseline in pairs.values():
                _in_turns(way, baseline, rounds=plan.rounds, seconds=seconds)
            restless = _plugin(target, workspaces), _list(lab, workspaces, size, "plugin")
            with _changing(lab, workspaces[0]):
                _in_turns(*restless, rounds=plan.rounds, seconds=seconds)
            pairs["plugin of Argo CD while Deployments change"] = restless
    return [figure for name, (way, baseline) in pairs.items() for figure in _figures(name, size, way, baseline)]


def _plugin(target: Mapping[str, str], workspaces: list[Workspace]) -> _Way:
    parameters = {"workspace": [one.name for one in workspaces]}
    body = {"applicationSetName": "bench", "input": {"parameters": parameters}}
    return _Way({"target": dict(target), "paths": [_PLUGIN], "body": body})


def _inputs(workspace: Workspace) -> str:
    return f"/v1/orgs/{workspace.org}/workspaces/{workspace.name}/inputs?limit=10000"


def _unchanged(facade: Service, token: str, way: _Way) -> _Way:
    """The same question by a client that has the answer."""
    [path] = way.job["paths"]
    body = way.job.get("body")
    client = RestClient(facade.url, None)
    with closing(client):
        answer = client.request("POST" if body else "GET", path, token=token, body=body)
        # Just after its start the cache has not proved yet that it has missed nothing (ADR 0035).
        began = time.monotonic()
        while answer.status == 503 and not patience.is_over(began, _FIRST_PROOF_SECONDS):
            time.sleep(0.1)
            answer = client.request("POST" if body else "GET", path, token=token, body=body)
    if answer.status != 200:
        raise DevError(f"{path}: {answer.status} {answer.body[:200].decode(errors='replace')}")
    return _Way({**way.job, "headers": {"If-None-Match": answer.headers["etag"]}}, status=304)


def _health(target: Mapping[str, str]) -> _Way:
    return _Way({"target": dict(target), "paths": ["/healthz"]}, what=_HEALTH)


def _list(lab: Lab, workspaces: list[Workspace], size: int, name: str) -> _Way:
    one = name.startswith("inputs")
    place = f"namespaces/{workspaces[0].namespace}/deployments" if one else f"deployments?limit={size}"
    return _Way({"target": generator.target(lab, lab.admin_token), "paths": [f"{GROUP}/{place}"]}, what=_LIST)


def _in_turns(way: _Way, baseline: _Way, *, rounds: int, seconds: float) -> None:
    for one in (way, baseline):
        # One round that does not count: connections, access reviews, caches.
        one.measure(1.0)
        one.p50.clear()
        one.p99.clear()
    for _ in range(rounds):
        baseline.measure(seconds)
        way.measure(seconds)


@contextmanager
def _changing(lab: Lab, workspace: Workspace) -> Iterator[None]:
    """No answer can be reused: a Deployment of the first environment changes again and again."""
    over = Event()

    def change() -> None:
        for number in count():
            if over.wait(_PAUSE):
                return
            lab.label(f"{GROUP}/namespaces/{workspace.namespace}/deployments/env-00.app-00", f"round-{number}")

    with ThreadPoolExecutor(1) as background:
        changes = background.submit(change)
        try:
            yield
        finally:
            over.set()
        changes.result()


def _figures(name: str, size: int, way: _Way, baseline: _Way) -> list[Figure]:
    aim = Aim(2) if way.status == 304 else Aim(20)

    def figure(what: str, mine: list[float], theirs: list[float], *aims: Aim) -> Figure:
        beside = Baseline(baseline.what, Samples.of(theirs))
        sized = name if name.startswith("inputs") else f"{name}, {size:,} releases"
        return Figure(NAME, f"{sized}: {what}", "ms", Samples.of(mine), beside, aims, _NOTE)

    return [
        figure("p50", way.p50, baseline.p50),
        figure("p99", way.p99, baseline.p99, aim),
    ]
