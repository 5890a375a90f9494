"""What docs/delivery.md says of Flux: its controllers carry what stands in the ConfigMap of an Environment."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bringing import judged_while
from cluster import Workspace, Workspaces
from flux_objects import Objects, Workloads
from following import following, keeping_config_maps
from git_server import Repository
from gitops import EXAMPLES, example
from rest_delivery import deploy, rollouts, undeploy
from services import Facade, Operators
from waiting import eventually

from moorage_dev.engines.flux import Flux

FOLDER = "delivery/configmap"
EXAMPLE = f"{FOLDER}/flux.yaml"
#: Seconds until Flux has done what follows from a change; the example looks by itself every ten minutes.
PATIENCE = 60.0


@pytest.fixture
def here(workspace: Workspaces, operators: Operators, repository: Repository) -> Workspace:
    """The Environment of the example with web and api, and the folder of the example in Git."""
    operators.ensure()
    made = workspace()
    keeping_config_maps(made)
    environment = example(f"{FOLDER}/environment.yaml", "Environment", "production")
    environment["metadata"]["namespace"] = made.namespace
    made.cluster.apply(environment)
    for app in ("api", "web"):
        made.create_deployment("production", app, f"{app}-1")
    files = {
        f"{made.namespace}/{path.relative_to(EXAMPLES)}": path.read_text(encoding="utf-8").replace(
            "acme-shop", made.namespace
        )
        for path in sorted((EXAMPLES / FOLDER).rglob("*.*"))
    }
    repository.commit(files)
    return made


@pytest.fixture
def following_flux(flux: Flux, here: Workspace, operators: Operators, repository: Repository) -> Iterator[Workloads]:
    """Flux runs and reads the repository; an operator follows workloads."""
    assert flux.logs()
    source = example("flux/environments.yaml", "GitRepository", "shop")
    source["metadata"]["namespace"] = here.namespace
    source["spec"] |= {"url": repository.url}
    here.cluster.apply(source)
    with following(operators, here.cluster, ["deployments.apps"]):
        yield Workloads(here)


def declare(here: Workspace, kind: str) -> None:
    """The object of the example."""
    found = example(EXAMPLE, kind, "shop")
    found["metadata"]["namespace"] = here.namespace
    if kind == "Kustomization":
        found["spec"]["path"] = f"./{here.namespace}/{FOLDER}/kustomize"
    else:
        found["spec"]["chart"]["spec"]["chart"] = f"./{here.namespace}/{FOLDER}/helm"
    here.cluster.apply(found)


def test_kustomization_carries_what_the_config_map_says(
    following_flux: Workloads, here: Workspace, facade: Facade, tmp_path: Path
) -> None:
    workloads, kustomizations = following_flux, Objects(here.cluster, "kustomizations", here.namespace)
    declare(here, "Kustomization")
    eventually(lambda: workloads.images() == {"web": "web:web-1"}, PATIENCE)
    # The example waits for what it brings; nobody has started pods yet.
    assert not kustomizations.is_ready("shop")
    eventually(lambda: workloads.run() and kustomizations.is_ready("shop"), PATIENCE)
    eventually(lambda: rollouts(facade, here, "production") == {"web": "Healthy"}, PATIENCE)
    uids = workloads.uids()

    kind = "kustomizations.kustomize.toolkit.fluxcd.io"
    with judged_while(here.cluster, tmp_path, kind, (here.namespace, "shop"), (here.namespace, "web")):
        deploy(facade, here, "production", "web", "web-2")
        eventually(lambda: workloads.images() == {"web": "web:web-2"}, PATIENCE)
        eventually(lambda: rollouts(facade, here, "production") == {"web": "Progressing"}, PATIENCE)
        eventually(lambda: workloads.run() and kustomizations.is_ready("shop"), PATIENCE)
        eventually(lambda: rollouts(facade, here, "production") == {"web": "Healthy"}, PATIENCE)

    # A template that still names what was undeployed is an error and not an empty image.
    undeploy(facade, here, "production", "web")
    eventually(lambda: "RELEASE_WEB" in kustomizations.complaint("shop"), PATIENCE)
    assert workloads.images() == {"web": "web:web-2"}
    deploy(facade, here, "production", "web", "web-3")
    eventually(lambda: workloads.images() == {"web": "web:web-3"}, PATIENCE)
    eventually(lambda: workloads.run() and kustomizations.is_ready("shop"), PATIENCE)
    assert workloads.uids() == uids


def test_helm_release_carries_what_the_config_map_says_and_drops_what_is_undeployed(
    following_flux: Workloads, here: Workspace, facade: Facade
) -> None:
    workloads, releases = following_flux, Objects(here.cluster, "helmreleases", here.namespace)
    declare(here, "HelmRelease")
    eventually(lambda: workloads.images() == {"api": "api:api-1", "web": "web:web-1"}, PATIENCE)
    eventually(lambda: workloads.run() and releases.is_ready("shop"), PATIENCE)
    uids = workloads.uids()

    deploy(facade, here, "production", "web", "web-2")
    eventually(lambda: workloads.images() == {"api": "api:api-1", "web": "web:web-2"}, PATIENCE)
    eventually(lambda: workloads.run() and releases.is_ready("shop"), PATIENCE)
    eventually(lambda: rollouts(facade, here, "production") == {"api": "Healthy", "web": "Healthy"}, PATIENCE)

    undeploy(facade, here, "production", "api")
    eventually(lambda: workloads.images() == {"web": "web:web-2"}, PATIENCE)
    eventually(lambda: workloads.run() and releases.is_ready("shop"), PATIENCE)
    assert workloads.uids() == {"web": uids["web"]}
