"""What becomes of bindings whose Environment is gone, and which environments a workspace starts with."""

import builders
import pytest

from moorage_crds.kinds.deployment import from_object
from moorage_crds.kinds.environment import EnvironmentModel
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.kinds.workspace import from_object as to_workspace
from moorage_operator.environments.decisions import (
    DEFAULT_ENVIRONMENTS,
    CascadeFacts,
    CascadeStep,
    cascade_step,
    missing_defaults,
    to_environment,
    undeploy_patch,
)


@pytest.mark.parametrize(
    ("exists", "belonged", "outlived", "release", "up_to_date", "expected"),
    [
        (True, True, False, "v1", True, CascadeStep.NONE),
        (True, False, True, "v1", True, CascadeStep.NONE),
        (False, False, False, "v1", True, CascadeStep.NONE),
        (False, True, False, "v1", True, CascadeStep.UNDEPLOY),
        (False, False, True, "v1", True, CascadeStep.UNDEPLOY),
        (False, True, True, "v1", False, CascadeStep.WAIT),
        (False, True, True, None, False, CascadeStep.WAIT),
        (False, True, True, None, True, CascadeStep.DELETE),
    ],
)
def test_next_step(
    *, exists: bool, belonged: bool, outlived: bool, release: str | None, up_to_date: bool, expected: CascadeStep
) -> None:
    status = {"environmentUid": "u"} if belonged else None
    deployment = from_object(builders.deployment(release=release, status=status))
    facts = CascadeFacts(deployment, environment_exists=exists, outlived=outlived, up_to_date=up_to_date)
    assert cascade_step(facts) is expected


def test_the_undeploy_is_for_exactly_this_version_and_carries_a_new_note() -> None:
    deployment = from_object(builders.deployment(release="v1"))
    patch = undeploy_patch(deployment, request_id="r")
    assert patch["metadata"] == {"uid": deployment.uid, "resourceVersion": deployment.resource_version}
    assert patch["spec"]["release"] is None
    assert patch["spec"]["change"]["requestId"] == "r"


def workspace(**options: bool) -> Workspace:
    raw = builders.namespace(**options)  # type: ignore[arg-type]
    raw["metadata"] |= {"resourceVersion": "1", "creationTimestamp": builders.at()}
    found = to_workspace(raw)
    assert found is not None
    return found


def test_a_seeded_workspace_misses_what_is_not_there() -> None:
    assert set(missing_defaults(workspace(seeded=True), {"staging", "other"})) == {"production", "development"}


@pytest.mark.parametrize("options", [{"seeded": False}, {"seeded": True, "deleting": True}])
def test_other_workspaces_miss_nothing(options: dict[str, bool]) -> None:
    assert missing_defaults(workspace(**options), ()) == ()


@pytest.mark.parametrize("slug", DEFAULT_ENVIRONMENTS)
def test_default_environments_are_valid_and_cannot_be_deleted(slug: str) -> None:
    raw = to_environment("shop", slug)
    EnvironmentModel.model_validate({"spec": raw["spec"]})
    assert raw["spec"]["isDefault"] is True
