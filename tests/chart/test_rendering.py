"""Every combination of values makes objects that Kubernetes takes, and pods that a locked-down cluster admits."""

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chart_values import COMBINATIONS
from governance import eventually_answer
from helm import CHART, Helm
from kube_schemas import LOCATION, write
from pydantic_settings import BaseSettings
from waiting import eventually

from moorage_api.config import ApiSettings
from moorage_dev import binaries, users
from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.rest_client import RestClient
from moorage_operator.config import OperatorSettings

pytestmark = pytest.mark.cluster

Object = dict[str, Any]

NAMESPACE = "moorage-system"
STUBS = ("certificates.cert-manager.io", "servicemonitors.monitoring.coreos.com")
FORBIDDEN_VERBS = {"*", "deletecollection", "escalate", "bind", "impersonate"}


@pytest.fixture(scope="module")
def rendered(renderer: Helm) -> dict[str, list[Object]]:
    """Name of the combination → what the chart makes of it."""
    return {name: renderer.template(values=values) for name, values in COMBINATIONS.items()}


@pytest.fixture(scope="module")
def distinct(rendered: dict[str, list[Object]]) -> list[Object]:
    """All objects of all combinations, each content once; without what only `helm test` makes."""
    everything = {json.dumps(one, sort_keys=True): one for objects in rendered.values() for one in objects}
    return [one for one in everything.values() if "helm.sh/hook" not in one["metadata"].get("annotations", {})]


@pytest.fixture(scope="module")
def token(chart_cluster: BuiltCluster) -> str:
    """The administrator's."""
    return chart_cluster.token(users.ADMIN)


@pytest.fixture(scope="module")
def stubs(chart_cluster: BuiltCluster, data: Path) -> Iterator[None]:
    """The kinds of other projects."""
    kubectl = chart_cluster.admin()
    kubectl.ok("apply", "--server-side", "-f", str(data / "stub-crds.yaml"))
    kubectl.wait_for_crds(*STUBS)
    yield
    kubectl.ok("delete", "--wait=false", "-f", str(data / "stub-crds.yaml"))


def test_thirty_one_combinations_are_covered() -> None:
    assert len(COMBINATIONS) == 31


def test_helm_lints_the_chart(renderer: Helm) -> None:
    for values in COMBINATIONS.values():
        assert "0 chart(s) failed" in renderer.ok("lint", CHART, "--strict", f"--values={renderer.values_file(values)}")


@pytest.mark.usefixtures("stubs")
def test_objects_keep_to_the_schemas_of_the_api_server(
    distinct: list[Object], api: RestClient, token: str, tmp_path: Path
) -> None:
    groups = {str(one["apiVersion"]) for one in distinct}
    eventually(lambda: _documents_of(api, token) >= {f"apis/{group}" for group in groups if "/" in group}, 60)
    write(lambda path: api.request("GET", path, token=token).json(), tmp_path / "schemas", groups)
    manifests = tmp_path / "manifests.json"
    manifests.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": distinct}), encoding="utf-8")
    location = f"-schema-location={tmp_path / 'schemas' / LOCATION}"
    done = subprocess.run(
        [binaries.cli("kubeconform"), "-strict", "-summary", "-output=json", location, manifests],
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout)
    assert answer["resources"] == []
    assert answer["summary"] == {"valid": len(distinct), "invalid": 0, "errors": 0, "skipped": 0}
    # Proof that unknown fields are seen.
    wrong = next(one for one in distinct if one["kind"] == "Deployment") | {"spec": {"replica": 2}}
    manifests.write_text(json.dumps(wrong), encoding="utf-8")
    refused = subprocess.run(
        [binaries.cli("kubeconform"), "-strict", location, manifests], capture_output=True, text=True, check=False
    )
    assert "replica" in refused.stdout


def _documents_of(api: RestClient, token: str) -> set[str]:
    return set(api.request("GET", "/openapi/v3", token=token).json()["paths"])


@pytest.mark.usefixtures("stubs")
def test_api_server_takes_every_object(distinct: list[Object], chart_cluster: BuiltCluster) -> None:
    kubectl = chart_cluster.admin()
    # Two objects of one name in one request would be two answers about the same thing.
    for batch in _without_repeated_names(distinct):
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": batch})
        flags = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
        done = kubectl.run("apply", *flags, stdin=listed)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr


