"""Moorage as a dependency of somebody's chart: where objects of our kinds may be in it, as docs/install.md says."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm import CHART, Helm
from waiting import eventually

from moorage_crds import schema
from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.layout import ROOT

pytestmark = pytest.mark.cluster

Object = dict[str, Any]

NAMESPACE = "moorage-system"


def environment(workspace: str) -> Object:
    """An ordinary Environment."""
    metadata = {"name": "production", "namespace": workspace}
    spec = {"displayName": "Production"}
    return {"apiVersion": "moorage.dev/v1", "kind": "Environment", "metadata": metadata, "spec": spec}


def documented() -> list[str]:
    """The arguments of `kubectl wait`, and of `helm install`, in docs/install.md."""
    text = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    section = text.split("## In a chart of your own")[1].split("```sh\n")[1].split("```")[0]
    return section.splitlines()


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A chart with Moorage in it and no templates yet."""
    chart = tmp_path / "platform"
    (chart / "templates").mkdir(parents=True)
    shutil.copytree(CHART, chart / "charts/moorage")
    about = {"apiVersion": "v2", "name": "platform", "version": "1.0.0"}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    return chart


@pytest.fixture
def workspace(chart_cluster: BuiltCluster, helm: Helm) -> Iterator[str]:
    """A Namespace, in a cluster that has never heard of our kinds."""
    kubectl = chart_cluster.admin()
    kubectl.ok("delete", "crd", "--ignore-not-found", *schema.wanted_crds())
    name = f"shop-{secrets.token_hex(4)}"
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    # What the API server says of its kinds follows their removal.
    eventually(lambda: "moorage.dev" not in kubectl.run("api-versions").stdout)
    yield name
    helm.ok("uninstall", "platform", f"--namespace={NAMESPACE}", "--ignore-not-found")
    kubectl.ok("delete", "namespace", name, "--wait=false", "--ignore-not-found")
    kubectl.ok("delete", "crd", "--ignore-not-found", *schema.wanted_crds())


def put(chart: Path, template: Object) -> None:
    """Give the chart an object of its own."""
    (chart / "templates/environment.yaml").write_text(yaml.safe_dump(template), encoding="utf-8")


def test_environment_among_the_objects_of_the_first_release_is_refused(
    helm: Helm, parent: Path, workspace: str
) -> None:
    put(parent, environment(workspace))
    done = helm.run("install", "platform", parent, f"--namespace={NAMESPACE}")
    assert done.returncode != 0
    assert "no matches for kind" in done.stderr


def test_environment_in_a_release_of_its_own_comes_after_it(
    helm: Helm, parent: Path, workspace: str, tmp_path: Path, chart_cluster: BuiltCluster
) -> None:
    helm.ok("install", "platform", parent, f"--namespace={NAMESPACE}")
    kubectl = chart_cluster.admin()
    wait, install = documented()
    kubectl.ok(*wait.split()[1:])
    own = tmp_path / "shop"
    (own / "templates").mkdir(parents=True)
    about = {"apiVersion": "v2", "name": "shop", "version": "1.0.0"}
    (own / "Chart.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    put(own, environment(workspace))
    assert install == "helm install shop ./shop --namespace shop"
    # Established is what the kind says of itself; all parts of the API server know it some seconds later.
    eventually(lambda: helm.run("upgrade", "--install", "shop", own, f"--namespace={workspace}").returncode == 0)
    kubectl.ok("get", "environments.moorage.dev", "production", f"--namespace={workspace}")
