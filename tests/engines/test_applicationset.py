"""What docs/delivery.md says of Argo CD: its applicationset-controller asks the facade for the set of the example."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_server_proxy import ApiServerProxy
from application_sets import CHART, ENVIRONMENTS, ReleaseSet, Workload, chart
from bringing import judged_while
from cluster import LiveCluster, Workspace, Workspaces
from following import following
from git_server import Repository
from rest_delivery import answers, deploy, rollouts
from services import Facade, Operators
from targets import given_up, rolled_out
from waiting import eventually

from moorage_dev.engines import argocd as engine
from moorage_dev.engines.argocd import ArgoCD

Object = dict[str, Any]
#: Seconds until Argo CD has asked and done what follows; it asks every two.
PATIENCE = 60.0
#: The facade's name for the question of Argo CD.
GET_PARAMS = "getParams"


@pytest.fixture
def here(workspace: Workspaces, operators: Operators) -> Workspace:
    """web and api in staging, web in production."""
    operators.ensure()
    made = workspace()
    for environment in ENVIRONMENTS:
        parameters = {"cluster": "in-cluster", "domain": f"{environment}.example.com"}
        delivery = {"namespaces": [engine.NAMESPACE]}
        made.create_environment(environment, parameters=parameters, delivery=delivery)
        made.create_deployment(environment, "web", "web-1")
    made.create_deployment("staging", "api", "api-1")
    return made


#: What is active at first, and so is made of it.
ALL = {"staging-web": "web-1", "staging-api": "api-1", "production-web": "web-1"}


@pytest.fixture
def releases(argocd: ArgoCD, here: Workspace, facade: Facade, repository: Repository) -> Iterator[ReleaseSet]:
    """The set, and an Application of it for each active release."""
    assert argocd.logs()
    made = ReleaseSet(here, facade, repository)
    try:
        eventually(lambda: made.releases() == ALL, PATIENCE)
        yield made
    finally:
        made.clean()


def test_applications_follow_what_is_released(releases: ReleaseSet, here: Workspace, facade: Facade) -> None:
    deploy(facade, here, "staging", "web", "web-2")
    expected = ALL | {"staging-web": "web-2"}
    eventually(lambda: releases.releases() == expected, PATIENCE)
    deploy(facade, here, "production", "api", "api-1")
    expected |= {"production-api": "api-1"}
    eventually(lambda: releases.releases() == expected, PATIENCE)
    before = releases.uids()
    assert facade.call("DELETE", f"{here.rest}/staging/deploy/api").status == 200
    del expected["staging-api"]
    eventually(lambda: releases.releases() == expected, PATIENCE)
    # Exactly that one is gone; the others are not new ones.
    assert releases.uids() == {name: uid for name, uid in before.items() if name != "staging-api"}
    assert releases.complaint() == ""


def test_fifteen_lines_make_the_same(argocd: ArgoCD, here: Workspace, facade: Facade, repository: Repository) -> None:
    assert argocd.logs()
    repository.commit(chart("web"))
    made = ReleaseSet(here, facade, repository, shortest=True)
    try:
        eventually(lambda: made.releases() == ALL, PATIENCE)
        web = Workload(here, "production")
        eventually(lambda: web.image() == "registry.example.com/app:web-1", PATIENCE)
        deploy(facade, here, "production", "web", "web-2")
        eventually(lambda: web.image() == "registry.example.com/app:web-2", PATIENCE)
        assert facade.call("DELETE", f"{here.rest}/staging/deploy/api").status == 200
        eventually(lambda: made.releases() == {"staging-web": "web-1", "production-web": "web-2"}, PATIENCE)
    finally:
        made.clean()


def test_facade_that_is_not_certain_changes_nothing(
    argocd: ArgoCD, here: Workspace, repository: Repository, proxied: tuple[ApiServerProxy, Facade]
) -> None:
    assert argocd.logs()
    proxy, facade = proxied
    made = ReleaseSet(here, facade, repository)
    try:
        eventually(lambda: made.releases() == ALL, PATIENCE)
        before = made.uids()
        proxy.cut()
        eventually(lambda: answers(facade, GET_PARAMS, "503") > 0, PATIENCE)
        here.set_release("staging.web", "web-2")
        here.set_release("staging.api", None)
        count = answers(facade, GET_PARAMS, "503")

        def refused_again() -> bool:
            made.refresh()
            return answers(facade, GET_PARAMS, "503") > count

        eventually(refused_again, PATIENCE, interval=1)
        eventually(lambda: "503" in made.complaint() or "not been heard of" in made.complaint(), PATIENCE)
        assert (made.releases(), made.uids()) == (ALL, before)
        proxy.mend()
        expected = {"staging-web": "web-2", "production-web": "web-1"}
        eventually(lambda: made.arrived(expected), PATIENCE, interval=1)
        assert made.uids() == {name: uid for name, uid in before.items() if name != "staging-api"}
    finally:
        made.clean()


def test_what_became_of_a_release_comes_back_from_the_application(
    releases: ReleaseSet,
    here: Workspace,
    facade: Facade,
    operators: Operators,
    repository: Repository,
    tmp_path: Path,
) -> None:
    repository.commit(chart("web"))
    cluster, kind = here.cluster, "applications.argoproj.io"
    web = Workload(here, "production")
    eventually(lambda: web.image() == "registry.example.com/app:web-1", PATIENCE)
    brought = (engine.NAMESPACE, f"{releases.name}-production-web"), (f"{here.namespace}-production", "app")
    with following(operators, cluster, [kind]), judged_while(cluster, tmp_path, kind, *brought):
        web.report(rolled_out)
        eventually(lambda: rollouts(facade, here, "production").get("web") == "Healthy", PATIENCE)

        deploy(facade, here, "production", "web", "web-2")
        eventually(lambda: web.image() == "registry.example.com/app:web-2", PATIENCE)
        # The pods of the release before are still there, and nobody has said more.
        eventually(lambda: rollouts(facade, here, "production").get("web") == "Progressing", PATIENCE)
        web.report(rolled_out)
        eventually(lambda: rollouts(facade, here, "production").get("web") == "Healthy", PATIENCE)

        deploy(facade, here, "production", "web", "web-3")
        eventually(lambda: web.image() == "registry.example.com/app:web-3", PATIENCE)
        web.report(given_up)
        eventually(lambda: rollouts(facade, here, "production").get("web") in {"Failed", "Degraded"}, PATIENCE)

        answer = facade.call("POST", f"{here.rest}/production/deploy/web/rollback", body={})
        assert answer.status == 200, answer.body
        eventually(lambda: web.image() == "registry.example.com/app:web-2", PATIENCE)
        web.report(rolled_out)
        eventually(lambda: rollouts(facade, here, "production").get("web") == "Healthy", PATIENCE)
        lines = facade.call("GET", f"{here.rest}/production/deployments?app_id=web").json()["deployments"]
        assert [(line["release_id"], line["outcome"]) for line in lines] == [
            ("web-2", "healthy"),
            ("web-3", "failed"),
            ("web-2", "healthy"),
            ("web-1", "healthy"),
        ]


def test_a_release_that_was_refused_is_not_healthy_because_argo_cd_calls_it_synced(
    argocd: ArgoCD,
    here: Workspace,
    facade: Facade,
    operators: Operators,
    repository: Repository,
    tmp_path: Path,
) -> None:
    assert argocd.logs()
    # The selector of a Deployment never changes: the dry run of web-2 is refused.
    selector = '{app: {{ ternary "other" "app" (eq .Values.image.tag "web-2") }}}'
    template = CHART["templates/app.yaml"].replace("{app: app}", selector)
    repository.commit(chart("web") | {"apps/web/templates/app.yaml": template})
    cluster, kind = here.cluster, "applications.argoproj.io"
    made = ReleaseSet(here, facade, repository, server_side_diff=True)
    web = Workload(here, "production")
    brought = (engine.NAMESPACE, f"{made.name}-production-web"), (f"{here.namespace}-production", "app")
    try:
        eventually(lambda: web.image() == "registry.example.com/app:web-1", PATIENCE)
        with (
            following(operators, cluster, [kind]),
            judged_while(cluster, tmp_path, kind, *brought, story="refused"),
        ):
            web.report(rolled_out)
            eventually(lambda: rollouts(facade, here, "production").get("web") == "Healthy", PATIENCE)
            deploy(facade, here, "production", "web", "web-2")
            eventually(lambda: made.synced("production-web", "web-2"), PATIENCE)
            assert web.image() == "registry.example.com/app:web-1"
            eventually(lambda: rollouts(facade, here, "production").get("web") == "Progressing", PATIENCE)
            deploy(facade, here, "production", "web", "web-3")
            eventually(lambda: web.image() == "registry.example.com/app:web-3", PATIENCE)
            web.report(rolled_out)
            eventually(lambda: rollouts(facade, here, "production").get("web") == "Healthy", PATIENCE)
    finally:
        made.clean()


def test_releases_arrive_soon_where_the_set_asks_to_be_told(
    argocd: ArgoCD,
    here: Workspace,
    facade: Facade,
    repository: Repository,
    operators: Operators,
    figures: Callable[[str], None],
) -> None:
    assert argocd.logs()
    with following(operators, here.cluster, [], refreshes=["applicationsets.argoproj.io"]):
        made = ReleaseSet(here, facade, repository, every=1800)
        try:
            eventually(lambda: made.releases() == ALL, PATIENCE)
            seconds = sorted(_arrival(made, here, facade, f"told-{number}") for number in range(20))
            assert facade.call("DELETE", f"{here.rest}/staging/deploy/api").status == 200
            eventually(lambda: "staging-api" not in made.releases(), PATIENCE)
        finally:
            made.clean()
    figures(
        f"{len(seconds)} releases, from the answer of REST until the Application carries it: median "
        f"{seconds[10]:.1f} s, p95 {seconds[18]:.1f} s, longest {seconds[-1]:.1f} s; asked every 30 minutes otherwise"
    )


def _arrival(made: ReleaseSet, here: Workspace, facade: Facade, release: str) -> float:
    """Deploy; seconds until the Application carries the release."""
    deploy(facade, here, "production", "web", release)
    began = time.monotonic()
    eventually(lambda: made.releases()["production-web"] == release, PATIENCE)
    return time.monotonic() - began


def test_refused_account_changes_nothing_and_is_told_so(
    releases: ReleaseSet, here: Workspace, cluster: LiveCluster, facade: Facade
) -> None:
    before = releases.releases()
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{here.namespace}/rolebindings"
    found = cluster.raw("GET", bindings).json()["items"]
    [binding] = [one for one in found if one["roleRef"]["name"] == "moorage-view"]
    assert cluster.raw("DELETE", f"{bindings}/{binding['metadata']['name']}").status == 200
    eventually(lambda: "403" in releases.complaint(), PATIENCE)
    here.set_release("staging.web", "web-2")
    refused = answers(facade, GET_PARAMS, "403")
    releases.refresh()
    eventually(lambda: answers(facade, GET_PARAMS, "403") > refused, PATIENCE)
    assert releases.releases() == before
    for field in ("resourceVersion", "uid"):
        del binding["metadata"][field]
    assert cluster.raw("POST", bindings, body=binding).status == 201

    eventually(lambda: releases.arrived(before | {"staging-web": "web-2"}), PATIENCE, interval=2)
    eventually(lambda: releases.complaint() == "", PATIENCE)
