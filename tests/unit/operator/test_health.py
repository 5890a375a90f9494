"""What objects of other tools say of themselves: statuses as their controllers write them."""

import copy
from typing import Any

import pytest
from targets import given_up, rolled_out, workload

from moorage_operator.delivery.health import health_of
from moorage_operator.facts import Phase

PROGRESSING, HEALTHY, DEGRADED, FAILED = Phase.PROGRESSING, Phase.HEALTHY, Phase.DEGRADED, Phase.FAILED


def deployment(**status: Any) -> dict[str, Any]:
    raw = workload(release="v1")
    raw["metadata"]["generation"] = 4
    raw["status"] = rolled_out(raw) | status
    return raw


UNAVAILABLE = [{"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"}]


@pytest.mark.parametrize(
    ("status", "phase", "lost"),
    [
        ({}, HEALTHY, False),
        ({"observedGeneration": 3}, PROGRESSING, False),
        ({"observedGeneration": None}, PROGRESSING, False),
        ({"updatedReplicas": 1}, PROGRESSING, False),
        ({"replicas": 3}, PROGRESSING, False),
        ({"availableReplicas": 1}, PROGRESSING, False),
        ({"availableReplicas": 1, "conditions": UNAVAILABLE}, PROGRESSING, True),
    ],
)
def test_a_deployment_is_judged_as_kubectl_rollout_status_does(
    status: dict[str, Any], phase: Phase, lost: bool
) -> None:
    health = health_of(deployment(**status))

    assert (health.phase, health.lost) == (phase, lost)
    assert bool(health.message) == (phase is not HEALTHY)


def test_a_deployment_says_what_its_controller_said() -> None:
    raw = deployment()
    raw["status"] = given_up(raw)
    assert health_of(raw).phase is FAILED
    assert health_of(raw).message == 'ReplicaSet "web-7c9" has timed out progressing.'

    raw["status"]["observedGeneration"] = 3
    assert health_of(raw).phase is PROGRESSING
    scaled = deployment(replicas=0, updatedReplicas=0, availableReplicas=0)
    scaled["spec"]["replicas"] = 0
    assert health_of(scaled).phase is HEALTHY
    paused = deployment()
    paused["spec"]["paused"] = True
    assert health_of(paused).phase is PROGRESSING


def test_what_is_being_deleted_or_has_no_status_is_never_healthy() -> None:
    going = deployment()
    going["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z"
    assert health_of(going).phase is PROGRESSING
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        bare = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"generation": 1}, "spec": {"replicas": 0}}
        assert health_of(bare).phase is PROGRESSING, kind
    assert health_of({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {}}).phase is PROGRESSING


SET = {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3, "updatedReplicas": 3,
       "currentReplicas": 3, "currentRevision": "web-6d", "updateRevision": "web-6d"}  # fmt: skip
DAEMONS = {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}


@pytest.mark.parametrize(
    ("kind", "status", "spec", "phase", "lost"),
    [
        ("StatefulSet", SET, {}, HEALTHY, False),
        ("StatefulSet", {**SET, "observedGeneration": 1}, {}, PROGRESSING, False),
        ("StatefulSet", {**SET, "updateRevision": "web-7e", "updatedReplicas": 1}, {}, PROGRESSING, False),
        ("StatefulSet", {**SET, "updateRevision": "web-7e"}, {}, PROGRESSING, False),
        # Rolled back in the middle of an update: the revisions are the same at once, and one pod is of the other.
        ("StatefulSet", {**SET, "currentReplicas": 2, "updatedReplicas": 2}, {}, PROGRESSING, False),
        ("StatefulSet", {**SET, "currentReplicas": 2}, {}, HEALTHY, False),
        ("StatefulSet", {**SET, "replicas": 4}, {}, PROGRESSING, False),
        ("StatefulSet", {**SET, "availableReplicas": 2}, {}, PROGRESSING, False),
        ("StatefulSet", {**SET, "readyReplicas": 0}, {}, PROGRESSING, True),
        ("StatefulSet", SET, {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, PROGRESSING, False),
        ("StatefulSet", SET, {"updateStrategy": {"rollingUpdate": {"partition": 0}}}, HEALTHY, False),
        ("DaemonSet", DAEMONS, {}, HEALTHY, False),
        ("DaemonSet", {**DAEMONS, "observedGeneration": 1}, {}, PROGRESSING, False),
        ("DaemonSet", {**DAEMONS, "updatedNumberScheduled": 2}, {}, PROGRESSING, False),
        ("DaemonSet", {**DAEMONS, "numberAvailable": 2}, {}, PROGRESSING, False),
        ("DaemonSet", {**DAEMONS, "numberAvailable": 0}, {}, PROGRESSING, True),
    ],
)
def test_sets(kind: str, status: dict[str, Any], spec: dict[str, Any], phase: Phase, lost: bool) -> None:
    raw = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"generation": 2},
           "spec": {"replicas": 3, **spec}, "status": status}  # fmt: skip

    assert (health_of(raw).phase, health_of(raw).lost) == (phase, lost)


