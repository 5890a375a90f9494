"""What became of a release: whose status counts for it, and how several objects are one answer."""

from dataclasses import replace
from typing import Any

import builders
import pytest
from builders import at
from targets import rolled_out, workload

from moorage_crds.kinds.deployment import Action, Change, DeploymentStatus, from_object
from moorage_crds.kinds.target import ANNOTATION_BINDING, ANNOTATION_DEPLOYMENT, ANNOTATION_IMAGE, ANNOTATION_SET
from moorage_crds.names import record_name
from moorage_operator.delivery import decisions
from moorage_operator.delivery.reading import target_of
from moorage_operator.facts import DeploymentFacts, Health, Phase, Progress, RolloutFacts, Target
from moorage_operator.statuses.decisions import wanted_deployment_status

UID = "8d1f7f0e-2a64-4f7c-8a0e-6c1b9d3e5a27"


def facts(*targets: Target, sequence: int = 2, release: str = "v2", **more: Any) -> RolloutFacts:
    usual = RolloutFacts(sequence, release, record_name(UID, sequence), targets, {}, (), at(5))
    return replace(usual, **more)


def stored(raw: dict[str, Any], **status: Any) -> dict[str, Any]:
    """An object as the API server has it, rolled out unless told otherwise."""
    raw["metadata"] |= {"uid": "u", "generation": 3, "resourceVersion": "7"}
    raw["status"] = rolled_out(raw) | status
    return raw


def target(health: Phase | Health = Phase.HEALTHY, **options: Any) -> Target:
    read = target_of("deployments.apps", stored(workload(**{"release": "v2", **options})))
    return replace(read, health=health if isinstance(health, Health) else Health(health, "why"))


def phase(*targets: Target, **more: Any) -> str:
    found = decisions.rollout(facts(*targets, **more))
    assert found is not None
    return str(found["phase"])


# --- identity


@pytest.mark.parametrize(
    ("options", "carried"),
    [
        ({"release": "v2"}, True),
        ({"release": "v1"}, False),
        ({"release": "v2", "deployment_id": record_name(UID, 2)}, True),
        # The value alone would do, but the target says that it was put there by another change.
        ({"release": "v2", "deployment_id": record_name(UID, 1)}, False),
        ({"release": "v1", "deployment_id": record_name(UID, 2)}, False),
        ({"declared": False, "deployment_id": record_name(UID, 2)}, True),
        ({"declared": False, "deployment_id": record_name(UID, 1)}, False),
        ({"declared": False}, False),
    ],
)
def test_a_healthy_status_counts_only_for_the_spec_that_carries_the_release(
    options: dict[str, Any], carried: bool
) -> None:
    assert (phase(target(**options)) == "Healthy") is carried


def test_an_item_of_a_list_does_not_say_its_kind_and_is_judged_alike() -> None:
    raw = stored(workload(release="v2"))
    del raw["apiVersion"], raw["kind"]

    read = target_of("deployments.apps", raw)

    assert (read.kind, phase(read)) == ("Deployment", "Healthy")


def test_a_status_of_an_older_generation_says_nothing() -> None:
    raw = stored(workload(release="v2"), observedGeneration=2)

    assert phase(target_of("deployments.apps", raw)) == "Progressing"


@pytest.mark.parametrize(
    ("annotations", "why"),
    [
        ({ANNOTATION_BINDING: "production"}, "must be <environment>.<app>"),
        ({ANNOTATION_BINDING: "a/b/c.d"}, "must be <environment>.<app>"),
        ({f"{ANNOTATION_IMAGE}web": "registry.example.com/web:v2"}, "has no {release} in it"),
        ({f"{ANNOTATION_IMAGE}sidecar": "x:{release}"}, "there is no image of container sidecar"),
        ({ANNOTATION_SET: "spec.replicas={release}"}, "there is no spec.replicas, or it is not text"),
        ({ANNOTATION_SET: "metadata.name={release}"}, "there is no metadata.name"),
        ({ANNOTATION_SET: "spec.paused"}, "has no {release} in it"),
        ({ANNOTATION_SET: "spec.x={release}\n" * 64}, "more than 64 fields are declared"),
        ({f"{ANNOTATION_IMAGE}c{number}": "x:{release}" for number in range(64)}, "more than 64 fields are declared"),
    ],
)
def test_what_cannot_be_followed_is_said_and_never_healthy(annotations: dict[str, str], why: str) -> None:
    raw = stored(workload(release="v2"))
    raw["metadata"]["annotations"] |= annotations

    found = decisions.rollout(facts(target_of("deployments.apps", raw)))

    assert found is not None
    assert (found["phase"], why in found["message"]) == ("Waiting", True), found["message"]


@pytest.mark.parametrize("annotation", [ANNOTATION_SET, f"{ANNOTATION_IMAGE}web"])
def test_whatever_a_target_says_the_status_can_be_written(annotation: str) -> None:
    """Else nothing of the binding would count as recorded any more, and its 17th change would be refused."""
    raw = stored(workload(release="v2"))
    raw["metadata"]["annotations"][annotation] = f"spec.{'x' * 5_000}={{release}}"
    binding = from_object(builders.deployment(log=builders.chain_log("v2")))
    last = Change(1, Action.DEPLOY, None, "v2", by="x", at=at(0))
    done = Progress(sequence=1, release="v2", tip_hash="0" * 64, last=last)
    target = target_of("deployments.apps", raw)

    status = wanted_deployment_status(
        DeploymentFacts(binding, {}, done, None, up_to_date=True, trouble=None, now=at(0), targets=(target,))
    )

    DeploymentStatus.model_validate(status)
    assert status["rollout"]["phase"] == "Waiting"


