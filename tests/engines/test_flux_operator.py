"""What docs/delivery.md says of flux-operator: it asks the facade for the inputs of the example's ResourceSet."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api_server_proxy import ApiServerProxy
from bringing import judged_while
from cluster import RBAC, Workspace, Workspaces
from flux_objects import Object, Objects, Workloads, helm_repository
from following import following
from gitops import example
from rest_delivery import answers, deploy, rollouts, undeploy
from services import Facade, Operators
from waiting import eventually

from moorage_crds.kinds.refresh import ANNOTATION_FOLLOWS
from moorage_dev.engines.flux import FluxOperator

EXAMPLE = "delivery/flux/resourceset.yaml"
#: The facade's name for the question of flux-operator.
LIST_INPUTS = "listInputs"
#: Seconds until flux-operator has asked and done what follows; it asks every two.
PATIENCE = 60.0
#: Which chart an app has: one workload of its name.
_CHART = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Chart.Name }}}
spec:
  replicas: 2
  selector: {matchLabels: {app: {{ .Chart.Name }}}}
  template:
    metadata: {labels: {app: {{ .Chart.Name }}}}
    spec: {containers: [{name: app, image: "registry.example.com/{{ .Chart.Name }}:{{ .Values.image.tag }}"}]}
"""


class ReleaseSet:
    """Provider and ResourceSet of the example, for the environment production of one workspace."""

    def __init__(self, here: Workspace, facade: Facade, charts: str, *, every: str = "2s") -> None:
        self._here = here
        self._providers = Objects(here.cluster, "resourcesetinputproviders", here.namespace)
        self._releases = Objects(here.cluster, "helmreleases", here.namespace)
        provider = self._example("ResourceSetInputProvider", "moorage")
        provider["metadata"]["annotations"] |= {
            ANNOTATION_FOLLOWS: f"{here.namespace}/production",
            "fluxcd.controlplane.io/reconcileEvery": every,
        }
        base = here.rest.removesuffix("environments")
        query = provider["spec"]["url"].partition("?")[2]
        provider["spec"] |= {"url": f"{facade.service.url}{base}inputs?{query}", "insecure": True}
        secret = self._example("Secret", "moorage-token")
        secret["stringData"]["token"] = here.cluster.token("viewer")
        wanted = self._example("ResourceSet", "production")
        [template] = wanted["spec"]["resources"]
        template["metadata"]["namespace"] = here.namespace
        here.cluster.apply(*_account(here), _repository(here, charts), secret, provider, wanted)

    def _example(self, kind: str, name: str) -> Object:
        found = example(EXAMPLE, kind, name)
        found["metadata"]["namespace"] = self._here.namespace
        return found

    def releases(self) -> dict[str, str]:
        """HelmRelease without the Environment's name → release in its values."""
        return {
            one["metadata"]["name"].removeprefix("production-"): one["spec"]["values"]["image"]["tag"]
            for one in self._releases.all()
            if "deletionTimestamp" not in one["metadata"]
        }

    def uids(self) -> dict[str, str]:
        """HelmRelease without the Environment's name → uid."""
        return {
            one["metadata"]["name"].removeprefix("production-"): one["metadata"]["uid"] for one in self._releases.all()
        }

    def arrived(self, expected: dict[str, str]) -> bool:
        """Whether these are its releases; has it asked if not: after errors flux-operator waits longer and longer."""
        if self.releases() == expected:
            return True
        self.refresh()
        return False

    def refresh(self) -> None:
        """Have the facade asked for now."""
        self._providers.look_again("moorage")

    def are_ready(self) -> bool:
        """Whether Helm has brought them all in."""
        return all(self._releases.is_ready(one["metadata"]["name"]) for one in self._releases.all())

    def complaint(self) -> str:
        """What flux-operator says is wrong with the answers; empty while nothing is."""
        return self._providers.complaint("moorage")

    def clean(self) -> None:
        """Remove it; the HelmReleases go with it."""
        Objects(self._here.cluster, "resourcesets", self._here.namespace).delete("production")
        workloads = Workloads(self._here)
        # Helm removes nothing while it waits for pods.
        eventually(lambda: workloads.run() and self._releases.all() == [], PATIENCE)
        self._providers.delete("moorage")


def _account(here: Workspace) -> list[Object]:
    """Who brings the HelmReleases in."""
    metadata = {"name": "production", "namespace": here.namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        },
    ]


