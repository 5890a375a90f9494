"""A user who only owns a Namespace neither makes it another workspace nor takes its guards or history away."""

import secrets
from collections.abc import Iterator

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from identities import MEMBERS, NAMESPACE_ADMIN, OWNER, Object, owner, refused_by
from waiting import eventually

from moorage_crds import names
from moorage_dev.rest_client import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH, Answer

RBAC = "rbac.authorization.k8s.io"
#: What the owner of a Namespace tries with it.
EDITS: dict[str, Object] = {
    "another workspace": {"labels": {names.LABEL_WORKSPACE: "other"}},
    "another organisation": {"labels": {names.LABEL_ORG: "northwind"}},
    "no workspace any more": {"labels": {names.LABEL_WORKSPACE: None}},
    "guards off": {"labels": {names.LABEL_ATTRIBUTED_DELETES: None}},
    "seeds": {"labels": {names.LABEL_SEED: "true"}},
    "a label nobody knows yet": {"labels": {"moorage.dev/later": "x"}},
    "deletion allowed": {"annotations": {"moorage.dev/allow-deletion": "true"}},
}
SUBRESOURCES = ("", "/status", "/finalize")


@pytest.fixture(scope="module")
def shop(cluster: LiveCluster) -> Iterator[Workspace]:
    """A workspace with a guard that can be switched off, and an owner who may write the Namespace by all its doors."""
    made = Workspaces(cluster)
    yield made("production", members=MEMBERS, labels={names.LABEL_ATTRIBUTED_DELETES: "true"})
    made.clean()


def _space(shop: Workspace) -> str:
    return f"/api/v1/namespaces/{shop.namespace}"


def _edit(shop: Workspace, way: str, wanted: Object, *, sub: str, user: str) -> Answer:
    path, raw = _space(shop) + sub, shop.cluster.raw
    if way == "merge patch":
        return raw("PATCH", path, user=user, body={"metadata": wanted}, content_type=MERGE_PATCH)
    if way == "JSON patch":
        operations = [
            {"op": "add" if value else "remove", "path": f"/metadata/{part}/{key.replace('/', '~1')}", "value": value}
            for part, fields in wanted.items()
            for key, value in fields.items()
        ]
        if "annotations" in wanted:
            operations.insert(0, {"op": "add", "path": "/metadata/annotations", "value": {}})
        return raw("PATCH", path, user=user, body=operations, content_type=JSON_PATCH)
    stored = raw("GET", _space(shop)).json()
    for part, fields in wanted.items():
        merged = {**stored["metadata"].get(part, {}), **fields}
        stored["metadata"][part] = {key: value for key, value in merged.items() if value is not None}
    if way == "PUT":
        return raw("PUT", path, user=user, body=stored, content_type=JSON)
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shop.namespace, **wanted}}
    return raw("PATCH", f"{path}?fieldManager=x&force=true", user=user, body=body, content_type=APPLY_PATCH)


@pytest.mark.parametrize("sub", SUBRESOURCES)
@pytest.mark.parametrize("edit", EDITS)
def test_the_owner_of_a_namespace_does_not_say_what_it_is_to_moorage(shop: Workspace, edit: str, sub: str) -> None:
    before = shop.cluster.raw("GET", _space(shop)).json()["metadata"]
    wanted = EDITS[edit]
    removes = None in wanted.get("labels", {}).values()
    ways = ["PUT"] if sub == "/finalize" else ["merge patch", "JSON patch", "PUT", *([] if removes else ["apply"])]
    for way in ways:
        answer = _edit(shop, way, wanted, sub=sub, user=OWNER)
        assert refused_by(answer, names.POLICY_WORKSPACE_RIGHTS), (way, answer.status, answer.body)
    after = shop.cluster.raw("GET", _space(shop)).json()["metadata"]
    assert [after.get(key) for key in ("labels", "annotations")] == [
        before.get(key) for key in ("labels", "annotations")
    ]


