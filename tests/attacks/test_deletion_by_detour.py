"""Deleting, or changing what is being deleted, by other ways than a DELETE request: every guard holds there, too."""

from collections.abc import Iterator
from itertools import count

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from identities import (
    DEPLOYER,
    EDITOR,
    MAY_DELETE,
    MEMBERS,
    OWNER,
    WAYS,
    WRITERS,
    Object,
    change,
    garbage_collector,
    lock,
    owner,
    refused_by,
)
from ledger import Ledger
from oracles import check_history, records_of, settled
from policy_switch import without
from services import Operators
from waiting import eventually

from moorage_crds import names
from moorage_dev.rest_client import JSON, MERGE_PATCH, Answer

NAME = "production.web"
HOLD = ["example.com/hold"]
HOLDS: dict[str, Object] = {"an owner": {"ownerReferences": [owner()]}, "a finalizer": {"finalizers": HOLD}}
#: The ways to say that a delete shall be over later.
LATER: dict[str, tuple[str, Object | None]] = {
    "foreground in the body": ("", {"propagationPolicy": "Foreground"}),
    "foreground in the query": ("?propagationPolicy=Foreground", None),
    "orphan in the body": ("", {"propagationPolicy": "Orphan"}),
    "orphan in the query": ("?propagationPolicy=Orphan", None),
    "the old word in the body": ("", {"orphanDependents": True}),
    "the old word in the query": ("?orphanDependents=true", None),
}
OBJECTS = {"deployments": NAME, "environments": "production", "environmentlocks": "staging"}


@pytest.fixture(scope="module")
def shop(cluster: LiveCluster, _operators: Operators) -> Iterator[Workspace]:
    """A workspace with a deployed binding of which everything is recorded, and an operator that is down."""
    made = Workspaces(cluster)
    shop = made("production", "staging", members=MEMBERS)
    _operators.ensure()
    shop.create_deployment("production", "web", "v1")
    lock(shop, "staging")
    eventually(lambda: settled(shop))
    _operators.stop()
    yield shop
    made.clean()


def delete(shop: Workspace, plural: str, name: str, *, user: str, query: str = "", body: object = None) -> Answer:
    return shop.cluster.raw("DELETE", shop.path(plural, name) + query, user=user, body=body, content_type=JSON)


def held(shop: Workspace, plural: str, name: str) -> None:
    """Add a finalizer, as somebody who may."""
    answer = change(shop, plural, name, "merge patch", {"metadata": {"finalizers": HOLD}}, user=EDITOR)
    assert answer.status == 200, answer.body


def freed(shop: Workspace, plural: str, name: str, *, user: str = EDITOR) -> Answer:
    return change(shop, plural, name, "merge patch", {"metadata": {"finalizers": None}}, user=user)


@pytest.mark.parametrize("hold", HOLDS)
@pytest.mark.parametrize("way", WAYS)
def test_who_may_not_delete_adds_neither_owner_nor_finalizer(shop: Workspace, way: str, hold: str) -> None:
    answer = change(shop, "deployments", NAME, way, {"metadata": HOLDS[hold]}, user=DEPLOYER)
    assert refused_by(answer, names.POLICY_OWNERS), answer.body
    assert not HOLDS[hold].keys() & (shop.get("deployments", NAME) or {})["metadata"].keys()


@pytest.mark.parametrize("hold", HOLDS)
@pytest.mark.parametrize("by_apply", [False, True])
def test_who_may_not_delete_creates_nothing_with_owner_or_finalizer(shop: Workspace, hold: str, by_apply: bool) -> None:
    name = "production.new"
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": name, **HOLDS[hold]},
        "spec": {"environment": "production", "app": "new", "release": "v1"},
    }
    if by_apply:
        path = shop.path("deployments", name) + "?fieldManager=applier"
        answer = shop.cluster.raw("PATCH", path, user=DEPLOYER, body=body, content_type="application/apply-patch+yaml")
    else:
        answer = shop.cluster.raw("POST", shop.path("deployments"), user=DEPLOYER, body=body)
    assert refused_by(answer, names.POLICY_OWNERS), answer.body
    assert shop.get("deployments", name) is None


