"""Two operators at once, one of them killed again and again: nothing is lost, nothing is there twice."""

from collections import Counter

from cluster import LiveCluster, Workspace, Workspaces
from services import Operators, is_acting
from waiting import eventually

from moorage_dev import children
from moorage_dev.rest_client import MERGE_PATCH

BINDINGS = [f"app-{number}" for number in range(6)]
ROUNDS = 4
CHANGES = 4


def test_killed_replicas_lose_nothing_and_double_nothing(
    no_operator: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("production")
    pair = [no_operator.start(), no_operator.start()]
    expected: dict[str, list[tuple[str, str]]] = {app: [] for app in BINDINGS}
    for app in BINDINGS:
        shop.create_deployment("production", app, "v0", user="alice")
        expected[app].append(("v0", cluster.username("alice")))
    for number in range(ROUNDS):
        for step in range(CHANGES):
            user = ("alice", "bob")[step % 2]
            for app in BINDINGS:
                release = f"v{number}.{step}"
                _insist(shop, f"production.{app}", release, user)
                expected[app].append((release, cluster.username(user)))
            if step == 1:
                victim = pair.pop(0)
                children.kill(victim.child)
                pair.append(no_operator.start(wait=False))

    total = sum(map(len, expected.values()))
    # A killed holder of the Lease costs two seconds per chain, never the length of the Lease.
    eventually(lambda: len(shop.records()) >= total, timeout=30)
    eventually(lambda: all(_is_recorded(item) for item in shop.list("deployments")), timeout=30)
    for app in BINDINGS:
        records = shop.records(f"production.{app}")
        assert [(spec["release"], spec["by"]) for spec in records] == expected[app]
        assert [spec["sequence"] for spec in records] == list(range(1, len(records) + 1))
        links = [spec["previousHash"] for spec in records[1:]]
        assert links == [spec["hash"] for spec in records[:-1]]
    assert max(Counter(item["metadata"]["name"] for item in shop.list("deploymentrecords")).values()) == 1


def _insist(shop: Workspace, name: str, release: str, user: str) -> None:
    """Change the release; while both replicas are gone or starting, back-pressure may refuse it for a while."""

    def is_taken() -> bool:
        body = {"spec": {"release": release}}
        answer = shop.cluster.raw(
            "PATCH", shop.path("deployments", name), user=user, body=body, content_type=MERGE_PATCH
        )
        assert answer.status == 200 or b"are not recorded yet" in answer.body, answer.body
        return answer.status == 200

    eventually(is_taken, timeout=30)


def _is_recorded(item: dict[str, object]) -> bool:
    log, status = item["changeLog"], item.get("status") or {}
    return isinstance(log, dict) and isinstance(status, dict) and log["sequence"] == status.get("recordedSequence")


def test_the_standby_takes_over_within_seconds(
    no_operator: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("production")
    holder = no_operator.start()
    # The Lease may be that of an operator that an earlier test killed.
    eventually(lambda: is_acting(holder), timeout=30)
    no_operator.start()
    children.kill(holder.child)
    shop.create_deployment("production", "web", "v1", user="alice")
    # The Lease is still the dead one's for up to 15 seconds.
    eventually(lambda: len(shop.records("production.web")) == 1, timeout=8)
