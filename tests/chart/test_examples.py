"""The examples without the tools they are for: manifests applied or dry-run, scripts executed."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import LiveCluster, Workspace, Workspaces
from lupa import lua51, lua55
from services import Facade, Operators
from waiting import eventually

from moorage_dev import patience
from moorage_dev.layout import ROOT

pytestmark = pytest.mark.cluster

Object = dict[str, Any]
EXAMPLES = ROOT / "examples"
STUBS = (
    "applications.argoproj.io",
    "kustomizations.kustomize.toolkit.fluxcd.io",
    "helmreleases.helm.toolkit.fluxcd.io",
)


@pytest.fixture(scope="module")
def gitops(cluster: LiveCluster, data: Path) -> Iterator[None]:
    """The kinds of Argo CD and Flux, and the Namespaces in which they live."""
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("argocd", "flux-system")
    ]
    cluster.apply(*namespaces)
    assert cluster.kubectl("apply", "--server-side", "-f", str(data / "gitops-stubs.yaml")).returncode == 0
    cluster.underlying.admin().wait_for_crds(*STUBS)
    yield
    cluster.kubectl("delete", "--wait=false", "-f", str(data / "gitops-stubs.yaml"))
    cluster.kubectl("delete", "--wait=false", "namespace", "argocd", "flux-system")


@pytest.mark.usefixtures("gitops")
@pytest.mark.parametrize("folder", ["argocd", "flux"])
def test_api_server_takes_the_manifests_of_gitops_tools(cluster: LiveCluster, folder: str) -> None:
    flags = ("--server-side", "--dry-run=server", "--validate=strict")
    done = cluster.kubectl("apply", *flags, "-f", str(EXAMPLES / folder))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def example_shop(cluster: LiveCluster) -> Iterator[None]:
    """Removes the workspace of the kustomize example."""
    yield
    cluster.kubectl("delete", "namespace", "example-shop", "--wait=false", "--ignore-not-found")


@pytest.mark.usefixtures("example_shop")
def test_kustomize_example_applies_and_is_quiet_when_applied_again(cluster: LiveCluster) -> None:
    for name in ("base", "development", "production"):
        done = cluster.kubectl("apply", "--server-side", "-k", str(EXAMPLES / "kustomize" / name))
        assert done.returncode == 0, done.stderr
    listed = "/apis/moorage.dev/v1/namespaces/example-shop/deployments"
    before = {
        one["metadata"]["name"]: one["metadata"]["generation"] for one in cluster.raw("GET", listed).json()["items"]
    }
    assert before.keys() == {
        f"{env}.{app}" for env in ("development", "production") for app in ("web-shop", "checkout")
    }
    cluster.kubectl("apply", "--server-side", "-k", str(EXAMPLES / "kustomize/production"))
    after = {
        one["metadata"]["name"]: one["metadata"]["generation"] for one in cluster.raw("GET", listed).json()["items"]
    }
    assert after == before


#: Argo CD embeds gopher-lua, which speaks Lua 5.1; the newest says whether a script leans on what was dropped since.
DIALECTS: tuple[Callable[..., Any], ...] = (lua51.LuaRuntime, lua55.LuaRuntime)


class Health:
    """The health scripts, run as Argo CD runs them, and by a newer Lua with the same result."""

    def __init__(self, configmap: Path) -> None:
        self._scripts: dict[str, str] = yaml.safe_load(configmap.read_text(encoding="utf-8"))["data"]

    def of(self, obj: Object) -> tuple[str, str]:
        """Status and message."""
        first, second = (self._answer(dialect(unpack_returned_tuples=True), obj) for dialect in DIALECTS)
        assert first == second
        return first

    def _answer(self, lua: Any, obj: Object) -> tuple[str, str]:
        lua.globals().obj = lua.table_from(obj, recursive=True)
        answer = lua.execute(self._scripts[f"resource.customizations.health.moorage.dev_{obj['kind']}"])
        return str(answer["status"]), str(answer["message"])


@pytest.fixture(scope="module")
def health() -> Health:
    """The scripts of examples/argocd."""
    return Health(EXAMPLES / "argocd/argocd-cm.yaml")


def test_scripts_are_run_by_the_lua_that_argo_cd_speaks() -> None:
    assert [dialect().lua_version for dialect in DIALECTS] == [(5, 1), (5, 5)]


def test_recorded_deployment_and_its_environment_are_healthy(
    health: Health, workspace: Workspaces, operators: Operators
) -> None:
    operators.ensure()
    here = workspace("production")
    here.create_deployment("production", "web", "1")
    deployment = eventually(lambda: _with_condition(here, "deployments", "production.web", "Ready", "True"))
    assert health.of(deployment)[0] == "Healthy"
    environment = eventually(lambda: _with_condition(here, "environments", "production", "Ready", "True"))
    assert health.of(environment)[0] == "Healthy"


def test_deployment_without_its_environment_is_waited_for(
    health: Health, workspace: Workspaces, operators: Operators
) -> None:
    operators.ensure()
    here = workspace()
    here.create_deployment("production", "web", "1")
    deployment = eventually(lambda: _with_condition(here, "deployments", "production.web", "Ready", "False"))
    status, message = health.of(deployment)
    assert (status, message.split(":")[0]) == ("Progressing", "EnvironmentNotFound")


def test_what_nobody_has_recorded_is_in_progress(
    health: Health, workspace: Workspaces, operators: Operators, cluster: LiveCluster
) -> None:
    operators.ensure()
    here = workspace("production")
    here.create_deployment("production", "web", "1")
    eventually(lambda: _with_condition(here, "deployments", "production.web", "Ready", "True"))
    operators.stop()
    here.set_release("production.web", "2")
    # An Environment and a Deployment that no operator has ever seen, and one whose last change is waiting.
    here.create_environment("staging")
    here.create_deployment("staging", "web", "1")
    for plural, name in (
        ("deployments", "production.web"),
        ("deployments", "staging.web"),
        ("environments", "staging"),
    ):
        found = here.get(plural, name)
        assert found is not None
        assert health.of(found)[0] == "Progressing", name


def test_refused_record_is_a_fault(
    health: Health, workspace: Workspaces, operators: Operators, cluster: LiveCluster
) -> None:
    operators.ensure()
    here = workspace("production")
    quota = {"hard": {"count/deploymentrecords.moorage.dev": "0"}}
    metadata = {"name": "no-records", "namespace": here.namespace}
    cluster.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": quota})
    path = f"/api/v1/namespaces/{here.namespace}/resourcequotas/no-records"
    eventually(lambda: cluster.raw("GET", path).json().get("status", {}).get("hard"), 60)
    here.create_deployment("production", "web", "1")
    deployment = eventually(lambda: _with_condition(here, "deployments", "production.web", "Stalled", "True"), 60)
    status, message = health.of(deployment)
    assert (status, message.split(":")[0]) == ("Degraded", "RecordRefused")


def test_incomplete_history_is_healthy_and_says_so(health: Health, workspace: Workspaces, operators: Operators) -> None:
    operators.ensure()
    here = workspace("production")
    here.create_deployment("production", "web", "1")
    deployment = eventually(lambda: _with_condition(here, "deployments", "production.web", "Ready", "True"))
    for condition in deployment["status"]["conditions"]:
        if condition["type"] == "HistoryComplete":
            condition |= {"status": "False", "reason": "ChangedWithoutPolicy", "message": "by whom is not known"}
    assert health.of(deployment) == ("Healthy", "ChangedWithoutPolicy: by whom is not known")


def _with_condition(here: Workspace, plural: str, name: str, kind: str, status: str) -> Object | None:
    found = here.get(plural, name)
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return found if any(one["type"] == kind and one["status"] == status for one in conditions) else None


def _deploy_script(path: Path) -> str:
    job = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "jobs" in job:
        return str(next(step["run"] for step in job["jobs"]["deploy"]["steps"] if step["name"] == "Deploy"))
    return str(job["deploy"]["script"][0])


@pytest.mark.parametrize("name", ["github-actions.yaml", "gitlab-ci.yaml"])
def test_ci_job_deploys_once_in_its_own_name(
    cluster: LiveCluster, workspace: Workspaces, facade: Facade, name: str
) -> None:
    here = workspace("production", members={"ci-bot": "moorage-deployer"})
    settings = {
        "PATH": os.environ["PATH"],
        "MOORAGE_URL": facade.service.url,
        "MOORAGE_TOKEN": cluster.token("ci-bot"),
        "WORKSPACE": f"orgs/{here.org}/workspaces/{here.name}",
        "ENVIRONMENT": "production",
        "APP": "web-shop",
        "RELEASE": "v1.4.0",
        "REASON": "https://ci.example.com/runs/17",
        "KEY": "17-web-shop-production",
    }
    runs = [_run(_deploy_script(EXAMPLES / "ci" / name), settings) for _ in range(2)]
    assert [done.returncode for done in runs] == [0, 0], runs[0].stderr
    assert json.loads(runs[0].stdout) == json.loads(runs[1].stdout)
    made = here.get("deployments", "production.web-shop")
    assert made is not None
    [entry] = made["changeLog"]["entries"]
    assert (entry["by"], entry["to"], entry["reason"]) == (cluster.username("ci-bot"), "v1.4.0", settings["REASON"])
    forbidden = _run(_deploy_script(EXAMPLES / "ci" / name), settings | {"MOORAGE_TOKEN": cluster.token("mallory")})
    assert forbidden.returncode != 0
    assert "FORBIDDEN" in forbidden.stdout


def _run(script: str, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=settings,
        timeout=patience.scaled(60),
    )
