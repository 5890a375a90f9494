"""Where pods of the chart come to stand among several nodes: the real scheduler, and Nodes without a kubelet."""

from collections.abc import Iterator
from typing import Any

import pytest
from helm import Helm
from waiting import eventually

from moorage_dev import binaries, children, modules, users
from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.rest_client import MERGE_PATCH, Answer, RestClient

pytestmark = pytest.mark.cluster

Object = dict[str, Any]

NAMESPACE, COMPONENTS = "moorage-system", ("api", "operator")
ZONES = ("a", "b", "c")
CLASSES, NODES = "/apis/scheduling.k8s.io/v1/priorityclasses", "/api/v1/nodes"
NOW = {"gracePeriodSeconds": 0}


class Nodes:
    """Nodes that exist for the scheduler alone, and the pods of this test."""

    def __init__(self, api: RestClient, token: str) -> None:
        self._api = api
        self._token = token
        self._made: list[str] = []

    def ask(self, method: str, path: str, body: Object | None = None) -> Answer:
        content_type = MERGE_PATCH if method == "PATCH" else None
        answer = self._api.request(method, path, token=self._token, body=body, content_type=content_type)
        assert answer.status < 300, answer.body
        return answer

    def make(self, path: str, body: Object) -> None:
        """Create an object, which `remove` deletes."""
        self.ask("POST", path, body)
        self._made.append(f"{path}/{body['metadata']['name']}")

    def node(self, name: str, zone: str, *, pool: str = "all", taints: list[Object] | None = None) -> None:
        """A node with one CPU."""
        labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone, "pool": pool}
        room = {"cpu": "1", "memory": "4Gi", "pods": "20"}
        status = {"capacity": room, "allocatable": room}
        self.make(NODES, {"metadata": {"name": name, "labels": labels}, "status": status})
        # Admission marks each new node as not ready, and a controller that does not run here takes that back.
        self.ask("PATCH", f"{NODES}/{name}", {"spec": {"taints": taints}})

    def pods(self, objects: list[Object], name: str = "") -> None:
        """The pods of all Deployments among the objects, as their controller makes them one after the other."""
        for one in objects:
            if one["kind"] == "Deployment":
                template = one["spec"]["template"]
                for number in range(one["spec"]["replicas"]):
                    metadata = {**template["metadata"], "name": f"{one['metadata']['name']}-{name}{number}"}
                    pod = {"metadata": metadata, "spec": template["spec"]}
                    self.make(f"/api/v1/namespaces/{NAMESPACE}/pods", pod)

    def standing(self) -> dict[str, list[str | None]]:
        """The nodes of the pods, by component; None where there is none yet."""
        found: dict[str, list[str | None]] = {}
        for pod in self.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/pods").json()["items"]:
            component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
            found.setdefault(component, []).append(pod["spec"].get("nodeName"))
        return found

    def stood(self) -> dict[str, list[str]]:
        """The same, when each pod has its node."""

        def every_one() -> dict[str, list[str]]:
            standing = self.standing()
            found = {component: [node for node in on if node is not None] for component, on in standing.items()}
            assert found == standing
            return found

        return eventually(every_one)

    def refused(self, count: int) -> None:
        """Wait until the scheduler has found no node for this number of pods."""

        def unschedulable() -> bool:
            pods = self.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/pods").json()["items"]
            conditions = [one for pod in pods for one in pod["status"].get("conditions", ())]
            return sum(one.get("reason") == "Unschedulable" for one in conditions) == count

        eventually(unschedulable)

    def remove(self) -> None:
        """Delete everything that was made, pods first."""
        for path in reversed(self._made):
            self._api.request("DELETE", path, token=self._token, body=NOW)


