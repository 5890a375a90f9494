"""Changes are told by Events on their bindings, as `kubectl describe` shows them: one for each change at most."""

from collections.abc import Iterator
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces, account
from services import Operators
from targets import given_up, workload
from waiting import eventually

from moorage_dev.rest_client import MERGE_PATCH

OPERATOR = account("moorage-operator")
NAME = "production.web"


@pytest.fixture
def following(no_operator: Operators, cluster: LiveCluster) -> Iterator[Operators]:
    """An operator that follows workloads, with the rights that the chart gives for that."""
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": "test-events-of-rollouts"}}
    place, name = OPERATOR.split(":")[2:]
    cluster.apply(
        {**role, "rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "watch"]}]},
        {
            **role,
            "kind": "ClusterRoleBinding",
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "test-events-of-rollouts"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": place}],
        },
    )
    no_operator.start({"MOORAGE_DELIVERY_KINDS": "deployments.apps"})
    yield no_operator
    cluster.kubectl("delete", "clusterrolebinding,clusterrole", "test-events-of-rollouts")


def told(space: Workspace) -> list[tuple[str, str, str]]:
    """Type, reason and note of the Events on the binding, in their order."""
    answer = space.cluster.raw("GET", f"/apis/events.k8s.io/v1/namespaces/{space.namespace}/events")
    found: list[dict[str, Any]] = [one for one in answer.json()["items"] if one["regarding"]["name"] == NAME]
    found.sort(key=lambda one: one["eventTime"])
    return [(one["type"], one["reason"], one["note"]) for one in found]


def test_changes_are_told_once_also_over_a_restart(
    no_operator: Operators, cluster: LiveCluster, workspace: Workspaces
) -> None:
    no_operator.start()
    space = workspace("production")
    mark = cluster.audit_mark()
    space.create_deployment("production", "web", "1", user="alice")
    eventually(lambda: len(told(space)) == 1)
    space.set_release(NAME, "2", user="bob", change={"reason": "a fix"})
    eventually(lambda: len(told(space)) == 2)
    no_operator.stop()
    no_operator.start()
    space.set_release(NAME, "1", user="alice")
    eventually(lambda: len(told(space)) == 3)
    space.set_release(NAME, None, user="bob")
    eventually(lambda: len(told(space)) == 4)

    assert [(kind, reason) for kind, reason, _ in told(space)] == [
        ("Normal", "Deployed"),
        ("Normal", "Deployed"),
        ("Normal", "RolledBack"),
        ("Normal", "Removed"),
    ]
    assert told(space)[1][2] == f"{cluster.username('bob')} deployed 2, before it 1: a fix"
    writes = cluster.audit_since(mark, user=OPERATOR, verbs={"create", "patch", "update"}, resource="events")
    assert sum(event.namespace == space.namespace for event in writes) == 4
    described = cluster.kubectl("describe", "mdep", NAME, "--namespace", space.namespace).stdout
    assert "RolledBack" in described.partition("Events:")[2]


def test_a_release_in_an_environment_that_is_not_there_is_told(
    no_operator: Operators, cluster: LiveCluster, workspace: Workspaces
) -> None:
    """Admission cannot ask whether there is none (ADR 0045), so the condition and an Event say it at once."""
    no_operator.start()
    space = workspace()
    space.create_deployment("production", "web", "1", user="alice")
    eventually(lambda: len(told(space)) == 2)
    sentence = "there is no Environment production in this Namespace"

    def says_so() -> bool:
        conditions = ((space.get("deployments", NAME) or {}).get("status") or {}).get("conditions") or ()
        ready = {(one["status"], one["reason"]): one["message"] for one in conditions if one["type"] == "Ready"}
        return bool(ready.get(("False", "EnvironmentNotFound"), "").startswith(sentence))

    eventually(says_so)
    ((reason, note),) = [(reason, note) for kind, reason, note in told(space) if kind == "Warning"]
    assert (reason, note.split(":")[0]) == ("EnvironmentNotFound", sentence)
    shown = cluster.kubectl("events", f"--for=deployment.v1.moorage.dev/{NAME}", "--namespace", space.namespace).stdout
    assert "EnvironmentNotFound" in shown

    space.create_environment("production")
    space.set_release(NAME, "2", user="bob")
    eventually(lambda: len(told(space)) == 3)
    assert told(space)[-1][:2] == ("Normal", "Deployed")


@pytest.mark.usefixtures("following")
def test_a_rollout_that_failed_is_told_once(workspace: Workspaces) -> None:
    space = workspace("production")
    path = f"/apis/apps/v1/namespaces/{space.namespace}/deployments"
    made = space.cluster.raw("POST", path, body=workload(namespace=space.namespace, release="v1"))
    assert made.status == 201, made.body
    space.create_deployment("production", "web", "v1", user="alice")
    for _ in range(2):
        status = {"status": given_up(made.json())}
        answer = space.cluster.raw("PATCH", f"{path}/web/status", body=status, content_type=MERGE_PATCH)
        assert answer.status == 200
        eventually(lambda: any(reason == "RolloutFailed" for _, reason, _ in told(space)), 20)
    assert [kind for kind, reason, _ in told(space) if reason == "RolloutFailed"] == ["Warning"]
    assert "Deployment web" in next(note for _, reason, note in told(space) if reason == "RolloutFailed")