def test_other_labels_are_the_owners(shop: Workspace) -> None:
    for sub in ("", "/status"):
        answer = _edit(
            shop, "merge patch", {"labels": {"team": "blue"}, "annotations": {"note": "x"}}, sub=sub, user=OWNER
        )
        assert answer.status == 200, answer.body


@pytest.mark.parametrize("body", [None, {"propagationPolicy": "Foreground"}, {"propagationPolicy": "Orphan"}])
def test_the_owner_of_a_namespace_does_not_delete_a_workspace(shop: Workspace, body: object) -> None:
    answer = shop.cluster.raw("DELETE", _space(shop), user=OWNER, body=body)
    assert refused_by(answer, names.POLICY_WORKSPACE_RIGHTS), answer.body


def test_an_owner_of_the_namespace_itself_does_not_delete_it_either(
    workspace: Workspaces, cluster: LiveCluster
) -> None:
    """By the garbage collector, for which an ownerReference to nothing is enough."""
    shop = workspace(members=MEMBERS)
    mark = cluster.audit_mark()
    answer = _edit(shop, "merge patch", {"ownerReferences": [_nothing()]}, sub="", user=OWNER)
    assert answer.status == 200, answer.body

    def refusals() -> int:
        tries = cluster.audit_since(mark, verbs={"delete"}, resource="namespaces")
        return sum(one.code == 403 and one.name == shop.namespace for one in tries)

    eventually(lambda: refusals() >= 2, timeout=60)
    assert "deletionTimestamp" not in cluster.raw("GET", _space(shop)).json()["metadata"]
    assert _edit(shop, "merge patch", {"ownerReferences": None}, sub="", user=OWNER).status == 200


def _nothing() -> Object:
    """An owner that does not exist; of a cluster-wide kind, as it has to be for a Namespace."""
    return owner() | {"kind": "Namespace"}


@pytest.mark.parametrize("user", [OWNER, NAMESPACE_ADMIN])
def test_nobody_else_makes_a_workspace(cluster: LiveCluster, user: str) -> None:
    name = f"made-{secrets.token_hex(4)}"
    role = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create"]}],
    }
    subject = cluster.underlying.subject(user)
    binding = role | {
        "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [subject],
    }
    del binding["rules"]
    base = f"/apis/{RBAC}/v1"
    assert cluster.raw("POST", f"{base}/clusterroles", body=role).status == 201
    assert cluster.raw("POST", f"{base}/clusterrolebindings", body=binding).status == 201
    labels = {names.LABEL_ORG: name, names.LABEL_WORKSPACE: name}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    try:
        eventually(
            lambda: cluster.raw("POST", "/api/v1/namespaces?dryRun=All", user=user, body=_plain(name)).status == 201
        )
        answer = cluster.raw("POST", "/api/v1/namespaces", user=user, body=body)
        assert refused_by(answer, names.POLICY_WORKSPACE_RIGHTS), answer.body
        given = binding | {"metadata": {"name": f"{name}-rights"}}
        given["roleRef"] = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "moorage-workspace-admin"}
        assert cluster.raw("POST", f"{base}/clusterrolebindings", body=given).status == 201
        eventually(lambda: cluster.raw("POST", "/api/v1/namespaces", user=user, body=body).status == 201)
    finally:
        for path in (f"clusterrolebindings/{name}", f"clusterrolebindings/{name}-rights", f"clusterroles/{name}"):
            cluster.raw("DELETE", f"{base}/{path}")
        cluster.raw("DELETE", f"/api/v1/namespaces/{name}")


def _plain(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def test_a_workspace_that_may_be_deleted_says_so(workspace: Workspaces, cluster: LiveCluster) -> None:
    """For preview workspaces: a platform team annotates, the owner deletes."""
    shop = workspace("production", members=MEMBERS)
    allowed = _edit(shop, "merge patch", {"annotations": {"moorage.dev/allow-deletion": "true"}}, sub="", user="admin")
    assert allowed.status == 200, allowed.body
    assert cluster.raw("DELETE", _space(shop), user=OWNER).status == 200
    eventually(lambda: cluster.raw("GET", _space(shop)).status == 404, timeout=30)
