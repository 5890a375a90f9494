"""Health by the status of an object: has it become what its spec asks for? Pure.

Exact rules for the workloads of Kubernetes (those of `kubectl rollout status`), Argo CD, Argo Rollouts and Flux; for
anything else those of kstatus. A status that speaks of an older spec says nothing: the object is still on its way.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from moorage_crds.moments import to_moment
from moorage_crds.objects import RawObject, mapping, metadata
from moorage_operator.facts import Health, Phase

_ON_ITS_WAY: Final = "its controller has not looked at the present spec yet"
_NOT_SYNCED: Final = (
    "Argo CD has not synced the present source; with ServerSideDiff it may call it synced although it was refused"
)


def health_of(raw: RawObject) -> Health:
    """The health of an object, by its kind."""
    group = str(raw.get("apiVersion", "")).rpartition("/")[0]
    if metadata(raw).get("deletionTimestamp"):
        return Health(Phase.PROGRESSING, "it is being deleted")
    return _RULES.get((group, str(raw.get("kind"))), _by_conditions)(raw)


def _observed(raw: RawObject) -> bool:
    """The status is about the present spec. Argo Rollouts writes the number as a text."""
    observed = mapping(raw.get("status")).get("observedGeneration")
    try:
        return int(observed or 0) >= int(metadata(raw).get("generation") or 0)
    except (TypeError, ValueError):
        return False


def _conditions(raw: RawObject) -> dict[str, Mapping[str, Any]]:
    found = mapping(raw.get("status")).get("conditions") or ()
    return {str(one.get("type")): one for one in map(mapping, found)}


def _is(conditions: Mapping[str, Mapping[str, Any]], kind: str, status: str) -> bool:
    return conditions.get(kind, {}).get("status") == status


def _message(condition: Mapping[str, Any], default: str) -> str:
    text = " ".join(str(condition.get("message") or condition.get("reason") or default).split())
    return text if len(text) <= 300 else f"{text[:299]}…"


def _count(part: Mapping[str, Any], field: str, default: int = 0) -> int:
    value = part.get(field, default)
    return value if isinstance(value, int) else default


def _deployment(raw: RawObject) -> Health:
    spec, conditions = mapping(raw.get("spec")), _conditions(raw)
    if not _observed(raw):
        return Health(Phase.PROGRESSING, _ON_ITS_WAY)
    progress = conditions.get("Progressing", {})
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return Health(Phase.FAILED, _message(progress, "its progress deadline is exceeded"))
    missing = _missing_replicas(spec, mapping(raw.get("status")))
    if missing:
        return Health(Phase.PROGRESSING, missing, lost=_is(conditions, "Available", "False"))
    return Health(Phase.HEALTHY)


def _missing_replicas(spec: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    wanted, updated = _count(spec, "replicas", 1), _count(status, "updatedReplicas")
    if spec.get("paused"):
        return "it is paused"
    if updated < wanted:
        return "not all replicas are updated"
    if _count(status, "replicas") > updated:
        return "old replicas are still there"
    return "not all replicas are available" if _count(status, "availableReplicas") < wanted else ""


def _stateful_set(raw: RawObject) -> Health:
    spec, status = mapping(raw.get("spec")), mapping(raw.get("status"))
    if not _observed(raw):
        return Health(Phase.PROGRESSING, _ON_ITS_WAY)
    wanted = _count(spec, "replicas", 1)
    strategy = mapping(spec.get("updateStrategy"))
    if _count(mapping(strategy.get("rollingUpdate")), "partition"):
        return Health(Phase.PROGRESSING, "a partition holds back some of its replicas")
    missing = _missing_of_set(status, wanted)
    if missing:
        return Health(Phase.PROGRESSING, missing)
    available = min(_count(status, "readyReplicas"), _count(status, "availableReplicas"))
    if available < wanted:
        return Health(Phase.PROGRESSING, "not all replicas are available", lost=available == 0)
    return Health(Phase.HEALTHY)


def _missing_of_set(status: Mapping[str, Any], wanted: int) -> str:
    same = status.get("updateRevision") == status.get("currentRevision")
    # Back to the current revision before the update was complete: both are the same at once, and pods of the revision
    # between are still there and ready. Both counters count the same then, and one may be left out.
    updated = max(_count(status, field) for field in ("updatedReplicas", *(("currentReplicas",) if same else ())))
    if updated < wanted:
        return "not all replicas are updated"
    if _count(status, "replicas") > wanted:
        return "replicas that are not wanted any more are still there"
    return "" if same else "the update is not complete"


def _daemon_set(raw: RawObject) -> Health:
    status = mapping(raw.get("status"))
    if not _observed(raw):
        return Health(Phase.PROGRESSING, _ON_ITS_WAY)
    wanted = _count(status, "desiredNumberScheduled")
    if _count(status, "updatedNumberScheduled") < wanted:
        return Health(Phase.PROGRESSING, "not all pods are updated")
    available = _count(status, "numberAvailable")
    if available < wanted:
        return Health(Phase.PROGRESSING, "not all pods are available", lost=available == 0)
    return Health(Phase.HEALTHY)


def _application(raw: RawObject) -> Health:
    """Argo CD has no observedGeneration: what was compared says which spec a status is about."""
    status = mapping(raw.get("status"))
    for kind, condition in sorted(_conditions(raw).items()):
        if kind.endswith("Error"):
            return Health(Phase.FAILED, _message(condition, kind))
    sync, operation = mapping(status.get("sync")), mapping(status.get("operationState"))
    if not _compared_with(mapping(raw.get("spec")), mapping(sync.get("comparedTo"))):
        return Health(Phase.PROGRESSING, "Argo CD has not compared the present spec yet")
    if operation.get("phase") == "Running" or raw.get("operation"):
        return Health(Phase.PROGRESSING, "a sync is running")
    of_present = _is_about(mapping(raw.get("spec")), mapping(operation.get("syncResult")))
    # An operation that broke off before it had a result may be about the present source.
    if operation.get("phase") in {"Failed", "Error"} and (of_present or not operation.get("syncResult")):
        return Health(Phase.FAILED, _message(operation, "the sync failed"))
    if _diff_is_the_api_servers(raw) and not of_present:
        return Health(Phase.PROGRESSING, _NOT_SYNCED)
    return _synced(status, sync.get("status"), operation.get("finishedAt"))


def _diff_is_the_api_servers(raw: RawObject) -> bool:
    """Argo CD may then say Synced of a source that it never applied.

    A refused dry run is a ComparisonError at first; its next look takes the empty result from its cache, and finds no
    difference (argo-cd#28722). So only a sync proves something.
    """
    options = str(mapping(metadata(raw).get("annotations")).get("argocd.argoproj.io/compare-options") or "")
    return "ServerSideDiff=true" in {one.strip() for one in options.split(",")}


def _is_about(spec: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """Whether a sync took the present source."""
    wanted = {field: spec[field] for field in ("source", "sources") if spec.get(field)}
    return bool(wanted) and all(result.get(field) == value for field, value in wanted.items())


def _synced(status: Mapping[str, Any], sync: Any, finished: Any) -> Health:
    if sync != "Synced":
        return Health(Phase.PROGRESSING, "it is not synced")
    if not _looked_after(status.get("reconciledAt"), finished):
        return Health(Phase.PROGRESSING, "its health was not looked at since the last sync")
    return _argo_health(mapping(status.get("health")))


def _compared_with(spec: Mapping[str, Any], compared: Mapping[str, Any]) -> bool:
    wanted = {field: spec[field] for field in ("source", "sources", "destination") if spec.get(field)}
    return bool(wanted) and all(compared.get(field) == value for field, value in wanted.items())


def _looked_after(reconciled: Any, finished: Any) -> bool:
    if finished is None:
        return True
    at, end = to_moment(reconciled), to_moment(finished)
    return at is not None and end is not None and at >= end


def _argo_health(health: Mapping[str, Any]) -> Health:
    match health.get("status"):
        case "Healthy":
            return Health(Phase.HEALTHY)
        case "Degraded":
            return Health(Phase.DEGRADED, _message(health, "Argo CD calls it degraded"))
        case other:
            return Health(Phase.PROGRESSING, f"Argo CD calls it {other or 'nothing'}")


def _rollout(raw: RawObject) -> Health:
    status = mapping(raw.get("status"))
    if mapping(raw.get("spec")).get("workloadRef"):
        return Health(Phase.PROGRESSING, "its pods are described elsewhere (workloadRef), so its status proves nothing")
    if not _observed(raw):
        return Health(Phase.PROGRESSING, _ON_ITS_WAY)
    match status.get("phase"):
        case "Degraded":
            return Health(Phase.DEGRADED, _message(status, "the Rollout is degraded"))
        case "Healthy" if status.get("currentPodHash") and status.get("stableRS") == status.get("currentPodHash"):
            return Health(Phase.HEALTHY)
        case _:
            return Health(Phase.PROGRESSING, _message(status, "the Rollout is not through"))


def _flux(raw: RawObject) -> Health:
    status, conditions = mapping(raw.get("status")), _conditions(raw)
    if mapping(raw.get("spec")).get("suspend"):
        return Health(Phase.PROGRESSING, "it is suspended")
    ready = conditions.get("Ready", {})
    looked_at = _count(ready, "observedGeneration", -1) >= _count(metadata(raw), "generation")
    if looked_at and ready.get("status") == "False" and str(ready.get("reason")).endswith("Failed"):
        # Flux keeps trying, and counts a generation as observed only when it succeeded or gave up.
        return Health(Phase.FAILED, _message(ready, "it failed"))
    if not _observed(raw) or not looked_at:
        return Health(Phase.PROGRESSING, _ON_ITS_WAY)
    if status.get("lastAttemptedRevision") != status.get("lastAppliedRevision") and "lastAppliedRevision" in status:
        return Health(Phase.PROGRESSING, "the last attempt is not applied yet")
    return _by_conditions(raw)


def _by_conditions(raw: RawObject) -> Health:
    """The rules of kstatus, but for objects without any status: they prove nothing."""
    conditions = _conditions(raw)
    if not _observed(raw) and "observedGeneration" in mapping(raw.get("status")):
        return Health(Phase.PROGRESSING, _ON_ITS_WAY)
    for kind in ("Stalled", "Failed"):
        if _is(conditions, kind, "True"):
            return Health(Phase.FAILED, _message(conditions[kind], kind))
    if _is(conditions, "Reconciling", "True"):
        return Health(Phase.PROGRESSING, _message(conditions["Reconciling"], "it is reconciling"))
    ready = conditions.get("Ready")
    if ready is None:
        return Health(Phase.PROGRESSING, "it has no condition Ready")
    if ready.get("status") == "True":
        return Health(Phase.HEALTHY)
    return Health(Phase.PROGRESSING, _message(ready, "it is not ready"))


_RULES: Final[dict[tuple[str, str], Callable[[RawObject], Health]]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("argoproj.io", "Application"): _application,
    ("argoproj.io", "Rollout"): _rollout,
    ("kustomize.toolkit.fluxcd.io", "Kustomization"): _flux,
    ("helm.toolkit.fluxcd.io", "HelmRelease"): _flux,
}
