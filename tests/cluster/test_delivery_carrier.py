"""Releases are brought into workloads that ask for it, with real field managers; nobody is overruled."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from following import following
from services import Operators
from targets import image, rolled_out, workload
from waiting import eventually

from moorage_crds.kinds.target import ANNOTATION_DEPLOYMENT, MANAGER_DELIVERY
from moorage_dev.rest_client import MERGE_PATCH

KIND = "deployments.apps"


@pytest.fixture
def carrying(no_operator: Operators, cluster: LiveCluster) -> Iterator[Operators]:
    """An operator that brings releases into workloads, with the rights that the chart gives for that."""
    with following(no_operator, cluster, [KIND], writes=[KIND]):
        yield no_operator


def path(space: Workspace, name: str = "web") -> str:
    return f"/apis/apps/v1/namespaces/{space.namespace}/deployments/{name}"


def stored(space: Workspace) -> dict[str, Any]:
    return dict(space.cluster.raw("GET", path(space)).json())


def carried(space: Workspace) -> tuple[str, str]:
    """The image, and the number of the change that the workload names."""
    raw = stored(space)
    change = str(raw["metadata"]["annotations"].get(ANNOTATION_DEPLOYMENT, ""))
    return raw["spec"]["template"]["spec"]["containers"][0]["image"], change[-1:]


def apply(space: Workspace, raw: dict[str, Any], manager: str = "people") -> None:
    """Server-side apply, as somebody who owns the workload does."""
    flags = ("--server-side", f"--field-manager={manager}", "-f", "-")
    done = space.cluster.kubectl("apply", *flags, stdin=json.dumps(raw))
    assert done.returncode == 0, done.stderr


def without_image(raw: dict[str, Any]) -> dict[str, Any]:
    raw = copy.deepcopy(raw)
    del raw["spec"]["template"]["spec"]["containers"][0]["image"]
    return raw


def rollout(space: Workspace) -> dict[str, Any]:
    return dict(((space.get("deployments", "production.web") or {}).get("status") or {}).get("rollout") or {})


@pytest.mark.usefixtures("carrying")
def test_the_owner_hands_the_field_over_and_releases_come(workspace: Workspaces) -> None:
    space = workspace("production")
    mine = workload(namespace=space.namespace, release="v0")
    apply(space, mine)
    space.create_deployment("production", "web", "v1")

    eventually(lambda: "somebody else owns" in rollout(space).get("message", ""), 20)
    assert (rollout(space)["phase"], carried(space)[0]) == ("Waiting", image("v0"))
    owners = {one["manager"] for one in stored(space)["metadata"]["managedFields"] if one["operation"] == "Apply"}
    assert owners == {"people", MANAGER_DELIVERY}

    apply(space, without_image(mine))
    eventually(lambda: carried(space) == (image("v1"), "1"), 20)
    space.set_release("production.web", "v2")
    eventually(lambda: carried(space) == (image("v2"), "2"), 20)
    assert stored(space)["spec"]["replicas"] == mine["spec"]["replicas"]
    apply(space, without_image(mine))
    assert carried(space)[0] == image("v2")

    status = {"status": rolled_out(stored(space))}
    space.cluster.raw("PATCH", f"{path(space)}/status", body=status, content_type=MERGE_PATCH)
    eventually(lambda: rollout(space).get("phase") == "Healthy", 20)
    space.set_release("production.web", None)
    eventually(lambda: not rollout(space), 20)
    assert carried(space) == (image("v2"), "2")


@pytest.mark.usefixtures("carrying")
def test_what_does_not_ask_is_left_alone(workspace: Workspaces) -> None:
    space, elsewhere = workspace("production"), workspace("production")
    foreign = workload(namespace=elsewhere.namespace, binding=f"{space.namespace}/production.web", release="v0")
    worker = workload("worker", namespace=space.namespace, release="v0", declared=False)
    asking = workload(namespace=space.namespace, release="v0")
    for one in (foreign, worker, asking):
        apply(elsewhere if one is foreign else space, one)
    space.create_deployment("production", "web", "v1")
    eventually(lambda: "somebody else owns" in rollout(space).get("message", ""), 20)
    apply(space, without_image(asking))

    eventually(lambda: carried(space)[0] == image("v1"), 20)

    for raw in (stored(elsewhere), dict(space.cluster.raw("GET", path(space, "worker")).json())):
        assert raw["spec"]["template"]["spec"]["containers"][0]["image"] == image("v0")
        assert ANNOTATION_DEPLOYMENT not in raw["metadata"]["annotations"]
