"""The cost of policies that only refuse, for a change of a release: the same PATCH with and without them, in turns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moorage_crds import names
from moorage_dev.bench import generator, usage
from moorage_dev.bench.figures import Aim, Baseline, Figure, Samples
from moorage_dev.bench.lab import GROUP, Lab, wait
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import Workspace
from moorage_dev.progress import shown

NAME = "guards"
#: Fewer changes of each Deployment than may be unrecorded: no operator runs.
_ENVIRONMENTS, _APPS, _CHANGES = 4, 25, 12
#: Policies that no honest write ever notices.
_GUARDS = (names.POLICY_OWNERS, names.POLICY_LIFECYCLE, names.POLICY_METADATA, names.POLICY_STAMPS)
_BINDINGS = f"/apis/admissionregistration.k8s.io/v1/{names.VALIDATING_ADMISSION_POLICY_BINDINGS}"
_NOTE = (
    "guards: merge patches of the release, one at a time, 12 of each Deployment, without an operator; the baseline is "
    "the same with the bindings of owners, deployments-lifecycle, metadata and deployments-stamps taken away"
)


@dataclass(slots=True)
class _Cost:
    """What a change cost, per round."""

    cpu_ms: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)


def measure(lab: Lab, plan: Plan) -> list[Figure]:
    """In turns, each on Deployments of its own."""
    guarded, bare = _Cost(), _Cost()
    with shown("changing releases", lambda: "with and without the guards"):
        for number in range(plan.rounds):
            _round(lab, plan, Workspace(500 + 2 * number), guarded)
            with without(lab, _GUARDS, _guarded):
                _round(lab, plan, Workspace(501 + 2 * number), bare)
    return [
        _figure("CPU of the API server", guarded.cpu_ms, bare.cpu_ms, Aim(1.1, of_ratio=True)),
        _figure("p50", guarded.p50_ms, bare.p50_ms),
    ]


def _figure(what: str, own: list[float], without: list[float], *aims: Aim) -> Figure:
    baseline = Baseline("without the guards", Samples.of(without))
    return Figure(NAME, f"PATCH of a release: {what}", "ms", Samples.of(own), baseline, aims, _NOTE)


def _round(lab: Lab, plan: Plan, workspace: Workspace, cost: _Cost) -> None:
    lab.make_workspace(workspace)
    paths = lab.make_bindings(workspace, _ENVIRONMENTS, plan.sized(_APPS, least=10))
    server = lab.cluster.processes["apiserver"].pid
    job = {"paths": paths, "count": len(paths) * _CHANGES, "connections": 1, "target": generator.target(lab)}
    before = usage.cpu_seconds(server)
    result = generator.run("changes", {**job, "prefix": workspace.name})
    cost.cpu_ms.append((usage.cpu_seconds(server) - before) * 1000 / result["count"])
    cost.p50_ms.append(result["p50_ms"])
    generator.require_only(result, 200)


@contextmanager
def without(lab: Lab, policies: Sequence[str], holds: Callable[[Lab], bool]) -> Iterator[None]:
    """Take the bindings of policies away for a while. `holds`: whether they are in force, asked of the API server."""
    stored: list[dict[str, Any]] = [lab.ask(f"{_BINDINGS}/{name}") for name in policies]
    for name in policies:
        lab.client.request("DELETE", f"{_BINDINGS}/{name}", token=lab.admin_token)
    wait(lambda: not holds(lab), "the policies are gone")
    try:
        yield
    finally:
        for one in stored:
            lab.create(_BINDINGS, _restored(one))
        wait(lambda: holds(lab), "the policies are back")


def _restored(stored: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: stored[key] for key in ("apiVersion", "kind", "spec")}
    return {**kept, "metadata": {"name": stored["metadata"]["name"]}}


def _guarded(lab: Lab) -> bool:
    """Whether more labels than there may be are refused."""
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "Deployment",
        "metadata": {"name": "probe.probe", "labels": {f"label-{number}": "" for number in range(100)}},
        "spec": {"environment": "probe", "app": "probe"},
    }
    path = f"{GROUP}/namespaces/default/deployments?dryRun=All"
    return lab.client.request("POST", path, token=lab.admin_token, body=body).status == 403