def test_a_set_field_is_found_by_its_path() -> None:
    raw = stored({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {
        "name": "web", "namespace": "shop", "annotations": {
            ANNOTATION_BINDING: "other/production.web", ANNOTATION_SET: "spec.chart.spec.version={release}"}},
        "spec": {"replicas": 0, "chart": {"spec": {"version": "v2"}}}})  # fmt: skip

    read = target_of("helmreleases.helm.toolkit.fluxcd.io", raw)

    assert read.binding == ("other", "production.web")
    assert decisions.carries(read, release="v2", deployment_id="")
    assert not decisions.carries(read, release="v3", deployment_id="")


def test_a_name_with_brackets_is_no_path() -> None:
    """It would be taken for an item of a list where it is written: something beyond what was declared."""
    raw = stored(workload(release="v2", declared=False))
    raw["metadata"]["annotations"][ANNOTATION_SET] = "spec.values.web[main].tag={release}"
    raw["spec"]["values"] = {"web[main]": {"tag": "v2"}}

    assert "there is no spec.values.web[main].tag" in target_of("deployments.apps", raw).problem


# --- several targets, and time


@pytest.mark.parametrize(
    ("healths", "wanted"),
    [
        ([Phase.HEALTHY, Phase.HEALTHY], "Healthy"),
        ([Phase.HEALTHY, Phase.PROGRESSING], "Progressing"),
        ([Phase.PROGRESSING, Phase.DEGRADED], "Degraded"),
        ([Phase.DEGRADED, Phase.FAILED, Phase.HEALTHY], "Failed"),
    ],
)
def test_the_target_that_is_least_far_decides(healths: list[Phase], wanted: str) -> None:
    targets = [target(health, name=f"web-{number}") for number, health in enumerate(healths)]

    assert phase(*targets) == wanted
    assert phase(*reversed(targets)) == wanted
    assert phase(*targets, target(release="v1", name="late")) == ("Failed" if wanted == "Failed" else "Waiting")


def test_no_target_and_no_release_have_no_rollout() -> None:
    assert decisions.rollout(facts()) is None
    assert decisions.rollout(facts(target(), release="")) is None


def test_nothing_moves_while_nothing_changes() -> None:
    first = decisions.rollout(facts(target()))
    again = decisions.rollout(facts(target(), stored=first, now=at(500)))

    assert first == again
    assert first == {"sequence": 2, "phase": "Healthy", "since": at(5), "healthySince": at(5), "targets": 1, "ready": 1}


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        (Health(Phase.PROGRESSING, "it grows"), "Healthy"),
        (Health(Phase.PROGRESSING, "pods are lost", lost=True), "Degraded"),
        (Health(Phase.DEGRADED), "Degraded"),
        (Health(Phase.FAILED), "Degraded"),
    ],
)
def test_a_release_that_was_healthy_is_so_still_or_degraded(now: Health, wanted: str) -> None:
    before = decisions.rollout(facts(target()))

    found = decisions.rollout(facts(target(now), stored=before, now=at(60)))

    assert found is not None
    assert (found["phase"], found["healthySince"]) == (wanted, at(5))
    moved = decisions.rollout(facts(target(release="v9"), stored=before, now=at(60)))
    assert moved is not None
    assert (moved["phase"], "does not carry" in moved["message"]) == ("Degraded", True)


@pytest.mark.parametrize(
    ("before", "ended"),
    [
        ({"phase": "Healthy", "healthySince": at(1)}, {"outcome": "healthy", "healthyAt": at(1)}),
        ({"phase": "Degraded", "healthySince": at(1)}, {"outcome": "healthy", "healthyAt": at(1)}),
        ({"phase": "Failed"}, {"outcome": "failed"}),
        ({"phase": "Progressing"}, {"outcome": "superseded"}),
        ({"phase": "Degraded"}, {"outcome": "failed"}),
    ],
)
def test_the_next_change_ends_a_rollout(before: dict[str, Any], ended: dict[str, Any]) -> None:
    known = [{"sequence": number, "outcome": "healthy"} for number in range(1, 17)]
    kept = tuple(known)

    found = decisions.outcomes(facts(target(), sequence=18, stored={"sequence": 17, **before}, outcomes=kept))

    assert found == [*known[1:], {"sequence": 17, **ended}]
    assert decisions.outcomes(facts(target(), sequence=17, stored={"sequence": 17, **before}, outcomes=kept)) == known
    # A rollout that ended stays known once, however often it is looked at.
    assert decisions.outcomes(facts(sequence=18, outcomes=tuple(found))) == found


def test_an_annotation_alone_is_believed_only_for_the_change_it_names() -> None:
    raw = stored(workload(declared=False, deployment_id=record_name(UID, 2)))
    assert phase(target_of("deployments.apps", raw)) == "Healthy"
    raw["metadata"]["annotations"][ANNOTATION_DEPLOYMENT] = record_name(UID, 3)
    assert phase(target_of("deployments.apps", raw)) == "Waiting"
