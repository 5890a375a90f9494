"""From an answer of REST to pods that run the release: Argo CD and Flux beside a cluster with a real node."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from application_sets import ENVIRONMENTS, ReleaseSet, chart
from cluster import LiveCluster, Workspace, Workspaces
from flux_objects import Objects
from following import following, keeping_config_maps
from git_server import Repository
from gitops import EXAMPLES, example
from nodes import build_programs
from rest_delivery import deploy, rollouts, undeploy
from services import Facade, Facades, Operators
from waiting import eventually

from moorage_dev import binaries, modules
from moorage_dev.engines import argocd as argo
from moorage_dev.engines.argocd import ArgoCD
from moorage_dev.engines.flux import Flux
from moorage_dev.installation import install
from moorage_dev.node.cluster import NodeCluster

Object = dict[str, Any]
REGISTRY = "registry.example.com"
#: Each of them is there; there is none of `web-bad`.
IMAGES = ("app:web-1", "app:web-2", "web:web-1", "web:web-2", "api:api-1")
PATIENCE = 90.0
CONFIG_MAPS = "delivery/configmap"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[LiveCluster]:
    """Moorage is installed beside a node that has the images of the releases."""
    folder = tmp_path_factory.mktemp("pods")
    build_programs(folder, pytestconfig)
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        binaries.build(modules.ARGOCD)
        binaries.build(modules.FLUX)
    cluster = NodeCluster(folder / "cluster")
    cluster.start()
    try:
        install(cluster)
        # No registry is asked for what the node has.
        cluster.node.load_program(binaries.build(modules.NODE) / "pause", *(f"{REGISTRY}/{one}" for one in IMAGES))
        found = LiveCluster(cluster, folder)
        yield found
        found.client.close()
    finally:
        cluster.stop()


@pytest.fixture
def services(live: LiveCluster) -> Iterator[tuple[Operators, Facade]]:
    """Operators to be started, and a facade."""
    operators, facades = Operators(live), Facades(live)
    yield operators, facades.ensure()
    facades.stop()
    operators.stop()


@pytest.fixture
def workspaces(live: LiveCluster) -> Iterator[Workspaces]:
    made = Workspaces(live)
    yield made
    made.clean()


class Pods:
    """The pods of an app, as the kubelet reports them.

    Args:
        cluster: where.
        namespace: theirs.
        app: value of their label `app`.
    """

    def __init__(self, cluster: LiveCluster, namespace: str, app: str) -> None:
        self._cluster = cluster
        self._path = f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{app}"

    def all(self) -> list[Object]:
        """Each of them, also those that end."""
        return list(self._cluster.raw("GET", self._path).json()["items"])

    def run(self, image: str) -> bool:
        """Whether all of them are of this image and ready, and there are some."""
        found = self.all()
        return bool(found) and all(_is_ready(pod) and _image(pod) == f"{REGISTRY}/{image}" for pod in found)

    def wait_for(self, image: str) -> list[str]:
        """Their uids, as soon as they run this image."""
        eventually(lambda: self.run(image), PATIENCE)
        return sorted(pod["metadata"]["uid"] for pod in self.all())


def _is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any((one["type"], one["status"]) == ("Ready", "True") for one in conditions)


def _image(pod: Object) -> str:
    """By its spec: of images with one content the kubelet names any."""
    return str(pod["spec"]["containers"][0]["image"])


def test_argo_cd_brings_each_release_into_pods(
    live: LiveCluster,
    services: tuple[Operators, Facade],
    workspaces: Workspaces,
    repository: Repository,
    tmp_path: Path,
) -> None:
    operators, facade = services
    here = workspaces()
    for environment in ENVIRONMENTS:
        parameters = {"cluster": "in-cluster", "domain": f"{environment}.example.com"}
        here.create_environment(environment, parameters=parameters, delivery={"namespaces": [argo.NAMESPACE]})
        here.create_deployment(environment, "web", "web-1")
    repository.commit(chart("web"))
    settings = yaml.safe_load((EXAMPLES / "argocd/argocd-cm.yaml").read_text(encoding="utf-8"))["data"]
    engine = ArgoCD(live.underlying, tmp_path / "argocd", settings)
    engine.start()
    try:
        with following(operators, live, ["applications.argoproj.io"]):
            releases = ReleaseSet(here, facade, repository)
            try:
                _argo_cd_brings(here, facade)
            finally:
                releases.clean()
    finally:
        engine.stop()


def _argo_cd_brings(here: Workspace, facade: Facade) -> None:
    staging, production = (Pods(here.cluster, f"{here.namespace}-{name}", "app") for name in ENVIRONMENTS)
    before = staging.wait_for("app:web-1")
    production.wait_for("app:web-1")

    deploy(facade, here, "production", "web", "web-2")
    production.wait_for("app:web-2")
    eventually(lambda: rollouts(facade, here, "production") == {"web": "Healthy"}, PATIENCE)
    assert staging.wait_for("app:web-1") == before

    # A release without an image: what serves stays, nobody calls it healthy, and the rollback is.
    deploy(facade, here, "production", "web", "web-bad")
    eventually(lambda: any(_image(pod).endswith(":web-bad") for pod in production.all()), PATIENCE)
    assert rollouts(facade, here, "production")["web"] != "Healthy"
    assert any(_is_ready(pod) and _image(pod).endswith(":web-2") for pod in production.all())
    assert facade.call("POST", f"{here.rest}/production/deploy/web/rollback", body={}).status == 200
    running_again = production.wait_for("app:web-2")
    eventually(lambda: rollouts(facade, here, "production") == {"web": "Healthy"}, PATIENCE)

    undeploy(facade, here, "staging", "web")
    eventually(lambda: not staging.all(), PATIENCE)
    assert production.wait_for("app:web-2") == running_again


def test_flux_brings_each_release_into_pods(
    live: LiveCluster,
    services: tuple[Operators, Facade],
    workspaces: Workspaces,
    repository: Repository,
    tmp_path: Path,
) -> None:
    operators, facade = services
    engine = Flux(live.underlying, tmp_path / "flux")
    engine.start()
    try:
        with following(operators, live, ["deployments.apps"]):
            here = {kind: _declared(workspaces(), repository, kind) for kind in ("Kustomization", "HelmRelease")}
            _kustomize_brings(here["Kustomization"], facade)
            _helm_brings(here["HelmRelease"], facade)
    finally:
        engine.stop()


def _declared(here: Workspace, repository: Repository, kind: str) -> Workspace:
    """The Environment of the example with web and api, its folder in Git, and Flux that follows its ConfigMap."""
    keeping_config_maps(here)
    environment = example(f"{CONFIG_MAPS}/environment.yaml", "Environment", "production")
    source = example("flux/environments.yaml", "GitRepository", "shop")
    wanted = example(f"{CONFIG_MAPS}/flux.yaml", kind, "shop")
    for one in (environment, source, wanted):
        one["metadata"]["namespace"] = here.namespace
    source["spec"] |= {"url": repository.url}
    if kind == "Kustomization":
        wanted["spec"]["path"] = f"./{here.namespace}/{CONFIG_MAPS}/kustomize"
    else:
        wanted["spec"]["chart"]["spec"]["chart"] = f"./{here.namespace}/{CONFIG_MAPS}/helm"
    paths = sorted((EXAMPLES / CONFIG_MAPS).rglob("*.*"))
    texts = {path: path.read_text(encoding="utf-8").replace("acme-shop", here.namespace) for path in paths}
    repository.commit({f"{here.namespace}/{path.relative_to(EXAMPLES)}": text for path, text in texts.items()})
    here.cluster.apply(environment)
    here.create_deployment("production", "web", "web-1")
    here.create_deployment("production", "api", "api-1")
    here.cluster.apply(source, wanted)
    return here


def _kustomize_brings(here: Workspace, facade: Facade) -> None:
    web = Pods(here.cluster, here.namespace, "web")
    web.wait_for("web:web-1")
    deploy(facade, here, "production", "web", "web-2")
    web.wait_for("web:web-2")
    eventually(lambda: rollouts(facade, here, "production").get("web") == "Healthy", PATIENCE)
    assert Objects(here.cluster, "kustomizations", here.namespace).complaint("shop") == ""


def _helm_brings(here: Workspace, facade: Facade) -> None:
    web, api = (Pods(here.cluster, here.namespace, name) for name in ("web", "api"))
    web.wait_for("web:web-1")
    api.wait_for("api:api-1")
    deploy(facade, here, "production", "web", "web-2")
    running_now = web.wait_for("web:web-2")
    eventually(lambda: rollouts(facade, here, "production") == {"api": "Healthy", "web": "Healthy"}, PATIENCE)
    undeploy(facade, here, "production", "api")
    eventually(lambda: not api.all(), PATIENCE)
    assert web.wait_for("web:web-2") == running_now