def _without_repeated_names(objects: list[Object]) -> list[list[Object]]:
    batches: list[dict[tuple[str, str], Object]] = []
    for one in objects:
        key = (str(one["kind"]), str(one["metadata"]["name"]))
        home = next((batch for batch in batches if key not in batch), None)
        if home is None:
            home = {}
            batches.append(home)
        home[key] = one
    return [list(batch.values()) for batch in batches]


@pytest.fixture
def pods(rendered: dict[str, list[Object]], chart_cluster: BuiltCluster) -> Iterator[list[Object]]:
    """The pods of all combinations, with the accounts and classes that they name."""
    distinct = {json.dumps(pod, sort_keys=True): pod for objects in rendered.values() for pod in _pods(objects)}
    needed = _needed_by(list(distinct.values()))
    chart_cluster.admin().apply(*needed)
    yield list(distinct.values())
    # Left behind, they would belong to no release and be in the way of an installation.
    listed = {"apiVersion": "v1", "kind": "List", "items": needed}
    chart_cluster.admin().ok("delete", "--wait=false", "-f", "-", stdin=json.dumps(listed))


def test_restricted_namespace_admits_every_pod_without_a_warning(
    pods: list[Object], api: RestClient, token: str
) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All&fieldValidation=Strict"
    for pod in pods:
        # Accounts and classes were made a moment ago, and admission hears of them by watches of its own.
        answer = eventually_answer(
            partial(api.request, "POST", path, token=token, body=pod), lambda one: one.status == 201
        )
        assert "warning" not in answer.headers
    # Proof that something looks: the same pod with one right too many is refused.
    greedy = json.loads(json.dumps(pods[0]))
    greedy["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    refused = api.request("POST", path, token=token, body=greedy)
    assert (refused.status, b'violates PodSecurity \\"restricted' in refused.body) == (403, True)


def _pods(objects: list[Object]) -> Iterator[Object]:
    for one in objects:
        if one["kind"] == "Pod":
            yield {**one, "metadata": {"name": one["metadata"]["name"], "namespace": NAMESPACE}}
        elif one["kind"] == "Deployment":
            labels = one["spec"]["template"]["metadata"]["labels"]
            metadata = {"name": one["metadata"]["name"], "namespace": NAMESPACE, "labels": labels}
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": one["spec"]["template"]["spec"]}


def _needed_by(pods: list[Object]) -> list[Object]:
    accounts = {pod["spec"]["serviceAccountName"] for pod in pods}
    classes = {pod["spec"].get("priorityClassName") for pod in pods} - {None, "system-cluster-critical"}
    metadata = [{"name": name, "namespace": NAMESPACE} for name in accounts]
    return [
        *({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": one} for one in metadata),
        *(
            {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1}
            for name in classes
        ),
    ]


def test_every_object_says_what_it_belongs_to(rendered: dict[str, list[Object]]) -> None:
    for name, objects in rendered.items():
        for one in objects:
            labels = one["metadata"]["labels"]
            assert labels["app.kubernetes.io/instance"] == "moorage", (name, one["metadata"]["name"])
            assert labels["app.kubernetes.io/part-of"] == "moorage"


def test_names_are_unique_and_fit(rendered: dict[str, list[Object]]) -> None:
    for name, objects in rendered.items():
        keys = [(one["apiVersion"], one["kind"], one["metadata"]["name"]) for one in objects]
        assert len(keys) == len(set(keys)), name
        assert all(len(key[2]) <= 63 for key in keys), name


def test_no_role_has_a_right_that_is_never_needed(rendered: dict[str, list[Object]]) -> None:
    for objects in rendered.values():
        for role in objects:
            for rule in role.get("rules", ()) if role["kind"] in {"Role", "ClusterRole"} else ():
                assert not FORBIDDEN_VERBS & set(rule["verbs"]), role["metadata"]["name"]
                assert not {"*", "secrets"} & {*rule["resources"], *rule["apiGroups"]}, role["metadata"]["name"]


def test_facade_may_write_nothing_but_questions(rendered: dict[str, list[Object]]) -> None:
    roles = {one["metadata"]["name"]: one for one in rendered["defaults"] if one["kind"] == "ClusterRole"}
    writes = {
        (resource, verb)
        for rule in roles["moorage-api"]["rules"]
        for resource in rule["resources"]
        for verb in set(rule["verbs"]) - {"get", "list", "watch"}
    }
    assert writes == {("tokenreviews", "create"), ("subjectaccessreviews", "create")}


def test_services_and_budgets_select_the_pods_they_mean(rendered: dict[str, list[Object]]) -> None:
    for name, objects in rendered.items():
        workloads = [one for one in objects if one["kind"] == "Deployment"]
        pods = {one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"] for one in workloads}
        pods |= {one["metadata"]["name"]: one["metadata"]["labels"] for one in objects if one["kind"] == "Pod"}
        for one in objects:
            selector = _selector(one)
            if selector is not None:
                hit = [pod for pod, labels in pods.items() if selector.items() <= labels.items()]
                assert len(hit) == 1, (name, one["kind"], one["metadata"]["name"])
                assert one["metadata"]["name"].startswith(hit[0])


def _selector(one: Object) -> dict[str, str] | None:
    if one["kind"] == "Service":
        return dict(one["spec"]["selector"])
    if one["kind"] == "PodDisruptionBudget":
        return dict(one["spec"]["selector"]["matchLabels"])
    return dict(one["spec"]["podSelector"]["matchLabels"]) if one["kind"] == "NetworkPolicy" else None


def network(objects: list[Object], component: str) -> Object:
    """The NetworkPolicy of one component."""
    [found] = [one for one in objects if one["kind"] == "NetworkPolicy" and one["metadata"]["name"].endswith(component)]
    return dict(found["spec"])


def ports(rules: list[Object]) -> set[object]:
    """All ports of some rules."""
    return {port["port"] for rule in rules for port in rule["ports"]}


@pytest.mark.parametrize("component", ["operator", "api"])
def test_metrics_are_for_the_namespace_of_monitoring_alone(rendered: dict[str, list[Object]], component: str) -> None:
    rules = network(rendered["defaults"], component)["ingress"]
    [metrics] = [rule for rule in rules if ports([rule]) == {"metrics"}]
    assert metrics["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]


@pytest.mark.parametrize("component", ["operator", "api"])
def test_nobody_reads_metrics_where_the_list_is_empty(rendered: dict[str, list[Object]], component: str) -> None:
    spec = network(rendered["api-server-by-name"], component)
    assert "Ingress" in spec["policyTypes"]
    assert "metrics" not in ports(spec.get("ingress", []))


@pytest.mark.parametrize(("combination", "asked"), [("defaults", False), ("api-server-by-name", True)])
def test_dns_is_asked_by_the_test_and_by_the_processes_only_where_it_is_wanted(
    rendered: dict[str, list[Object]], combination: str, asked: bool
) -> None:
    objects = rendered[combination]
    assert {name: 53 in ports(network(objects, name)["egress"]) for name in ("operator", "api", "test")} == {
        "operator": asked,
        "api": asked,
        "test": True,
    }


def test_first_probe_comes_when_the_process_listens(rendered: dict[str, list[Object]]) -> None:
    """Four seconds were measured; what fails before that is a Warning event of each start."""
    workloads = [one for one in rendered["defaults"] if one["kind"] == "Deployment"]
    assert len(workloads) == 2
    for one in workloads:
        [container] = one["spec"]["template"]["spec"]["containers"]
        assert container["startupProbe"]["initialDelaySeconds"] >= 5


def test_processes_take_the_settings_of_every_combination(
    rendered: dict[str, list[Object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, objects in rendered.items():
        for one in objects:
            if one["kind"] == "Deployment":
                [container] = one["spec"]["template"]["spec"]["containers"]
                settings = OperatorSettings if container["name"] == "operator" else ApiSettings
                assert _applied(settings, container["env"], monkeypatch), (name, container["name"])


def _applied(settings: type[BaseSettings], variables: list[Object], monkeypatch: pytest.MonkeyPatch) -> bool:
    given = {one["name"].removeprefix("MOORAGE_").lower(): one.get("value", "moorage-system") for one in variables}
    assert given.keys() <= settings.model_fields.keys()
    with monkeypatch.context() as patch:
        for key, value in given.items():
            patch.setenv(f"MOORAGE_{key.upper()}", value)
        return set(given) == settings().model_fields_set


def test_change_log_is_left_out_where_the_api_server_cannot_stamp(renderer: Helm) -> None:
    def policies(version: str) -> set[str]:
        objects = renderer.template(flags=[f"--kube-version={version}"])
        return {one["kind"] for one in objects if "AdmissionPolicy" in one["kind"]}

    validating = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    assert policies("1.35.9") == validating
    assert policies("1.36.0") == validating | {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}
    refused = renderer.run("template", "moorage", CHART, "--kube-version=1.29.9")
    assert "kubeVersion" in refused.stderr
