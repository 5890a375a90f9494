"""The cost of rules for a change of release: the same PATCH without policies, with no rule, with Freezes, protected."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from moorage_crds import names
from moorage_crds.kinds.protection import MAX_PROVEN
from moorage_dev.bench import generator, population, usage
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import GROUP, Lab, wait
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import Workspace, app_name
from moorage_dev.bench.suites.guarding import without
from moorage_dev.failures import DevError
from moorage_dev.progress import shown
from moorage_dev.rest_client import MERGE_PATCH

NAME = "gates"
#: Fewer changes of each Deployment than may be unrecorded, and than an Environment proves releases: no operator runs.
_APPS, _CHANGES = 20, MAX_PROVEN
_EVIDENCE: Final = 500
_FREEZES, _WINDOWS = 5, 20
_POLICIES = tuple(
    f"{name}.{names.GROUP}"
    for name in (
        "freezes", "freezes-observed", "clusterfreezes", "clusterfreezes-observed", "promotion", "promotion-observed",
        "approvals", "approvals-observed", "rejections", "overrides",
    )
)  # fmt: skip
_Rule = Callable[[Lab, Workspace, int], None]
"""Makes a rule for a workspace that has that many Deployments."""
_RELEASES = [f"1.{number}" for number in range(_CHANGES)]
_NOTE = (
    "gates: merge patches of the release, one at a time, 9 of each of 20 Deployments with the status of recorded ones, "
    "without an operator, each kind "
    "on a workspace of its own; no rule, Freezes and protected take turns at every release, so that what disturbs one "
    "disturbs the others; Freezes: 5 with 20 open windows each, and a small one; protected: promotion with evidence of "
    "9 releases each in 500 bindings or in those 20; first releases: 500 apps more, without a binding"
)


@dataclass(slots=True)
class _Cost:
    """What a change cost, for each release that all Deployments of a workspace took in turn."""

    cpu_ms: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)


def measure(lab: Lab, plan: Plan) -> list[Figure]:
    """In turns, each on Deployments of its own."""
    costs = {kind: _Cost() for kind in ("bare", *_RULES)}
    numbers = iter(range(600, 10_000))
    memory: list[float] = []
    server = lab.cluster.processes["apiserver"].pid
    with shown("changing releases", lambda: f"under rules, round {len(memory) + 1}"):
        for _ in range(plan.rounds):
            with without(lab, _POLICIES, _governed):
                _round(lab, plan, numbers, {"bare": None}, costs)
            _round(lab, plan, numbers, _RULES, costs)
            memory.append(usage.memory_mib(server))
    figures: list[Figure] = []
    for kind, against, aims in _COMPARED:
        own, other = costs[kind], costs[against]
        figures.append(_figure(kind, "p50", own.p50_ms, other.p50_ms, against, *aims))
        figures.append(_figure(kind, "CPU of the API server", own.cpu_ms, other.cpu_ms, against))
    first = Baseline("after the first round", Samples.of(memory[:1]))
    last = Samples.of(memory[-1:])
    name = "memory of the API server after the last round"
    return [*figures, Figure(NAME, name, "MiB", last, first, (Aim(_FLAT, of_ratio=True),), _NOTE)]


def _figure(kind: str, what: str, own: list[float], other: list[float], against: str, *aims: Aim) -> Figure:
    baseline = Baseline("without these policies" if against == "bare" else against, Samples.of(other))
    return Figure(NAME, f"PATCH of a release, {kind}: {what}", "ms", Samples.of(own), baseline, aims, _NOTE)


def _round(
    lab: Lab, plan: Plan, numbers: Iterator[int], rules: Mapping[str, _Rule | None], costs: Mapping[str, _Cost]
) -> None:
    """Every release in turn, for every rule in turn."""
    paths = {kind: _bindings(lab, plan, Workspace(next(numbers)), rule) for kind, rule in rules.items()}
    for release in _RELEASES:
        for kind in rules:
            _change(lab, paths[kind], release, costs[kind])


def _bindings(lab: Lab, plan: Plan, workspace: Workspace, rule: _Rule | None = None) -> list[str]:
    """The Deployments of a workspace, under a rule."""
    lab.make_workspace(workspace)
    paths = lab.make_bindings(workspace, 1, plan.sized(_APPS, least=10))
    for path in paths:
        _record(lab, path)
    if rule is not None:
        rule(lab, workspace, len(paths))
    return paths


def _record(lab: Lab, path: str) -> None:
    """Give a Deployment a release, and the status of one that is recorded: rules meet no others where it counts."""
    _patch(lab, path, {"spec": {"release": "0.9"}})
    status = population.status_of(lab.ask(path), population.uid(path), datetime.now(UTC))
    _patch(lab, f"{path}/status", {"status": status})


def _change(lab: Lab, paths: list[str], release: str, cost: _Cost) -> None:
    """Give all of them one release."""
    server = lab.cluster.processes["apiserver"].pid
    job = {
        "paths": paths,
        "count": len(paths),
        "connections": 1,
        "target": generator.target(lab),
        "releases": [release],
    }
    before = usage.cpu_seconds(server)
    result = generator.run("changes", job)
    generator.require_only(result, 200)
    cost.cpu_ms.append((usage.cpu_seconds(server) - before) * 1000 / result["count"])
    cost.p50_ms.append(result["p50_ms"])


def _freeze(lab: Lab, workspace: Workspace, _count: int) -> None:
    """Freezes that are open now; one of them closes what no measured change is about, to see that they are in force."""
    base = f"{GROUP}/namespaces/{workspace.namespace}/{names.FREEZES}"
    windows = [
        {"from": f"29{number:02}-01-01T00:00:00Z", "until": f"29{number:02}-01-02T00:00:00Z"}
        for number in range(_WINDOWS)
    ]
    for number in range(_FREEZES):
        spec: dict[str, Any] = {"reason": "inventory", "windows": windows}
        lab.create(base, _object("Freeze", f"inventory-{number}", spec))
    always = {
        "reason": "closed",
        "apps": ["probe"],
        "windows": [{"from": "2000-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z"}],
    }
    lab.create(base, _object("Freeze", "probe", always))
    wait(lambda: not _takes(lab, workspace.namespace, "probe", "1"), "the Freezes are in force")


def _protect(lab: Lab, workspace: Workspace, count: int) -> None:
    """With evidence in `_EVIDENCE` bindings."""
    base = f"{GROUP}/namespaces/{workspace.namespace}/{names.DEPLOYMENTS}"
    for app in map(app_name, range(count, _EVIDENCE)):
        lab.create(base, _object("Deployment", f"env-00.{app}", {"environment": "env-00", "app": app}))
    _protect_with(lab, workspace, max(count, _EVIDENCE))


def _protect_small(lab: Lab, workspace: Workspace, count: int) -> None:
    _protect_with(lab, workspace, count)


def _protect_new(lab: Lab, workspace: Workspace, count: int) -> None:
    """With evidence about `_EVIDENCE` apps that have no binding yet."""
    _protect_with(lab, workspace, count, newcomers=_EVIDENCE)


def _protect_with(lab: Lab, workspace: Workspace, count: int, *, newcomers: int = 0) -> None:
    """Protect the environment, with evidence for every release that is measured, where the operator puts it."""
    base = f"{GROUP}/namespaces/{workspace.namespace}"
    path = f"{base}/{names.ENVIRONMENTS}/env-00"
    _patch(lab, path, {"spec": {"promotion": {"from": "staging"}}})
    proven = [{"release": release, "eligibleAt": "2026-01-01T00:00:00Z"} for release in _RELEASES]
    rule = {"from": "staging", "soak": "0s", "require": "Deployed"}
    for app in map(app_name, range(count)):
        evidence = {"status": {"evidence": {"provenFor": rule, "proven": proven}}}
        _patch(lab, f"{base}/{names.DEPLOYMENTS}/env-00.{app}/status", evidence)
    known = [app_name(index) for index in range(count, count + max(1, newcomers))]
    gates = {"closed": False, "provenFor": rule, "proven": dict.fromkeys(known, proven)}
    _patch(lab, f"{path}/status", {"status": {"gates": gates}})
    wait(lambda: not _takes(lab, workspace.namespace, "probe", "1"), "the protection is in force")
    wait(lambda: _takes(lab, workspace.namespace, known[-1], _RELEASES[0]), "the evidence is known")


def _patch(lab: Lab, path: str, body: dict[str, Any]) -> None:
    answer = lab.client.request("PATCH", path, token=lab.admin_token, body=body, content_type=MERGE_PATCH)
    if answer.status != 200:
        raise DevError(f"PATCH {path}: {answer.status} {answer.body[:200].decode(errors='replace')}")


def _takes(lab: Lab, namespace: str, app: str, release: str, **change: Any) -> bool:
    """Whether the API server would take that release now."""
    spec = {"environment": "env-00", "app": app, "release": release, **({"change": change} if change else {})}
    path = f"{GROUP}/namespaces/{namespace}/deployments?dryRun=All"
    body = _object("Deployment", f"env-00.{app}", spec)
    return lab.client.request("POST", path, token=lab.admin_token, body=body).status in {201, 409}


def _governed(lab: Lab) -> bool:
    """Whether an override without a reason is refused."""
    return not _takes(lab, "default", "probe", "1", override=["promotion"])


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


_RULES: Final[dict[str, _Rule | None]] = {
    "no rule": None,
    "freezes": _freeze,
    "protected": _protect,
    "protected, 20 apps": _protect_small,
    "protected, 500 first releases": _protect_new,
}
#: How much the memory of the API server may grow from the first round to the last; every round stores more objects.
_FLAT: Final = 1.15
_COMPARED: Final = (
    ("no rule", "bare", (Aim(1.02, of_ratio=True),)),
    ("freezes", "no rule", (Aim(1.15, of_ratio=True),)),
    ("protected", "no rule", (Aim(1.15, of_ratio=True),)),
    ("protected, 20 apps", "no rule", ()),
    ("protected, 500 first releases", "no rule", ()),
)
