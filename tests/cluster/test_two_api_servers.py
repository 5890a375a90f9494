"""A control plane of two API servers on one etcd: people, operators and facades use whichever they reach."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from ledger import Ledger
from oracles import check_history, records_of, settled
from services import Facade, Facades, Operators
from waiting import eventually

from moorage_dev.control_plane import ControlPlane
from moorage_dev.processes import Service
from moorage_dev.rest_client import MERGE_PATCH

APPS = [f"app-{number}" for number in range(5)]
ROUNDS = 20
#: Tries by the other API server after its first refusal.
TRIES = 50


@pytest.fixture(scope="module")
def there(cluster: LiveCluster, control_plane: ControlPlane) -> Iterator[LiveCluster]:
    """The cluster by its second API server, where the policies are in force."""
    endpoint = control_plane.start_other_api_server()
    made = Workspaces(cluster)
    try:
        other = cluster.through(endpoint)
        probe = replace(made(), cluster=other)
        eventually(lambda: _is_stamped(probe), timeout=60)
        yield other
        other.client.close()
    finally:
        control_plane.stop_other_api_server()
        made.clean()


def _is_stamped(space: Workspace) -> bool:
    """Whether a new Deployment gets its log entry. A young API server compiles the policies first."""
    spec = {"environment": "production", "app": "probe", "release": "v1"}
    body = {"apiVersion": "moorage.dev/v1", "kind": "Deployment", "metadata": {"name": "production.probe"}}
    answer = space.cluster.raw("POST", space.path("deployments") + "?dryRun=All", body={**body, "spec": spec})
    return answer.status == 201 and "changeLog" in answer.json()


def _settings(cluster: LiveCluster, account: str) -> dict[str, str]:
    """Of a process that speaks to the API server that `cluster` means."""
    token = cluster.service_account_token("moorage-system", account)
    return {"MOORAGE_KUBECONFIG": str(cluster.kubeconfig(account, token))}


def test_facades_of_both_servers_give_one_answer(
    there: LiveCluster, operator: Service, facade: Facade, facades: Facades, workspace: Workspaces
) -> None:
    space = workspace("staging")
    other = facades.start(_settings(there, "moorage-api"))
    replicas = (facade, other)
    for replica in replicas:
        eventually(lambda: replica.call("GET", f"{space.rest}/staging").status == 200)  # noqa: B023 — used up at once
    for number in range(ROUNDS):
        headers = {"Idempotency-Key": f"key-{number}"}
        body = {"app_id": "checkout", "release_id": f"v{number}"}

        def deploy(index: int, body: object = body, headers: dict[str, str] = headers) -> tuple[int, bytes, str]:
            answer = replicas[index % 2].call("POST", f"{space.rest}/staging/deploy", body=body, headers=headers)
            return answer.status, answer.body, answer.headers.get("x-resource-version", "")

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(deploy, range(4)))
        assert {status for status, _, _ in answers} == {200}, answers
        assert len({content for _, content, _ in answers}) == 1
        for replica, (_, _, version) in product(replicas, answers):
            seen = replica.call("GET", f"{space.rest}/staging", headers={"X-Resource-Version": version})
            assert seen.json()["active_deployments"] == {"checkout": f"v{number}"}


@pytest.mark.parametrize("door", ["rest", "kubectl"])
def test_lock_of_one_server_holds_at_the_other_once_its_watch_has_it(
    door: str,
    there: LiveCluster,
    operator: Service,
    facade: Facade,
    workspace: Workspaces,
    figures: Callable[[str], None],
) -> None:
    here = workspace("production")
    elsewhere = replace(here, cluster=there)
    here.create_deployment("production", "web", "v0")
    eventually(lambda: facade.call("GET", f"{here.rest}/production").status == 200)
    if door == "rest":
        answer = facade.call("PUT", f"{here.rest}/production/lock", body={"reason": "audit"})
        assert answer.status in {200, 201}, answer.body
    else:
        spec = {"reason": "audit", "environment": "production"}
        body = {"apiVersion": "moorage.dev/v1", "kind": "EnvironmentLock", "metadata": {"name": "production"}}
        answer = here.cluster.raw("POST", here.path("environmentlocks"), body={**body, "spec": spec})
        assert answer.status == 201, answer.body
    tried = iter(range(1, 1_000))

    def is_refused() -> bool:
        body = {"spec": {"release": f"v{next(tried)}"}}
        path = elsewhere.path("deployments", "production.web")
        refused = there.raw("PATCH", path, user="alice", body=body, content_type=MERGE_PATCH)
        assert refused.status == 200 or b"is locked" in refused.body, refused.body
        return refused.status != 200

    eventually(is_refused, interval=0)
    passed = next(tried) - 2
    assert all(is_refused() for _ in range(TRIES))
    figures(f"lock by {door}: {passed} changes passed at the other API server before its watch had it")


def test_history_is_whole_when_the_api_server_of_the_recorder_dies(
    cluster: LiveCluster,
    there: LiveCluster,
    control_plane: ControlPlane,
    no_operator: Operators,
    workspace: Workspaces,
) -> None:
    """Writers change sides with each change; then the server of the operator that holds the Lease is killed."""
    shop = workspace("production")
    sides = (shop, replace(shop, cluster=there))
    no_operator.start(_settings(there, "moorage-operator"))
    no_operator.start()
    ledger = Ledger(cluster)
    for app in APPS:
        ledger.create(shop, "production", app, "v0")
    for number in range(ROUNDS):
        for index, app in enumerate(APPS):
            user = ("alice", "bob")[number % 2]
            ledger.insist(sides[(number + index) % 2], f"production.{app}", f"v1.{number}", user=user)
    control_plane.stop_other_api_server()
    for number in range(ROUNDS):
        for app in APPS:
            ledger.insist(shop, f"production.{app}", f"v2.{number}")
    eventually(lambda: settled(shop) and len(records_of([shop])) >= ledger.count, timeout=60)
    assert ledger.count == len(APPS) * (1 + 2 * ROUNDS)
    check_history(ledger, records_of([shop]))
