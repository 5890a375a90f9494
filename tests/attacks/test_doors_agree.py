"""Calls that meet at two replicas and at the API server: locks, deletions, labels that churn."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from api_server_proxy import ApiServerProxy, Fault
from cluster import ADMIN, LiveCluster, Workspace, Workspaces
from services import Facade, Facades, Operators
from waiting import eventually

from moorage_dev import patience

MERGE = "application/merge-patch+json"
HOLDER = "example.com/hold"
#: How often calls meet. A race that is lost once in ten is lost here with near certainty.
ROUNDS = 60


@pytest.fixture
def replicas(facade: Facade, facades: Facades) -> list[Facade]:
    """Two facades of one cluster."""
    return [facade, facades.start()]


def patch(cluster: LiveCluster, space: Workspace, plural: str, name: str, body: object, user: str = ADMIN) -> None:
    answer = cluster.raw("PATCH", space.path(plural, name), user=user, body=body, content_type=MERGE)
    assert answer.status == 200, answer.body


def hold(cluster: LiveCluster, space: Workspace, plural: str, name: str, *finalizers: str) -> None:
    patch(cluster, space, plural, name, {"metadata": {"finalizers": list(finalizers) or None}})


def known(facades: list[Facade], path: str) -> None:
    """Every replica has heard of it."""
    for facade in facades:
        eventually(lambda: facade.call("GET", path, user=ADMIN).status == 200)  # noqa: B023 — used up at once


@contextmanager
def churning(
    cluster: LiveCluster, space: Workspace, plural: str, name: str, clients: int
) -> Iterator[Callable[[], int]]:
    """Clients that change an annotation as fast as they can; yields how often they did."""
    ended, done = threading.Event(), [0] * clients

    def work(client: int) -> None:
        while not ended.is_set():
            body = {"metadata": {"annotations": {f"client-{client}": str(done[client])}}}
            answer = cluster.raw("PATCH", space.path(plural, name), body=body, content_type=MERGE)
            assert answer.status in {200, 404}, answer.body
            done[client] += 1

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(work, client) for client in range(clients)]
        try:
            yield lambda: sum(done)
        finally:
            ended.set()
            for task in running:
                task.result()


# --- what finalizers hold


@pytest.mark.usefixtures("operator")
def test_what_finalizers_hold_is_the_same_by_both_doors(
    cluster: LiveCluster, facade: Facade, workspace: Workspaces
) -> None:
    space = workspace("blind")
    known([facade], f"{space.rest}/blind")
    body = {"app_id": "app", "release_id": "v1"}
    assert facade.call("POST", f"{space.rest}/blind/deploy", body=body).status == 200
    hold(cluster, space, "deployments", "blind.app", HOLDER)

    deleted = facade.insist("DELETE", f"{space.rest}/blind")
    shown = facade.call("GET", f"{space.rest}/blind")
    deployed = facade.call("POST", f"{space.rest}/blind/deploy", body={"app_id": "app", "release_id": "evil"})

    details = {"reason": "BeingDeleted", "finalizers": [HOLDER]}
    assert (deleted.status, deleted.json()["details"]) == (409, {**details, "remaining": ["app"]})
    assert shown.status == 200
    assert (deployed.status, deployed.json()["details"]) == (409, {**details, "app_id": "app"})
    assert "is being deleted" in deployed.json()["message"]
    hold(cluster, space, "deployments", "blind.app")
    eventually(lambda: facade.call("DELETE", f"{space.rest}/blind").status == 200)
    assert (space.list("environments"), space.list("deployments")) == ([], [])


def test_environment_and_lock_that_are_held_are_not_said_to_be_gone(
    cluster: LiveCluster, facade: Facade, workspace: Workspaces
) -> None:
    space = workspace("staging")
    known([facade], f"{space.rest}/staging")
    assert facade.call("PUT", f"{space.rest}/staging/lock", body={"reason": "audit"}).status == 200
    hold(cluster, space, "environmentlocks", "staging", HOLDER)

    unlocked = facade.call("DELETE", f"{space.rest}/staging/lock")
    locked = facade.call("GET", f"{space.rest}/staging").json()["lock"]
    hold(cluster, space, "environmentlocks", "staging")
    eventually(lambda: facade.call("GET", f"{space.rest}/staging").json()["lock"] is None)
    hold(cluster, space, "environments", "staging", HOLDER)
    deleted = facade.call("DELETE", f"{space.rest}/staging")
    shown = facade.call("GET", f"{space.rest}/staging").json()
    again = facade.call("POST", space.rest, body={"name": "New", "slug": "staging"})
    hold(cluster, space, "environments", "staging")

    details = {"reason": "BeingDeleted", "finalizers": [HOLDER]}
    assert (unlocked.status, unlocked.json()["details"]) == (409, details)
    assert locked["reason"] == "audit"
    assert (deleted.status, deleted.json()["details"]) == (409, details)
    assert shown["deleting"] is True
    assert (again.status, again.json()["details"]) == (409, {**details, "environment": "staging"})
    eventually(lambda: facade.call("POST", space.rest, body={"name": "New", "slug": "staging"}).status == 201)


# --- locks


def test_lock_holds_from_its_answer_at_every_replica(
    cluster: LiveCluster, replicas: list[Facade], workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    space = workspace("staging")
    path = f"{space.rest}/staging"
    known(replicas, path)
    passed = 0
    with churning(cluster, space, "environments", "staging", 5):
        for number in range(ROUNDS):
            locking, deploying = replicas[number % 2], replicas[number // 2 % 2]
            locked = locking.call("PUT", f"{path}/lock", body={"reason": "audit"})
            deployed = deploying.call(
                "POST", f"{path}/deploy", user="bob", body={"app_id": "checkout", "release_id": f"v{number}"}
            )
            unlocked = locking.call("DELETE", f"{path}/lock")
            assert (locked.status, unlocked.status) == (200, 200), (locked.body, unlocked.body)
            assert deployed.status in {200, 409}, deployed.body
            passed += deployed.status == 200

    figures(f"{passed} of {ROUNDS} deploys passed after the lock was answered")
    assert passed == 0
    assert space.list("deployments") == []


# --- a deploy and the removal of its environment


def _removal(facade: Facade, path: str) -> int:
    """The status of a removal; on a busy machine the same call finishes it, and the environment may be gone by then."""
    first = facade.call("DELETE", path).status
    if first != 503:
        return first
    again = facade.insist("DELETE", path).status
    return 200 if again == 404 else again


def test_deploy_and_removal_at_once_leave_nothing_deployed(
    replicas: list[Facade], workspace: Workspaces, operators: Operators, figures: Callable[[str], None]
) -> None:
    operators.ensure()
    space = workspace()
    seen: dict[tuple[int, int], int] = {}
    with ThreadPoolExecutor(2) as pool:
        for number in range(ROUNDS):
            slug = f"o{number}"
            path = f"{space.rest}/{slug}"
            space.create_environment(slug)
            known(replicas, path)
            removing, deploying = replicas[number % 2], replicas[number // 2 % 2]
            removal = pool.submit(_removal, removing, path)
            late = {"app_id": "late", "release_id": "1"}
            deploy = pool.submit(deploying.insist, "POST", f"{path}/deploy", body=late)
            statuses = (removal.result(), deploy.result().status)
            assert statuses[0] == 200
            assert statuses[1] in {200, 404, 409}, deploy.result().body
            seen[statuses] = seen.get(statuses, 0) + 1
            left = space.get("deployments", f"{slug}.late")
            assert left is None or "release" not in left["spec"], (statuses, left)

    figures(f"(removal, deploy) {dict(sorted(seen.items()))}; nothing stayed deployed")


# --- labels that churn


def test_labels_that_change_all_the_time_starve_no_write(
    cluster: LiveCluster, facade: Facade, workspace: Workspaces, operators: Operators, figures: Callable[[str], None]
) -> None:
    operators.ensure()
    space = workspace("staging")
    path = f"{space.rest}/staging"
    known([facade], path)
    answers: list[Any] = [facade.call("POST", f"{path}/deploy", body={"app_id": "checkout", "release_id": "v0"})]
    with churning(cluster, space, "deployments", "staging.checkout", 4) as count:
        eventually(lambda: count() > 20)
        begun, before = time.monotonic(), count()
        for number in range(1, 13):
            body = {"app_id": "checkout", "release_id": f"v{number}", "expected_release_id": f"v{number - 1}"}
            answers.append(facade.call("POST", f"{path}/deploy", body=body))
        answers.append(facade.call("DELETE", f"{path}/deploy/checkout"))
        rate = (count() - before) / (time.monotonic() - begun)

    figures(f"{len(answers)} changes, all answered 200, among {rate:.0f} changes of annotations a second")
    assert [answer.status for answer in answers] == [200] * 14
    lines = eventually(
        lambda: (
            (found := facade.call("GET", f"{path}/deployments").json()["deployments"]) and len(found) == 14 and found
        )
    )
    assert [line["sequence"] for line in lines] == list(range(14, 0, -1))


# --- what is away


def test_frozen_api_server_is_noticed_and_reads_go_on_while_the_caller_is_believed(
    cluster: LiveCluster, facades: Facades, workspace: Workspaces, proxy: ApiServerProxy
) -> None:
    space = workspace("staging")
    facade = facades.start(proxy.settings(cluster))
    path = f"{space.rest}/staging"
    known([facade], path)
    assert facade.call("GET", path).status == 200
    proxy.freeze()
    proxy.fault = lambda _seen: Fault(hang=True)

    begun = time.monotonic()
    warned = eventually(lambda: (answer := facade.call("GET", path)).headers.get("warning") and answer, 9)
    refused = eventually(lambda: (answer := facade.call("GET", path)).status == 503 and answer, 30)
    ended = time.monotonic() - begun

    assert (warned.status, refused.json()["details"]) == (200, {"reason": "ClusterUnavailable"})
    assert int(warned.headers["age"]) >= 2
    # 10 s of belief, and 3 s until a review is given up; the rest is the machine's.
    assert ended < patience.scaled(20)


def test_removal_without_an_operator_is_answered_soon_and_finished_by_the_same_call(
    facade: Facade, workspace: Workspaces, no_operator: Operators
) -> None:
    space = workspace("staging")
    path = f"{space.rest}/staging"
    known([facade], path)
    assert facade.call("POST", f"{path}/deploy", body={"app_id": "web", "release_id": "v1"}).status == 200

    begun = time.monotonic()
    refused = facade.call("DELETE", path)
    seconds = time.monotonic() - begun
    no_operator.ensure()
    finished = eventually(lambda: (answer := facade.call("DELETE", path)).status != 503 and answer, 30)

    assert (refused.status, refused.json()["details"]) == (503, {"reason": "Busy", "remaining": ["web"]})
    assert "repeat the call" in refused.json()["message"]
    # 4 s on a machine of its own; clients give up at 10.
    assert seconds < patience.scaled(8)
    assert finished.status == 200