def _repository(here: Workspace, url: str) -> Object:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "HelmRepository",
        "metadata": {"name": "shops", "namespace": here.namespace},
        "spec": {"url": url, "interval": "1h"},
    }


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Helm repository with a chart for each app."""
    wanted = {
        app: {"Chart.yaml": f"{{apiVersion: v2, name: {app}, version: 1.0.0}}", "templates/app.yaml": _CHART}
        for app in ("api", "mail", "web")
    }
    with helm_repository(tmp_path_factory.mktemp("charts"), wanted) as url:
        yield url


@pytest.fixture
def here(workspace: Workspaces, operators: Operators) -> Workspace:
    """api and web in production."""
    operators.ensure()
    made = workspace()
    made.create_environment("production", parameters={"domain": "shop.example.com"})
    for app in ("api", "web"):
        made.create_deployment("production", app, f"{app}-1")
    return made


#: What is active at first, and so is made of it.
ALL = {"api": "api-1", "web": "web-1"}


@pytest.fixture
def releases(flux_operator: FluxOperator, here: Workspace, facade: Facade, charts: str) -> Iterator[ReleaseSet]:
    """The set, and a HelmRelease of it for each active release."""
    assert flux_operator.logs()
    made = ReleaseSet(here, facade, charts)
    try:
        eventually(lambda: made.releases() == ALL, PATIENCE)
        yield made
    finally:
        made.clean()


def test_helm_releases_follow_what_is_released(releases: ReleaseSet, here: Workspace, facade: Facade) -> None:
    workloads = Workloads(here)
    deploy(facade, here, "production", "web", "web-2")
    eventually(lambda: releases.releases() == ALL | {"web": "web-2"}, PATIENCE)
    deploy(facade, here, "production", "mail", "mail-1")
    expected = ALL | {"web": "web-2", "mail": "mail-1"}
    eventually(lambda: releases.releases() == expected, PATIENCE)
    eventually(lambda: workloads.run() and releases.are_ready(), PATIENCE)
    assert workloads.images() == {app: f"{app}:{release}" for app, release in expected.items()}
    before, pods = releases.uids(), workloads.uids()

    undeploy(facade, here, "production", "api")
    del expected["api"], before["api"], pods["api"]
    eventually(lambda: releases.releases() == expected, PATIENCE)
    # Exactly that one is gone, with what it brought; the others are not new ones.
    eventually(lambda: releases.uids() == before, PATIENCE)
    assert workloads.uids() == pods
    assert releases.complaint() == ""


def test_facade_that_is_not_certain_changes_nothing(
    flux_operator: FluxOperator, here: Workspace, charts: str, proxied: tuple[ApiServerProxy, Facade]
) -> None:
    assert flux_operator.logs()
    proxy, facade = proxied
    workloads = Workloads(here)
    made = ReleaseSet(here, facade, charts)
    try:
        eventually(lambda: made.releases() == ALL, PATIENCE)
        before = made.uids()
        proxy.cut()
        eventually(lambda: answers(facade, LIST_INPUTS, "503") > 0, PATIENCE)
        here.set_release("production.web", "web-2")
        here.set_release("production.api", None)
        count = answers(facade, LIST_INPUTS, "503")

        def refused_again() -> bool:
            made.refresh()
            return answers(facade, LIST_INPUTS, "503") > count

        eventually(refused_again, PATIENCE, interval=1)
        eventually(lambda: "503" in made.complaint(), PATIENCE)
        assert (made.releases(), made.uids()) == (ALL, before)
        proxy.mend()
        eventually(lambda: made.arrived({"web": "web-2"}), PATIENCE, interval=1)
        # Helm waits for pods that nobody has started before it takes the next step.
        eventually(lambda: workloads.run() and made.uids() == {"web": before["web"]}, PATIENCE)
    finally:
        made.clean()


def test_what_became_of_a_release_comes_back_from_the_helm_release(
    releases: ReleaseSet, here: Workspace, facade: Facade, operators: Operators, tmp_path: Path
) -> None:
    workloads, kind = Workloads(here), "helmreleases.helm.toolkit.fluxcd.io"

    def phase() -> str | None:
        return rollouts(facade, here, "production").get("web")

    eventually(lambda: workloads.images().get("web") == "web:web-1", PATIENCE)
    brought = (here.namespace, "production-web"), (here.namespace, "web")
    with following(operators, here.cluster, [kind]), judged_while(here.cluster, tmp_path, kind, *brought):
        eventually(lambda: workloads.run() and phase() == "Healthy", PATIENCE)
        deploy(facade, here, "production", "web", "web-2")
        eventually(lambda: workloads.images().get("web") == "web:web-2", PATIENCE)
        # Helm waits for pods that nobody has started yet.
        eventually(lambda: phase() == "Progressing", PATIENCE)
        eventually(lambda: workloads.run() and phase() == "Healthy", PATIENCE)
    assert releases.releases() == ALL | {"web": "web-2"}


def test_releases_arrive_soon_where_the_provider_asks_to_be_told(
    flux_operator: FluxOperator,
    here: Workspace,
    facade: Facade,
    charts: str,
    operators: Operators,
    figures: Callable[[str], None],
) -> None:
    assert flux_operator.logs()
    kind = "resourcesetinputproviders.fluxcd.controlplane.io"
    with following(operators, here.cluster, [], refreshes=[kind]):
        made = ReleaseSet(here, facade, charts, every="30m")
        try:
            eventually(lambda: made.releases() == ALL, PATIENCE)
            seconds = sorted(_arrival(made, here, facade, f"told-{number}") for number in range(20))
            undeploy(facade, here, "production", "api")
            eventually(lambda: "api" not in made.releases(), PATIENCE)
        finally:
            made.clean()
    figures(
        f"{len(seconds)} releases, from the answer of REST until the HelmRelease carries it: median "
        f"{seconds[10]:.1f} s, p95 {seconds[18]:.1f} s, longest {seconds[-1]:.1f} s; asked every 30 minutes otherwise"
    )


def _arrival(made: ReleaseSet, here: Workspace, facade: Facade, release: str) -> float:
    """Deploy; seconds until the HelmRelease carries the release."""
    deploy(facade, here, "production", "web", release)
    began = time.monotonic()
    eventually(lambda: made.releases()["web"] == release, PATIENCE)
    return time.monotonic() - began
