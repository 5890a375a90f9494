"""The operator's watch of bindings, or of Environments, stands still, and it writes nothing that has been replaced."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from api_server_proxy import ApiServerProxy
from cluster import LiveCluster, Workspace, Workspaces, account
from following import following, keeping_config_maps, rollout
from services import Operators
from targets import image, workload
from waiting import eventually

from moorage_crds.kinds.target import ANNOTATION_DEPLOYMENT, MANAGER_DELIVERY
from moorage_dev.installation import OPERATOR
from moorage_dev.rest_client import MERGE_PATCH
from moorage_operator.publishing.decisions import manager_of

KIND = "deployments.apps"
APPLY = "application/apply-patch+yaml"
OURS = account(OPERATOR)
BINDINGS, ENVIRONMENTS = "moorage.dev/v1/deployments", "moorage.dev/v1/environments"


@pytest.fixture
def proxy(cluster: LiveCluster, no_operator: Operators) -> Iterator[ApiServerProxy]:
    """No other operator runs beside the one that goes through it."""
    made = ApiServerProxy(cluster.endpoint)
    yield made
    made.close()


@pytest.fixture
def lagging(no_operator: Operators, cluster: LiveCluster, proxy: ApiServerProxy) -> Iterator[ApiServerProxy]:
    """The way of an operator that writes workloads to the API server."""
    with following(no_operator, cluster, [KIND], writes=[KIND], through=proxy.settings(cluster, OPERATOR)):
        yield proxy


class Target:
    """A workload whose image is the operator's alone."""

    def __init__(self, space: Workspace, *, binding: str) -> None:
        self.cluster = space.cluster
        self.path = f"/apis/apps/v1/namespaces/{space.namespace}/deployments/web"
        raw = workload(namespace=space.namespace, binding=binding, release="v0")
        self.apply(raw, "people")
        self.bring("v0", "")
        # From here on the image is not its owner's any more.
        del raw["spec"]["template"]["spec"]["containers"][0]["image"]
        self.apply(raw, "people")

    def apply(self, body: dict[str, Any], manager: str) -> None:
        path = f"{self.path}?fieldManager={manager}&force=true"
        answer = self.cluster.raw("PATCH", path, body=body, content_type=APPLY)
        assert answer.status in {200, 201}, answer.body

    def get(self) -> dict[str, Any]:
        return dict(self.cluster.raw("GET", self.path).json())

    def bring(self, release: str, deployment_id: str) -> None:
        """What another replica writes, as the field manager that all of them are."""
        said = {"name": "web", **({"annotations": {ANNOTATION_DEPLOYMENT: deployment_id}} if deployment_id else {})}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": said,
            "spec": {"template": {"spec": {"containers": [{"name": "web", "image": image(release)}]}}},
        }
        self.apply(body, MANAGER_DELIVERY)

    @property
    def carried(self) -> tuple[str, str]:
        """The image, and the number of the change that the workload names."""
        raw = self.get()
        change = str(raw["metadata"]["annotations"].get(ANNOTATION_DEPLOYMENT, ""))
        return raw["spec"]["template"]["spec"]["containers"][0]["image"], change[-1:]


def asked(cluster: LiveCluster, mark: int, space: Workspace, resource: str, verbs: Sequence[str]) -> int:
    """How often the operator has asked for that since then; the last request is counted a moment after its answer."""
    found = cluster.audit_since(mark, user=OURS, verbs=set(verbs), resource=resource)
    return sum(event.namespace == space.namespace for event in found)


def test_a_release_that_the_watch_has_not_told_of_is_not_written_over(
    lagging: ApiServerProxy, workspace: Workspaces, cluster: LiveCluster
) -> None:
    space = workspace("production")
    web = Target(space, binding="production.web")
    made = space.create_deployment("production", "web", "v1")
    eventually(lambda: web.carried == (image("v1"), "1"), 20)
    eventually(lambda: rollout(space).get("sequence") == 1, 20)

    lagging.freeze(BINDINGS)
    mark = cluster.audit_mark()
    space.set_release("production.web", "v2")
    web.bring("v2", f"{made['metadata']['uid']}-00000002")

    # By its memory the target lacks v1. It asks, and what it reads is its news: it reports on v2.
    eventually(lambda: rollout(space).get("sequence") == 2, 20)
    assert web.carried == (image("v2"), "2")
    eventually(lambda: asked(cluster, mark, space, "deployments", ["get"]))
    assert asked(cluster, mark, space, "deployments", ["patch"]) == 0

    # A rollback that no watch tells of either: the target is touched, and gets what is stored.
    space.set_release("production.web", "v1")
    web.bring("v2", "somebody")
    eventually(lambda: web.carried == (image("v1"), "3"), 20)
    patched = partial(asked, cluster, mark, space, "deployments", ["patch"])
    eventually(patched)
    assert patched() == 1