APPLICATION: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Application",
    "metadata": {"generation": 17},
    "spec": {
        "source": {"repoURL": "https://git.example.com/shop", "path": "web", "targetRevision": "v2"},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        "project": "default",
    },
    "status": {
        "health": {"status": "Healthy"},
        "reconciledAt": "2026-01-31T12:00:09Z",
        "sync": {
            "status": "Synced",
            "revision": "8d1f7f0e",
            "comparedTo": {
                "source": {"repoURL": "https://git.example.com/shop", "path": "web", "targetRevision": "v2"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            },
        },
        "operationState": {"phase": "Succeeded", "finishedAt": "2026-01-31T12:00:05Z"},
        "summary": {"images": ["registry.example.com/web:v2"]},
    },
}


@pytest.mark.parametrize(
    ("path", "value", "phase"),
    [
        ("status.health.status", "Healthy", HEALTHY),
        ("status.health.status", "Degraded", DEGRADED),
        ("status.health.status", "Suspended", PROGRESSING),
        ("status.health.status", "Missing", PROGRESSING),
        ("status.sync.status", "OutOfSync", PROGRESSING),
        ("spec.source.targetRevision", "v3", PROGRESSING),
        ("spec.sources", [{"repoURL": "https://git.example.com/more"}], PROGRESSING),
        ("status.sync.comparedTo", None, PROGRESSING),
        ("status.reconciledAt", "2026-01-31T12:00:04Z", PROGRESSING),
        ("status.reconciledAt", "soon", PROGRESSING),
        ("status.operationState", None, HEALTHY),
        ("status.operationState.phase", "Running", PROGRESSING),
        ("status.operationState.phase", "Failed", FAILED),
        ("status.conditions", [{"type": "ComparisonError", "message": "no such revision"}], FAILED),
        ("status.conditions", [{"type": "OrphanedResourceWarning", "message": "2 orphans"}], HEALTHY),
        ("operation", {"sync": {}}, PROGRESSING),
        ("status", None, PROGRESSING),
    ],
)
def test_an_application_counts_for_the_spec_that_was_compared(path: str, value: object, phase: Phase) -> None:
    assert health_of(changed(APPLICATION, path, value)).phase is phase


#: The same compared by the API server, and what its last sync took.
BY_THE_SERVER = copy.deepcopy(APPLICATION)
BY_THE_SERVER["metadata"]["annotations"] = {
    "argocd.argoproj.io/compare-options": "IncludeMutationWebhook=true, ServerSideDiff=true"
}
BY_THE_SERVER["status"]["operationState"]["syncResult"] = {"source": dict(APPLICATION["spec"]["source"])}
OLDER: dict[str, Any] = {"source": APPLICATION["spec"]["source"] | {"targetRevision": "v1"}}


@pytest.mark.parametrize(
    ("path", "value", "phase"),
    [
        ("status.health.status", "Healthy", HEALTHY),
        # Refused by the dry run, and called synced at the next look.
        ("status.operationState.syncResult", OLDER, PROGRESSING),
        ("status.operationState.syncResult", None, PROGRESSING),
        ("status.operationState", None, PROGRESSING),
        ("spec.sources", [{"repoURL": "https://git.example.com/more"}], PROGRESSING),
        ("metadata.annotations", {"argocd.argoproj.io/compare-options": "ServerSideDiff=false"}, HEALTHY),
    ],
)
def test_an_application_that_the_api_server_compares_is_healthy_after_a_sync_only(
    path: str, value: object, phase: Phase
) -> None:
    assert health_of(changed(BY_THE_SERVER, path, value)).phase is phase


def test_a_sync_that_failed_for_another_source_says_nothing_of_this_one() -> None:
    failed = changed(APPLICATION, "status.operationState", {"phase": "Failed", "syncResult": OLDER})
    failed["status"]["sync"]["status"] = "OutOfSync"
    assert health_of(failed).phase is PROGRESSING
    assert health_of(changed(failed, "operation", {"sync": {}})).message == "a sync is running"

    failed["status"]["operationState"]["syncResult"] = {"source": dict(APPLICATION["spec"]["source"])}
    assert health_of(failed).phase is FAILED


