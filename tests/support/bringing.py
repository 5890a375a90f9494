"""Objects of tools that bring a workload: every version of the one, and how the other was when it was written.

The workload's own status is written by the test that uses this; everything that the tool says is its own.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster import LiveCluster
from rolling import Pod, Version, keep
from waiting import eventually
from watching import Watch, number_of

from moorage_crds.kinds.target import TARGET_KINDS
from moorage_operator.delivery.health import health_of
from moorage_operator.facts import Phase

Object = dict[str, Any]
Place = tuple[str, str]
"""Namespace and name."""

#: Of a status, what is kept: all that Flux writes, and of Argo CD's what is not about single objects.
_STATUS = ("conditions", "health", "observedGeneration", "reconciledAt", "lastAppliedRevision", "lastAttemptedRevision")

#: How an Application is to be compared.
_OPTIONS = "argocd.argoproj.io/compare-options"


def _of_application(raw: Object) -> str:
    return str(raw["spec"]["source"]["helm"]["valuesObject"]["image"]["tag"])


def _of_helm_release(raw: Object) -> str:
    return str(raw["spec"]["values"]["image"]["tag"])


#: What its spec says of the release; a Kustomization that takes it from a ConfigMap says nothing.
_RELEASE: Mapping[str, Callable[[Object], str]] = {
    "applications.argoproj.io": _of_application,
    "helmreleases.helm.toolkit.fluxcd.io": _of_helm_release,
}


@contextmanager
def judged_while(
    cluster: LiveCluster, folder: Path, resource: str, tool: Place, workload: Place, *, story: str = ""
) -> Iterator[None]:
    """Both objects exist; afterwards every version of the tool's that was stored meanwhile is judged.

    `MOORAGE_RECORD=1` writes them down, for tests/unit/operator/test_recorded_health.py; `story` tells recordings of
    one resource from each other.
    """
    kubectl = cluster.underlying.admin()
    queries = [
        (f"{kind}/{name}", f"--namespace={namespace}")
        for kind, (namespace, name) in ((resource, tool), ("deployments.apps", workload))
    ]
    logs = [folder / f"{TARGET_KINDS[resource]}-{what}.json" for what in ("object", "workload")]
    watches = [Watch(kubectl, log, *query) for log, query in zip(logs, queries, strict=True)]
    try:
        eventually(lambda: all(one.events() for one in watches), 60)
        yield
        for one, query in zip(watches, queries, strict=True):
            now = number_of({"object": json.loads(kubectl.ok("get", *query, "--output=json"))})
            eventually(lambda one=one, now=now: number_of(one.events()[-1]) >= now, 60)
    finally:
        for one in watches:
            one.stop()
    versions = list(_versions(*(one.events() for one in watches)))
    judged(resource, versions)
    if os.environ.get("MOORAGE_RECORD"):
        keep(resource, versions, story)


def judged(resource: str, versions: Sequence[Version]) -> list[tuple[str, str]]:
    """Release and health, one after the other.

    Raises:
        AssertionError: a version counts as healthy although the workload is not, or has another release.
    """
    found: list[tuple[str, str]] = []
    for version in versions:
        phase = health_of(version.raw).phase
        [pod] = version.pods
        release = _RELEASE[resource](version.raw) if resource in _RELEASE else pod.release
        if not found or found[-1] != (release, str(phase)):
            found.append((release, str(phase)))
        if phase is Phase.HEALTHY:
            assert pod == Pod(release, ready=True), version
    return found


def _versions(tools: Sequence[Object], workloads: Sequence[Object]) -> Iterator[Version]:
    left = sorted(workloads, key=number_of)
    pod: Pod | None = None
    for event in (one for one in tools if one["type"] != "DELETED"):
        while left and number_of(left[0]) <= number_of(event):
            pod = _workload(left.pop(0)["object"])
        if pod is not None:
            yield Version(_trimmed(event["object"]), (pod,))


def _workload(raw: Object) -> Pod:
    """Its release, and whether its controller has said that all of it is there."""
    status, wanted = raw.get("status") or {}, raw["spec"]["replicas"]
    counts = {status.get(name) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    ready = status.get("observedGeneration") == raw["metadata"]["generation"] and counts == {wanted}
    [container] = raw["spec"]["template"]["spec"]["containers"]
    return Pod(container["image"].rpartition(":")[2], ready)


def _trimmed(raw: Object) -> Object:
    meta, status = raw["metadata"], raw.get("status") or {}
    kept = {name: status[name] for name in _STATUS if name in status}
    if "sync" in status:
        kept["sync"] = status["sync"]
    if "operationState" in status:
        names = ("phase", "message", "startedAt", "finishedAt")
        kept["operationState"] = {name: status["operationState"].get(name) for name in names}
        result = status["operationState"].get("syncResult") or {}
        kept["operationState"]["syncResult"] = {name: result[name] for name in ("source", "sources") if name in result}
    names = ("name", "namespace", "uid", "generation", "resourceVersion")
    options = (meta.get("annotations") or {}).get(_OPTIONS)
    return {
        "apiVersion": raw["apiVersion"],
        "kind": raw["kind"],
        "metadata": {
            **{name: meta[name] for name in names},
            **({"annotations": {_OPTIONS: options}} if options else {}),
        },
        "spec": raw["spec"],
        **({"operation": raw["operation"]} if raw.get("operation") else {}),
        "status": kept,
    }
