"""Deploying by REST against the PATCH that the facade sends, sent directly with the same token."""

from typing import Any

from moorage_dev.bench import generator
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import GROUP, Lab
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import APPS_PER_ENVIRONMENT, World, app_name
from moorage_dev.progress import shown

NAME = "deploy"
_PAIRS = 200
_NOTE = (
    "deploy: one request at a time, REST and PATCH in turns, each on a Deployment of its own; no operator runs, so "
    "nothing else uses the two cores"
)


def measure(lab: Lab, plan: Plan, world: World) -> list[Figure]:
    """Latency of both ways."""
    count = plan.sized(_PAIRS, least=20)
    results: list[dict[str, Any]] = []
    with lab.facade() as facade, shown("deploying", lambda: "REST and PATCH in turns"):
        target = {"url": facade.url, "ca": "", "token": lab.token}
        for round_number in range(plan.rounds + 1):
            sides = {
                "rest": {"target": target, "requests": _rest(world, count, round_number)},
                "patch": {"target": generator.target(lab), "requests": _patches(world, count, round_number)},
            }
            result = generator.run("pairs", {"sides": sides})
            for side in sides:
                generator.require_only(result[side], 200)
            # The first round does not count: connections, access reviews, caches.
            if round_number > 0:
                results.append(result)

    def figure(what: str, key: str, *aims: Aim) -> Figure:
        own, raw = ([one[side][key] for one in results] for side in ("rest", "patch"))
        baseline = Baseline("raw PATCH", Samples.of(raw))
        return Figure(NAME, f"deploy by REST: {what}", "ms", Samples.of(own), baseline, aims, _NOTE)

    return [figure("p50", "p50_ms", Aim(1.5, of_ratio=True)), figure("p95", "p95_ms")]


def _places(world: World, count: int, *, upper: bool) -> list[tuple[Any, str, str]]:
    """Workspace, environment, app; REST and PATCH take different halves of the apps."""
    half = APPS_PER_ENVIRONMENT // 2
    apps = [app_name(index + (half if upper else 0)) for index in range(half)]
    everything = [(workspace, slug, app) for workspace, slug in world.environments for app in apps]
    return everything[:count]


def _rest(world: World, count: int, round_number: int) -> list[tuple[Any, ...]]:
    return [
        (
            "POST",
            f"/v1/orgs/{workspace.org}/workspaces/{workspace.name}/environments/{slug}/deploy",
            {"app_id": app, "release_id": f"2.{round_number}.0", "reason": "a round of the benchmark"},
        )
        for workspace, slug, app in _places(world, count, upper=False)
    ]


def _patches(world: World, count: int, round_number: int) -> list[tuple[Any, ...]]:
    note = {"reason": "a round of the benchmark", "requestId": f"round-{round_number}", "action": None}
    return [
        (
            "PATCH",
            f"{GROUP}/namespaces/{workspace.namespace}/deployments/{slug}.{app}",
            {"spec": {"release": f"2.{round_number}.0", "change": note}},
            "application/merge-patch+json",
        )
        for workspace, slug, app in _places(world, count, upper=True)
    ]