@pytest.mark.parametrize(
    "fields",
    [{"controller": True}, {"blockOwnerDeletion": True}, {"uid": "11111111-0000-4000-8000-000000000000"}],
    ids=lambda fields: next(iter(fields)),
)
def test_who_may_not_delete_changes_no_owner(workspace: Workspaces, fields: Object) -> None:
    shop = workspace("production", members=MEMBERS)
    shop.create_deployment("production", "web")
    made = shop.cluster.raw("POST", f"/api/v1/namespaces/{shop.namespace}/configmaps", body=_config_map()).json()
    true = {**owner(made["metadata"]["uid"]), "name": "owner"}
    kept = change(shop, "deployments", NAME, "merge patch", {"metadata": {"ownerReferences": [true]}}, user=EDITOR)
    assert kept.status == 200, kept.body
    wanted = {"metadata": {"ownerReferences": [true | fields]}}
    for way in ("merge patch", "JSON patch", "PUT"):
        answer = change(shop, "deployments", NAME, way, wanted, user=DEPLOYER)
        assert refused_by(answer, names.POLICY_OWNERS), (way, answer.body)
    # What was there may stay in a write of something else, and it may go.
    noted = change(
        shop, "deployments", NAME, "PUT", {"metadata": {"labels": {"a": "b"}}, "spec": {"release": "v2"}}, user=DEPLOYER
    )
    assert noted.status == 200, noted.body
    gone = change(shop, "deployments", NAME, "merge patch", {"metadata": {"ownerReferences": None}}, user=DEPLOYER)
    assert gone.status == 200, gone.body


def _config_map() -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}


@pytest.mark.parametrize("user", MAY_DELETE)
@pytest.mark.parametrize("plural", OBJECTS)
@pytest.mark.parametrize("hold", HOLDS)
def test_who_may_delete_adds_and_removes_owner_and_finalizer(
    shop: Workspace, user: str, plural: str, hold: str
) -> None:
    if hold == "an owner":
        path = f"/api/v1/namespaces/{shop.namespace}/configmaps"
        shop.cluster.raw("POST", path, body=_config_map())
        real = shop.cluster.raw("GET", f"{path}/owner").json()["metadata"]["uid"]
        wanted: Object = {"ownerReferences": [owner(real)]}
    else:
        wanted = HOLDS[hold]
    name = OBJECTS[plural]
    added = change(shop, plural, name, "merge patch", {"metadata": wanted}, user=user)
    removed = change(shop, plural, name, "merge patch", {"metadata": dict.fromkeys(wanted)}, user=user)
    assert (added.status, removed.status) == (200, 200), (added.body, removed.body)


def test_the_number_of_owners_and_finalizers_is_bounded(shop: Workspace) -> None:
    many = [f"example.com/hold-{number}" for number in range(17)]
    answer = change(shop, "deployments", NAME, "merge patch", {"metadata": {"finalizers": many}}, user=OWNER)
    assert refused_by(answer, names.POLICY_OWNERS), answer.body


@pytest.mark.parametrize("user", MAY_DELETE)
@pytest.mark.parametrize("later", LATER)
def test_a_release_is_not_deleted_later(shop: Workspace, user: str, later: str) -> None:
    query, body = LATER[later]
    one = delete(shop, "deployments", NAME, user=user, query=query, body=body)
    assert refused_by(one, names.POLICY_LIFECYCLE), one.body
    stored = shop.get("deployments", NAME) or {}
    assert "deletionTimestamp" not in stored["metadata"]
    assert stored["spec"]["release"] == "v1"


@pytest.mark.parametrize("later", LATER)
def test_a_collection_with_a_release_is_not_deleted_later(shop: Workspace, later: str) -> None:
    query, body = LATER[later]
    answer = delete(shop, "deployments", "", user=OWNER, query=query, body=body)
    assert refused_by(answer, names.POLICY_LIFECYCLE), answer.body
    assert "deletionTimestamp" not in (shop.get("deployments", NAME) or {})["metadata"]


@pytest.mark.parametrize("user", MAY_DELETE)
def test_a_release_that_a_finalizer_holds_is_not_deleted(shop: Workspace, user: str) -> None:
    held(shop, "deployments", NAME)
    try:
        for body in (None, {"propagationPolicy": "Background"}):
            answer = delete(shop, "deployments", NAME, user=user, body=body)
            assert refused_by(answer, names.POLICY_LIFECYCLE), answer.body
            assert HOLD[0] in answer.json()["message"]
    finally:
        freed(shop, "deployments", NAME)


def test_what_is_not_deployed_is_deleted_in_any_way(shop: Workspace) -> None:
    for number, (query, body) in enumerate(LATER.values()):
        shop.create_deployment("production", f"idle-{number}")
        name = f"production.idle-{number}"
        answer = delete(shop, "deployments", name, user=EDITOR, query=query, body=body)
        assert answer.status in {200, 202}, answer.body
        eventually(lambda name=name: shop.get("deployments", name) is None, timeout=60)


@pytest.mark.parametrize("user", WRITERS)
def test_the_release_of_what_is_being_deleted_does_not_change(workspace: Workspaces, user: str) -> None:
    shop = workspace("production", members=MEMBERS)
    shop.create_deployment("production", "web")
    held(shop, "deployments", NAME)
    assert delete(shop, "deployments", NAME, user=EDITOR).status in {200, 202}
    for way in WAYS:
        answer = change(shop, "deployments", NAME, way, {"spec": {"release": "evil"}}, user=user)
        assert refused_by(answer, names.POLICY_LIFECYCLE), (way, answer.body)
    both = change(
        shop, "deployments", NAME, "PUT", {"metadata": {"finalizers": None}, "spec": {"release": "evil"}}, user=user
    )
    assert refused_by(both, names.POLICY_LIFECYCLE), both.body
    assert freed(shop, "deployments", NAME, user=user).status == 200
    assert shop.get("deployments", NAME) is None


