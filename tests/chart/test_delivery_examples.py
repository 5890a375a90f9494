"""The examples of delivery: they name what the facade answers, and what they say of themselves is understood."""

import re
import subprocess
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml
from helm import Helm

from moorage_api.integrations.argocd import PluginParameters, PluginSet
from moorage_api.integrations.flux import Input
from moorage_crds.kinds import environment as environments
from moorage_crds.kinds.target import TARGET_KINDS
from moorage_dev import binaries
from moorage_dev.layout import ROOT
from moorage_operator.delivery.decisions import carries
from moorage_operator.delivery.reading import target_of
from moorage_operator.publishing.decisions import Active, config_map
from moorage_operator.refreshing.reading import refreshable_of

EXAMPLES = ROOT / "examples/delivery"
RESOURCES = {kind: resource for resource, kind in TARGET_KINDS.items()}
#: Values of one set, as templates get them.
VALUES = {
    "namespace": "acme-shop",
    "environment": "production",
    "app": "web",
    "deployment_id": "8d1f7f0e-2a64-4f7c-8a0e-6c1b9d3e5a27-00000003",
    "release": "1.4.2",
}


def documents(path: str) -> dict[str, dict[str, Any]]:
    found = yaml.safe_load_all((EXAMPLES / path).read_text(encoding="utf-8"))
    return {one["kind"]: one for one in found}


def used(text: str, before: str) -> set[str]:
    return set(re.findall(rf"{before}([a-z_]+)", text))


@pytest.mark.parametrize(
    ("path", "before", "model"),
    [
        ("argocd/applicationset.yaml", r"\{\{ \.", PluginSet),
        ("argocd/shortest.yaml", r"\{\{ \.", PluginSet),
        ("flux/resourceset.yaml", r"<< inputs\.", Input),
    ],
)
def test_a_template_names_what_a_set_has(path: str, before: str, model: type[Any]) -> None:
    text = (EXAMPLES / path).read_text(encoding="utf-8")

    assert used(text, before)
    assert used(text, before) <= set(model.model_fields)


def test_a_user_of_argo_cd_writes_fifteen_lines() -> None:
    lines = (EXAMPLES / "argocd/shortest.yaml").read_text(encoding="utf-8").splitlines()

    assert len([line for line in lines if line and not line.startswith("#")]) <= 15


@pytest.mark.parametrize("path", ["argocd/applicationset.yaml", "argocd/shortest.yaml"])
def test_the_plugin_is_asked_for_what_it_knows(path: str) -> None:
    generator = documents(path)["ApplicationSet"]["spec"]["generators"][0]["plugin"]

    wanted = generator["input"]["parameters"]

    assert set(PluginParameters.model_validate(wanted).model_dump(exclude_none=True)) == set(wanted)


@pytest.mark.parametrize("path", ["argocd/applicationset.yaml", "argocd/shortest.yaml"])
def test_a_project_is_never_taken_from_a_set(path: str) -> None:
    template = documents(path)["ApplicationSet"]["spec"]["template"]

    assert "{{" not in template["spec"]["project"]


def test_both_limits_of_flux_say_the_same() -> None:
    spec = documents("flux/resourceset.yaml")["ResourceSetInputProvider"]["spec"]

    assert spec["url"].endswith(f"limit={spec['filter']['limit']}")


def filled(value: Any) -> Any:
    """A template with the values of a set, as the tool would fill it in."""
    if isinstance(value, dict):
        return {key: filled(one) for key, one in value.items()}
    if not isinstance(value, str):
        return value
    return re.sub(r"(?:\{\{ \.|<< inputs\.)([a-z_]+)[^}>]*(?:\}\}|>>)", lambda found: VALUES[found[1]], value)


@pytest.mark.parametrize(
    "made",
    [
        documents("argocd/applicationset.yaml")["ApplicationSet"]["spec"]["template"],
        documents("flux/resourceset.yaml")["ResourceSet"]["spec"]["resources"][0],
        documents("workloads/web.yaml")["Deployment"],
    ],
    ids=["argocd", "flux", "workloads"],
)
def test_what_is_made_says_which_release_it_carries(made: dict[str, Any]) -> None:
    kind = made.get("kind", "Application")
    metadata = filled(made["metadata"])
    raw = {**made, "metadata": {"namespace": "argocd", **metadata, "uid": "u", "resourceVersion": "1"}}

    target = target_of(RESOURCES[kind], raw)

    assert metadata["labels"]["moorage.dev/target"] == "true"
    assert (target.binding, target.problem) == (("acme-shop", "production.web"), "")
    assert target.carried == VALUES["deployment_id"] or target.declared


def published() -> dict[str, str]:
    """What the operator puts into the ConfigMap of the example's Environment."""
    raw = documents("configmap/environment.yaml")["Environment"]
    meta = {**raw["metadata"], "uid": "u", "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    environment = environments.from_object({**raw, "metadata": meta})
    active = [Active("web", VALUES["release"], 3, VALUES["deployment_id"], "alice", "2026-01-01T00:00:00Z")]
    assert environment.delivery_config_map == "releases-production"
    return dict(config_map(environment.delivery_config_map, environment, None, active)["data"])


def test_kustomize_and_helm_read_the_config_map(tmp_path: Path) -> None:
    data = published()
    command = [str(binaries.kubectl()), "kustomize", str(EXAMPLES / "configmap/kustomize")]
    built = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    by_kustomize = yaml.safe_load(Template(built).substitute(data))
    chart = EXAMPLES / "configmap/helm"
    (by_helm,) = Helm(tmp_path).template(values=yaml.safe_load(data["VALUES_YAML"]), chart=chart)

    for made in (by_kustomize, by_helm):
        target = target_of("deployments.apps", {**made, "metadata": {**made["metadata"], "uid": "u"}})
        assert target.binding[1] == "production.web"
        assert target.problem == ""
        assert carries(target, release=VALUES["release"], deployment_id=VALUES["deployment_id"])


def test_flux_reads_the_config_map_that_the_environment_asks_for() -> None:
    found = documents("configmap/flux.yaml")
    read = [
        *found["Kustomization"]["spec"]["postBuild"]["substituteFrom"],
        *found["HelmRelease"]["spec"]["valuesFrom"],
    ]

    assert {(one["kind"], one["name"]) for one in read} == {("ConfigMap", "releases-production")}
    assert found["HelmRelease"]["spec"]["valuesFrom"][0]["valuesKey"] in published()


@pytest.mark.parametrize(
    ("path", "kind", "resource"),
    [
        ("argocd/applicationset.yaml", "ApplicationSet", "applicationsets.argoproj.io"),
        (
            "flux/resourceset.yaml",
            "ResourceSetInputProvider",
            "resourcesetinputproviders.fluxcd.controlplane.io",
        ),
    ],
)
def test_what_asks_the_facade_is_told_of_releases(path: str, kind: str, resource: str) -> None:
    raw = documents(path)[kind]

    known = refreshable_of(resource, {**raw, "metadata": {**raw["metadata"], "uid": "u"}})

    assert raw["metadata"]["labels"]["moorage.dev/refresh"] == "true"
    assert (known.problem, {one.namespace for one in known.follows} <= {"acme-shop", "acme-bank"}) == ("", True)


def test_the_folders_are_listed() -> None:
    listed = (ROOT / "examples/README.md").read_text(encoding="utf-8")

    assert all(f"delivery/{path.name}" in listed for path in Path(EXAMPLES).iterdir())
