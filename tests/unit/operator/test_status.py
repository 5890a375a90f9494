"""Facts → whole statuses."""

from dataclasses import replace
from typing import Any

import builders
import pytest
from builders import at, uid_of

from moorage_crds.conditions import ConditionType, find
from moorage_crds.kinds.deployment import Action, Change, from_object
from moorage_crds.kinds.environment import from_object as to_environment
from moorage_crds.kinds.record import genesis_hash
from moorage_crds.names import MAX_ACTIVE_DEPLOYMENTS
from moorage_operator.facts import (
    ActiveApp,
    DeploymentFacts,
    EnvironmentFacts,
    Progress,
    Trouble,
)
from moorage_operator.history import decisions as history
from moorage_operator.statuses.decisions import (
    wanted_deployment_status,
    wanted_environment_status,
)

RECORDED = Progress(
    sequence=2,
    release="v2",
    tip_hash="a" * 64,
    last=Change(2, Action.DEPLOY, "v1", "v2", by="alice", at=at(1), reason="because"),
)


def facts(**changes: Any) -> DeploymentFacts:
    deployment = from_object(builders.deployment(log=builders.chain_log("v1", "v2"), generation=4))
    usual = DeploymentFacts(
        deployment=deployment,
        stored={},
        progress=RECORDED,
        environment_uid=uid_of("environment production"),
        up_to_date=True,
        trouble=None,
        now=at(5),
    )
    return replace(usual, **changes)


def condition(status: dict[str, Any], kind: ConditionType) -> tuple[str, str] | None:
    found = find(status["conditions"], kind)
    return (found["status"], found["reason"]) if found else None


def test_status_of_a_recorded_deployment() -> None:
    status = wanted_deployment_status(facts())
    binding = history.binding_of(facts().deployment)
    assert status | {"conditions": []} == {
        "observedGeneration": 4,
        "recordedSequence": 2,
        "release": "v2",
        "previousRelease": "v1",
        "environmentUid": uid_of("environment production"),
        "lastChange": {
            "sequence": 2,
            "action": "deploy",
            "release": "v2",
            "previousRelease": "v1",
            "by": "alice",
            "at": at(1),
            "reason": "because",
        },
        "history": {"floorSequence": 1, "floorHash": genesis_hash(binding), "tipHash": "a" * 64},
        "conditions": [],
    }
    assert condition(status, ConditionType.READY) == ("True", "Recorded")
    assert condition(status, ConditionType.HISTORY_COMPLETE) == ("True", "Stamped")
    assert condition(status, ConditionType.STALLED) is None


def test_the_same_facts_give_the_same_status_later() -> None:
    first = wanted_deployment_status(facts())
    assert wanted_deployment_status(facts(stored=first, now=at(99))) == first


def test_a_transition_time_moves_only_with_its_status() -> None:
    first = wanted_deployment_status(facts())
    second = wanted_deployment_status(facts(stored=first, environment_uid=None, now=at(99)))
    times = {one["type"]: one["lastTransitionTime"] for one in second["conditions"]}
    assert times == {"Ready": at(99), "HistoryComplete": at(5)}


def test_without_its_environment_a_deployment_is_not_ready_and_remembers_the_uid() -> None:
    status = wanted_deployment_status(facts(environment_uid=None, stored={"environmentUid": "old"}))
    assert status["environmentUid"] == "old"
    assert condition(status, ConditionType.READY) == ("False", "EnvironmentNotFound")


def test_observed_generation_waits_for_the_records() -> None:
    status = wanted_deployment_status(facts(up_to_date=False, stored={"observedGeneration": 2}))
    assert status["observedGeneration"] == 2
    assert {one["observedGeneration"] for one in status["conditions"]} == {2}


@pytest.mark.parametrize("trouble", list(Trouble))
def test_trouble_stalls(trouble: Trouble) -> None:
    status = wanted_deployment_status(facts(trouble=trouble, up_to_date=False))
    assert condition(status, ConditionType.STALLED) == ("True", trouble.value)
    assert condition(status, ConditionType.READY) == ("False", trouble.value)
    assert status["observedGeneration"] == 4


@pytest.mark.parametrize(
    ("adopted", "floor", "complete"), [(0, 1, "True"), (2, 1, "False"), (2, 2, "False"), (2, 3, "True")]
)
def test_history_is_incomplete_while_an_adoption_is_kept(adopted: int, floor: int, complete: str) -> None:
    progress = replace(RECORDED, last_adopted=adopted, floor_sequence=floor, floor_hash="f" * 64)
    status = wanted_deployment_status(facts(progress=progress))
    found = condition(status, ConditionType.HISTORY_COMPLETE)
    assert found is not None
    assert found[0] == complete


def test_nothing_recorded_yet_is_ready_without_a_history() -> None:
    deployment = from_object(builders.deployment())
    status = wanted_deployment_status(facts(deployment=deployment, progress=Progress()))
    assert status["recordedSequence"] == 0
    assert "history" not in status
    assert condition(status, ConditionType.READY) == ("True", "Recorded")


def test_status_of_an_environment() -> None:
    environment = to_environment(
        builders.environment()
        | {
            "metadata": builders.environment()["metadata"]
            | {"resourceVersion": "1", "creationTimestamp": at(), "generation": 3}
        }
    )
    active = (ActiveApp("web", "v2", at(1)), ActiveApp("api", "v1", None))
    status = wanted_environment_status(EnvironmentFacts(environment, {}, active, at(5)))
    assert status["activeDeployments"] == [
        {"app": "api", "release": "v1"},
        {"app": "web", "release": "v2", "since": at(1)},
    ]
    assert (status["activeDeploymentCount"], status["observedGeneration"]) == (2, 3)


def test_the_list_of_an_environment_is_capped_and_its_count_is_not() -> None:
    environment = to_environment(
        builders.environment()
        | {"metadata": builders.environment()["metadata"] | {"resourceVersion": "1", "creationTimestamp": at()}}
    )
    active = tuple(ActiveApp(f"app-{number:04}", "v1", None) for number in range(MAX_ACTIVE_DEPLOYMENTS + 7))
    status = wanted_environment_status(EnvironmentFacts(environment, {}, active, at(5)))
    assert (len(status["activeDeployments"]), status["activeDeploymentCount"]) == (
        MAX_ACTIVE_DEPLOYMENTS,
        MAX_ACTIVE_DEPLOYMENTS + 7,
    )