def test_no_release_changes_in_a_namespace_that_is_being_deleted(workspace: Workspaces) -> None:
    shop = workspace("production", members=MEMBERS)
    shop.create_deployment("production", "web", "v1")
    held(shop, "deployments", NAME)
    space = f"/api/v1/namespaces/{shop.namespace}"
    assert shop.cluster.raw("DELETE", space).status == 200

    tries = count(1)

    def refused(way: str) -> bool:
        # Another release each time: one that passed in the first moment would be there already, and change nothing.
        wanted = {"spec": {"release": f"evil-{next(tries)}"}}
        return refused_by(change(shop, "deployments", NAME, way, wanted, user=EDITOR), names.POLICY_LIFECYCLE)

    # Policies see Namespaces by a watch of the API server's own, a moment later.
    eventually(lambda: refused("merge patch"))
    for way in WAYS[:3]:
        assert refused(way), way
    assert freed(shop, "deployments", NAME).status in {200, 404}
    eventually(lambda: shop.cluster.raw("GET", space).status == 404, timeout=30)


def test_the_last_finalizer_of_a_locked_environment_stays(workspace: Workspaces) -> None:
    """Deleted before the lock, or while it was not a default: the write that ends it is checked as the DELETE was."""
    shop = workspace("production", "spare", members=MEMBERS)
    for name in ("production", "spare"):
        held(shop, "environments", name)
        assert delete(shop, "environments", name, user=EDITOR).status in {200, 202}
    lock(shop, "production")
    default = change(shop, "environments", "spare", "merge patch", {"spec": {"isDefault": True}}, user=EDITOR)
    assert default.status == 200, default.body
    assert refused_by(freed(shop, "environments", "production", user=OWNER), names.POLICY_ENVIRONMENT_LOCKS)
    assert refused_by(freed(shop, "environments", "spare", user=OWNER), names.POLICY_ENVIRONMENT_DELETES)
    assert delete(shop, "environmentlocks", "production", user=EDITOR).status == 200
    eventually(lambda: freed(shop, "environments", "production").status == 200)
    assert shop.get("environments", "production") is None


def test_the_last_finalizer_of_a_deployment_is_a_delete(workspace: Workspaces, cluster: LiveCluster) -> None:
    """Objects that were deleted before this version was installed: deployed, and held by a finalizer."""
    shop = workspace("production", members=MEMBERS, labels={names.LABEL_ATTRIBUTED_DELETES: "true"})

    shop.create_deployment("production", "web")
    held(shop, "deployments", NAME)
    assert delete(shop, "deployments", NAME, user=EDITOR).status in {200, 202}

    def in_force() -> bool:
        path, body = shop.path("deployments", NAME) + "?dryRun=All", {"spec": {"release": "probe"}}
        answer = cluster.raw("PATCH", path, body=body, content_type=MERGE_PATCH)
        return refused_by(answer, names.POLICY_LIFECYCLE)

    with without(cluster, "validating", names.POLICY_LIFECYCLE, in_force):
        answer = change(shop, "deployments", NAME, "merge patch", {"spec": {"release": "v1"}}, user=EDITOR)
        assert answer.status == 200, answer.body
    refused = freed(shop, "deployments", NAME, user=DEPLOYER)
    assert refused.status == 403, refused.body
    lock(shop, "production")
    policies = set()
    for _ in range(20):
        policies.add(freed(shop, "deployments", NAME, user=OWNER).json()["message"].split("'")[1])
    assert policies <= {names.POLICY_DEPLOYMENT_LOCKS, names.POLICY_DEPLOYMENT_DELETES, names.POLICY_ATTRIBUTED_DELETES}
    assert shop.get("deployments", NAME) is not None


def test_a_lock_that_is_being_deleted_still_locks(workspace: Workspaces) -> None:
    shop = workspace("production", members=MEMBERS)
    shop.create_deployment("production", "web", "v1")
    lock(shop, "production")
    held(shop, "environmentlocks", "production")
    assert delete(shop, "environmentlocks", "production", user=EDITOR).status in {200, 202}
    answer = change(shop, "deployments", NAME, "merge patch", {"spec": {"release": "v2"}}, user=DEPLOYER)
    assert refused_by(answer, names.POLICY_DEPLOYMENT_LOCKS), answer.body