def test_a_consent_that_was_withdrawn_is_not_used_although_the_watch_has_not_told(
    lagging: ApiServerProxy, workspace: Workspaces, cluster: LiveCluster
) -> None:
    space, elsewhere = workspace("production"), workspace("production")
    path = space.path("environments", "production")

    def allow(*namespaces: str) -> None:
        body = {"spec": {"delivery": {"namespaces": list(namespaces)}}}
        assert cluster.raw("PATCH", path, body=body, content_type=MERGE_PATCH).status == 200

    allow(elsewhere.namespace)
    web = Target(elsewhere, binding=f"{space.namespace}/production.web")
    space.create_deployment("production", "web", "v1")
    eventually(lambda: web.carried == (image("v1"), "1"), 20)

    lagging.freeze(ENVIRONMENTS)
    mark = cluster.audit_mark()
    allow("nobody")
    space.set_release("production.web", "v2")
    eventually(lambda: asked(cluster, mark, space, "environments", ["get"]), 20)
    # The object does not count any more, as the status says: what was read is known from then on.
    eventually(lambda: (space.get("deployments", "production.web") or {})["status"].get("recordedSequence") == 2, 20)
    eventually(lambda: not rollout(space), 20)
    assert web.carried == (image("v1"), "1")
    assert asked(cluster, mark, elsewhere, "deployments", ["patch"]) == 0


class Published:
    """The ConfigMap of production, and what may be said in it."""

    def __init__(self, space: Workspace) -> None:
        keeping_config_maps(space)
        self.space = space
        self.path = f"/api/v1/namespaces/{space.namespace}/configmaps/releases"

    def ask(self, domain: str) -> None:
        """The Environment asks for it, with that parameter."""
        body = {"spec": {"delivery": {"configMap": {"name": "releases"}}, "parameters": {"domain": domain}}}
        path = self.space.path("environments", "production")
        answer = self.space.cluster.raw("PATCH", path, body=body, content_type=MERGE_PATCH)
        assert answer.status == 200, answer.body

    def data(self) -> dict[str, str]:
        answer = self.space.cluster.raw("GET", self.path)
        return dict(answer.json()["data"]) if answer.status == 200 else {}

    def another_replica_says(self) -> None:
        """The second change of web, and that there is no app "gone"."""
        data = self.data()
        said = json.loads(data["RELEASES_JSON"])
        del said["releases"]["gone"]
        web = said["releases"]["web"]
        web |= {"release": "v2", "sequence": 2, "deployment_id": f"{web['deployment_id'][:-1]}2"}
        later = {"RELEASE_WEB": "v2", "RELEASES_JSON": json.dumps(said), "VALUES_YAML": data["VALUES_YAML"]}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "releases"}, "data": later}
        path = f"{self.path}?fieldManager={manager_of('production')}&force=true"
        answer = self.space.cluster.raw("PATCH", path, body=body, content_type=APPLY)
        assert answer.status == 200, answer.body


def test_a_config_map_that_says_something_later_is_not_written_over(
    lagging: ApiServerProxy, workspace: Workspaces, cluster: LiveCluster
) -> None:
    space = workspace("production")
    published = Published(space)
    published.ask("old.example.com")
    for app in ("web", "gone"):
        space.create_deployment("production", app, "v1")
    eventually(lambda: {"RELEASE_WEB", "RELEASE_GONE"} <= set(published.data()), 20)

    lagging.freeze(BINDINGS)
    space.set_release("production.web", "v2")
    space.set_release("production.gone", None)
    published.another_replica_says()
    mark = cluster.audit_mark()
    published.ask("new.example.com")
    eventually(lambda: "new.example.com" in published.data()["RELEASES_JSON"], 30)

    assert published.data()["RELEASE_WEB"] == "v2"
    assert "RELEASE_GONE" not in published.data()
    assert list(json.loads(published.data()["RELEASES_JSON"])["releases"]) == ["web"]
    # One write, which had all of it; so nothing older was there in between.
    written = partial(asked, cluster, mark, space, "configmaps", ["create", "patch", "update", "delete"])
    eventually(written)
    assert written() == 1
