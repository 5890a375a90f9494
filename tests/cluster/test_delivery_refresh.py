"""An object that asks for it is told of each release by its tool's own annotation, and of nothing else."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from cluster import WRITES, LiveCluster, Workspace, Workspaces, account
from following import following
from services import Operators
from waiting import eventually

from moorage_crds.kinds.refresh import ANNOTATION_FOLLOWS, LABEL_REFRESH
from moorage_dev import patience

KIND = "applicationsets.argoproj.io"
ASKED = "argocd.argoproj.io/application-set-refresh"
SETS = "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applicationsets"
#: The part of Argo CD's kind that an annotation needs.
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": KIND},
    "spec": {
        "group": "argoproj.io",
        "scope": "Namespaced",
        "names": {"plural": "applicationsets", "kind": "ApplicationSet"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@pytest.fixture
def telling(no_operator: Operators, cluster: LiveCluster) -> Iterator[Operators]:
    """An operator that tells ApplicationSets of releases."""
    cluster.apply(CRD)
    done = cluster.kubectl("wait", "--for=condition=Established", f"crd/{KIND}", patience.flag(60))
    assert done.returncode == 0, done.stderr
    with following(no_operator, cluster, [], refreshes=[KIND]):
        yield no_operator
    cluster.kubectl("delete", "--wait=false", f"crd/{KIND}")


class Set:
    """An ApplicationSet; the test takes the annotation away, as Argo CD does when it has looked."""

    def __init__(self, cluster: LiveCluster, namespace: str, follows: str) -> None:
        self.cluster = cluster
        collection = SETS.format(namespace=namespace)
        annotations = {ANNOTATION_FOLLOWS: follows}
        meta = {"name": "all", "namespace": namespace, "labels": {LABEL_REFRESH: "true"}, "annotations": annotations}
        body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": meta, "spec": {"a": "b"}}
        eventually(lambda: cluster.raw("POST", collection, body=body).status in {201, 409}, 30)
        self.path = f"{collection}/all"

    def get(self) -> dict[str, Any]:
        return dict(self.cluster.raw("GET", self.path).json())

    def asked(self) -> str:
        return str(self.get()["metadata"]["annotations"].get(ASKED, ""))

    def look(self) -> None:
        """As the applicationset-controller: look, and take the annotation away."""
        eventually(self.asked)
        body = {"metadata": {"annotations": {ASKED: None}}}
        self.cluster.raw("PATCH", self.path, body=body, content_type="application/merge-patch+json")


def heard(space: Workspace, one: Set, app: str) -> None:
    """The operator knows the object: releases that it hears of from then on are told."""
    space.create_deployment("production", app)
    numbers = count()

    def told() -> str:
        found = one.asked()
        if not found:
            space.set_release(f"production.{app}", f"v0.{next(numbers)}")
        return found

    # Slowly, so that no release is left that the object is told of later.
    eventually(told, 60, interval=2)
    one.look()


def test_a_release_is_told_to_what_follows_it_and_nothing_else_is_written(
    telling: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    space, other = workspace("production"), workspace("production")
    mine = Set(cluster, space.namespace, f"{space.namespace}/production")
    # Nobody gave it leave: the environment of the first workspace does not name this Namespace.
    stranger = Set(cluster, other.namespace, f"{space.namespace}, {other.namespace}")
    heard(other, stranger, "witness")
    heard(space, mine, "web")
    before, mark = mine.get(), cluster.audit_mark()

    space.set_release("production.web", "v1")
    eventually(mine.asked)
    after = mine.get()
    assert {**after["metadata"]["annotations"], ASKED: ""} == {**before["metadata"]["annotations"], ASKED: ""}
    assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], before["metadata"]["generation"])

    def written() -> set[tuple[str, str]]:
        found = cluster.audit_since(mark, user=account("moorage-operator"), verbs=WRITES, resource="applicationsets")
        return {(event.verb, event.namespace) for event in found}

    assert eventually(written) == {("patch", space.namespace)}

    mine.look()
    space.set_release("production.web", None)
    mine.look()
    space.set_release("production.web", "v2")
    mine.look()
    # What is not recorded yet cannot be deleted; the end of the binding is a change, too.
    path = space.path("deployments", "production.web")
    eventually(lambda: cluster.raw("DELETE", path).status == 200)
    mine.look()