def test_the_collector_waits_for_the_unlock_and_its_undeploy_is_recorded(
    operators: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    """An editor lets the collector delete; it tries again until nothing guards the Deployment."""
    shop, ledger = workspace("production", members=MEMBERS), Ledger(cluster)
    operators.ensure()
    ledger.create(shop, "production", "web", "v1")
    eventually(lambda: settled(shop))
    lock(shop, "production")
    mark = cluster.audit_mark()
    answer = change(shop, "deployments", NAME, "merge patch", {"metadata": {"ownerReferences": [owner()]}}, user=EDITOR)
    assert answer.status == 200, answer.body

    def refusals() -> int:
        tries = cluster.audit_since(mark, verbs={"delete"}, resource="deployments")
        return sum(one.code == 403 and one.namespace == shop.namespace for one in tries)

    eventually(lambda: refusals() >= 3, timeout=60)
    assert shop.get("deployments", NAME) is not None
    unlocked = delete(shop, "environmentlocks", "production", user=EDITOR)
    assert unlocked.status == 200, unlocked.body
    eventually(lambda: shop.get("deployments", NAME) is None, timeout=90)
    eventually(lambda: [one["action"] for one in shop.records(NAME)] == ["deploy", "undeploy"], timeout=30)


def test_what_guards_a_deletion_lets_namespaces_go(no_operator: Operators, workspace: Workspaces) -> None:
    """Locked, default, attributed, unrecorded, owned by nothing; and nobody there who records."""
    shop = workspace("production", members=MEMBERS, labels={names.LABEL_ATTRIBUTED_DELETES: "true"})
    shop.create_environment("staging", isDefault=True)
    shop.create_deployment("production", "web", "v1")
    lock(shop, "production")
    for plural, name in (("deployments", NAME), ("environments", "staging"), ("environmentlocks", "production")):
        wanted = {"metadata": {"ownerReferences": [owner(blockOwnerDeletion=True)]}}
        if plural != "environmentlocks":
            assert change(shop, plural, name, "merge patch", wanted, user=EDITOR).status == 200
    space = f"/api/v1/namespaces/{shop.namespace}"
    assert shop.cluster.raw("DELETE", space, body={"propagationPolicy": "Foreground"}).status == 200
    eventually(lambda: shop.cluster.raw("GET", space).status == 404, timeout=30)


@pytest.mark.parametrize("user", ["the collector", EDITOR, OWNER])
def test_a_plain_delete_is_guarded(workspace: Workspaces, cluster: LiveCluster, user: str) -> None:
    shop = workspace("production", members=MEMBERS, labels={names.LABEL_ATTRIBUTED_DELETES: "true"})
    shop.create_deployment("production", "web", "v1")
    shop.create_environment("staging", isDefault=True)
    lock(shop, "production")
    token = garbage_collector(cluster) if user == "the collector" else cluster.token(user)
    for path in (
        shop.path("deployments", NAME),  # deployed, unrecorded, in a locked environment
        shop.path("environments", "production"),  # locked
        shop.path("environments", "staging"),  # default
    ):
        assert cluster.raw("DELETE", path, token=token).status == 403, path


def test_a_replacement_by_force_is_a_delete(shop: Workspace, cluster: LiveCluster) -> None:
    lock(shop, "production")
    try:
        manifest = (
            "apiVersion: moorage.dev/v1\nkind: Deployment\n"
            f"metadata: {{name: {NAME}, namespace: {shop.namespace}}}\n"
            "spec: {environment: production, app: web, release: v2}\n"
        )
        for cascade in ("background", "foreground", "orphan"):
            done = cluster.kubectl("replace", "--force", f"--cascade={cascade}", "-f", "-", user=EDITOR, stdin=manifest)
            assert done.returncode != 0, done.stdout
        assert (shop.get("deployments", NAME) or {})["spec"]["release"] == "v1"
    finally:
        delete(shop, "environmentlocks", "production", user=EDITOR)


def test_a_history_with_refused_detours_is_whole(
    operators: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    """The operator is down while a deployer tries; afterwards there is a record for each answer, and no other."""
    shop, ledger = workspace("production", members=MEMBERS), Ledger(cluster)
    operators.stop()
    ledger.create(shop, "production", "web", "v1", user=DEPLOYER)
    for number, hold in enumerate(HOLDS.values()):
        change(shop, "deployments", NAME, "merge patch", {"metadata": hold}, user=DEPLOYER)
        ledger.insist(shop, NAME, f"v{number + 2}", user=DEPLOYER)
    body = {"metadata": {**HOLDS["an owner"]}, "spec": {"release": "evil"}}
    answer = cluster.raw("PATCH", shop.path("deployments", NAME), user=DEPLOYER, body=body, content_type=MERGE_PATCH)
    assert answer.status == 403
    operators.ensure()
    eventually(lambda: settled(shop))
    check_history(ledger, records_of([shop]))