@pytest.fixture(scope="module")
def scheduler(chart_cluster: BuiltCluster) -> Iterator[None]:
    program = binaries.build(modules.NODE) / "kube-scheduler"
    assert chart_cluster.control_plane is not None
    kubeconfig = chart_cluster.control_plane.client_kubeconfig("system:kube-scheduler")
    command = (program, f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0")
    child = children.spawn("scheduler", command, log=chart_cluster.folder / "scheduler.log")
    yield
    children.stop(child)


@pytest.fixture
def nodes(scheduler: None, chart_cluster: BuiltCluster, api: RestClient) -> Iterator[Nodes]:
    made = Nodes(api, chart_cluster.token(users.ADMIN))
    for component in COMPONENTS:
        account = {"metadata": {"name": f"moorage-{component}"}, "automountServiceAccountToken": False}
        made.make(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", account)
    yield made
    made.remove()


def values(replicas: int = 3, **both: Any) -> Object:
    return {component: {"replicas": replicas, **both} for component in COMPONENTS}


def zones(names: list[str]) -> set[str]:
    return {name[0] for name in names}


@pytest.mark.parametrize("replicas", [2, 3])
def test_replicas_stand_in_different_zones(nodes: Nodes, renderer: Helm, replicas: int) -> None:
    for zone in ZONES:
        for number in range(2):
            nodes.node(f"{zone}{number}", zone)
    nodes.pods(renderer.template(values=values(replicas)))
    stood = nodes.stood()
    assert {name: len(zones(on)) for name, on in stood.items()} == dict.fromkeys(COMPONENTS, replicas)


def test_replicas_start_in_the_only_zone_that_is_left_on_nodes_of_their_own(nodes: Nodes, renderer: Helm) -> None:
    for zone in ZONES:
        for number in range(3):
            nodes.node(f"{zone}{number}", zone)
            if zone != "b":
                nodes.ask("PATCH", f"{NODES}/{zone}{number}", {"spec": {"unschedulable": True}})
    nodes.pods(renderer.template(values=values()))
    assert {name: sorted(on) for name, on in nodes.stood().items()} == {one: ["b0", "b1", "b2"] for one in COMPONENTS}


@pytest.mark.parametrize(("anti_affinity", "waiting"), [("soft", 0), ("hard", 2)])
def test_replicas_share_a_node_only_where_that_is_let(
    nodes: Nodes, renderer: Helm, anti_affinity: str, waiting: int
) -> None:
    for name in ("a0", "b0"):
        nodes.node(name, name[0])
    nodes.pods(renderer.template(values=values(antiAffinity=anti_affinity)))
    if waiting:
        nodes.refused(waiting)
    else:
        nodes.stood()
    standing = nodes.standing()
    assert sum(on.count(None) for on in standing.values()) == waiting
    assert all({"a0", "b0"} <= set(on) for on in standing.values())


def test_replicas_stand_where_selector_and_tolerations_say(nodes: Nodes, renderer: Helm) -> None:
    dedicated = {"key": "dedicated", "value": "platform", "effect": "NoSchedule"}
    nodes.node("a0", "a")
    for name in ("b0", "c0"):
        nodes.node(name, name[0], pool="platform", taints=[dedicated])
    settings = values(2, nodeSelector={"pool": "platform"}, tolerations=[{**dedicated, "operator": "Equal"}])
    nodes.pods(renderer.template(values=settings))
    assert {name: sorted(on) for name, on in nodes.stood().items()} == {one: ["b0", "c0"] for one in COMPONENTS}


def test_pods_of_a_class_of_priority_take_the_place_of_others(nodes: Nodes, renderer: Helm) -> None:
    path = "/api/v1/namespaces/default/pods"
    for name in ("a0", "b0"):
        nodes.node(name, name[0])
        container = {"name": "all", "image": "none.invalid/none", "resources": {"requests": {"cpu": "1"}}}
        # They end at once: no kubelet says that they have.
        spec = {"nodeName": name, "terminationGracePeriodSeconds": 0, "containers": [container]}
        nodes.make(path, {"metadata": {"name": f"filler-{name}"}, "spec": spec})

    nodes.pods(renderer.template(values=values(2)), name="plain-")
    nodes.refused(4)
    assert len(nodes.ask("GET", path).json()["items"]) == 2

    objects = renderer.template(values={**values(2), "priorityClass": {"create": True}})
    (made,) = (one for one in objects if one["kind"] == "PriorityClass")
    nodes.make(CLASSES, made)
    nodes.pods(objects, name="first-")
    # The others follow by themselves: where one pod had to make room, there is enough for all.
    assert {name: len(on) for name, on in nodes.stood().items()} == dict.fromkeys(COMPONENTS, 4)
    assert len(nodes.ask("GET", path).json()["items"]) < 2