def changed(raw: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    found = raw = copy.deepcopy(raw)
    *above, last = path.split(".")
    for part in above:
        found = found.setdefault(part, {})
    found[last] = value
    return raw


ROLLOUT: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"generation": 12},
    "status": {"observedGeneration": "12", "phase": "Healthy", "currentPodHash": "6d", "stableRS": "6d"},
}


@pytest.mark.parametrize(
    ("path", "value", "phase"),
    [
        ("status.phase", "Healthy", HEALTHY),
        ("status.observedGeneration", "9", PROGRESSING),
        ("status.observedGeneration", "x", PROGRESSING),
        ("status.stableRS", "5c", PROGRESSING),
        ("status.phase", "Paused", PROGRESSING),
        ("status.phase", "Degraded", DEGRADED),
        ("spec.workloadRef", {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, PROGRESSING),
    ],
)
def test_a_rollout_writes_its_generation_as_a_text(path: str, value: object, phase: Phase) -> None:
    assert health_of(changed(ROLLOUT, path, value)).phase is phase


def flux(kind: str, ready: dict[str, Any], *others: dict[str, Any], observed: int = 5, **status: Any) -> dict[str, Any]:
    group = "kustomize.toolkit.fluxcd.io/v1" if kind == "Kustomization" else "helm.toolkit.fluxcd.io/v2"
    conditions = [{"type": "Ready", "observedGeneration": 5, **ready}, *others]
    return {"apiVersion": group, "kind": kind, "metadata": {"generation": 5}, "spec": {},
            "status": {"observedGeneration": observed, "conditions": conditions, **status}}  # fmt: skip


READY = {"status": "True", "reason": "ReconciliationSucceeded"}
RETRYING = {"type": "Reconciling", "status": "True", "reason": "ProgressingWithRetry", "message": "retrying"}


@pytest.mark.parametrize("kind", ["Kustomization", "HelmRelease"])
@pytest.mark.parametrize(
    ("ready", "others", "more", "phase"),
    [
        (READY, [], {}, HEALTHY),
        (READY, [], {"observed": 4}, PROGRESSING),
        ({**READY, "observedGeneration": 4}, [], {}, PROGRESSING),
        ({"status": "Unknown", "reason": "Progressing"}, [RETRYING], {"observed": 4}, PROGRESSING),
        (READY, [RETRYING], {}, PROGRESSING),
        ({"status": "False", "reason": "HealthCheckFailed", "message": "x"}, [RETRYING], {"observed": 4}, FAILED),
        ({"status": "False", "reason": "UpgradeFailed"}, [{"type": "Stalled", "status": "True"}], {}, FAILED),
        ({"status": "False", "reason": "HealthCheckFailed", "observedGeneration": 4}, [], {}, PROGRESSING),
        ({"status": "False", "reason": "DependencyNotReady"}, [], {}, PROGRESSING),
        (READY, [], {"lastAppliedRevision": "main@sha1:a", "lastAttemptedRevision": "main@sha1:b"}, PROGRESSING),
        (READY, [], {"lastAppliedRevision": "main@sha1:b", "lastAttemptedRevision": "main@sha1:b"}, HEALTHY),
    ],
)
def test_flux(kind: str, ready: dict[str, Any], others: list[Any], more: dict[str, Any], phase: Phase) -> None:
    assert health_of(flux(kind, ready, *others, **more)).phase is phase


def test_a_suspended_object_of_flux_is_on_its_way() -> None:
    raw = flux("HelmRelease", READY)
    raw["spec"]["suspend"] = True

    assert health_of(raw).phase is PROGRESSING


@pytest.mark.parametrize(
    ("conditions", "observed", "phase"),
    [
        ([{"type": "Ready", "status": "True"}], 5, HEALTHY),
        ([{"type": "Ready", "status": "True"}], 4, PROGRESSING),
        ([{"type": "Ready", "status": "False", "message": "m"}], 5, PROGRESSING),
        ([{"type": "Ready", "status": "True"}, {"type": "Reconciling", "status": "True"}], 5, PROGRESSING),
        ([{"type": "Ready", "status": "False"}, {"type": "Stalled", "status": "True"}], 5, FAILED),
        ([], 5, PROGRESSING),
    ],
)
def test_anything_else_is_judged_by_its_conditions(conditions: list[Any], observed: int, phase: Phase) -> None:
    raw = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"generation": 5},
           "status": {"observedGeneration": observed, "conditions": conditions}}  # fmt: skip

    assert health_of(raw).phase is phase


def test_a_message_has_one_line_and_a_bound() -> None:
    raw = flux("Kustomization", {"status": "False", "reason": "BuildFailed", "message": "a\n" * 500})

    message = health_of(raw).message
    assert (len(message), "\n" in message) == (300, False)
