"""Who attacks: users with the least of our roles, up to somebody who owns the whole Namespace and nothing beside it."""

from typing import Any, Final

from cluster import LiveCluster, Workspace
from waiting import eventually

from moorage_crds import names
from moorage_dev.rest_client import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH, Answer

DEPLOYER: Final = "bob"
EDITOR: Final = "alice"
NAMESPACE_ADMIN: Final = "carol"
OWNER: Final = "mallory"
"""Has `*` on everything inside the Namespace, the Namespace itself included."""
VIEWER: Final = "viewer"

#: User → ClusterRole, for `Workspaces`.
MEMBERS: Final = {
    DEPLOYER: "moorage-deployer",
    EDITOR: "moorage-edit",
    NAMESPACE_ADMIN: "admin",
    OWNER: "cluster-admin",
    VIEWER: "moorage-view",
}
WRITERS: Final = (DEPLOYER, EDITOR, NAMESPACE_ADMIN, OWNER)
MAY_DELETE: Final = (EDITOR, NAMESPACE_ADMIN, OWNER)

Object = dict[str, Any]

#: The ways to write an object that is there.
WAYS: Final = ("merge patch", "JSON patch", "PUT", "apply")


def refused_by(answer: Answer, policy: str) -> bool:
    """Whether that policy said no, as people are told: 403 and a sentence, not an expression."""
    text = answer.body.decode()
    return answer.status == 403 and f"'{policy}'" in text and "failed expression" not in text


def change(shop: Workspace, plural: str, name: str, way: str, wanted: Object, *, user: str, query: str = "") -> Answer:
    """Merge `wanted` (parts of `metadata` and `spec`, two levels deep) into an object, in one of the `WAYS`.

    None removes a field, except by `apply`, which leaves out what it does not name. `query` is sent along.
    """
    path, raw = f"{shop.path(plural, name)}?{query}", shop.cluster.raw
    if way == "merge patch":
        return raw("PATCH", path, user=user, body=wanted, content_type=MERGE_PATCH)
    if way == "JSON patch":
        return raw("PATCH", path, user=user, body=_operations(wanted), content_type=JSON_PATCH)
    stored = shop.get(plural, name)
    assert stored is not None
    if way == "PUT":
        return raw("PUT", path, user=user, body=_merged(stored, wanted), content_type=JSON)
    kept = {"apiVersion": stored["apiVersion"], "kind": stored["kind"], "metadata": {"name": name}}
    body = _merged({**kept, "spec": stored["spec"]}, wanted)
    return raw("PATCH", f"{path}&fieldManager=applier&force=true", user=user, body=body, content_type=APPLY_PATCH)


def _merged(stored: Object, wanted: Object) -> Object:
    parts = {part: {**stored.get(part, {}), **fields} for part, fields in wanted.items()}
    return stored | {part: {k: v for k, v in fields.items() if v is not None} for part, fields in parts.items()}


def _operations(wanted: Object) -> list[Object]:
    return [
        {"op": "remove", "path": f"/{part}/{field}"}
        if value is None
        else {"op": "add", "path": f"/{part}/{field}", "value": value}
        for part, fields in wanted.items()
        for field, value in fields.items()
    ]


def owner(uid: str = "00000000-0000-4000-8000-000000000000", **fields: object) -> Object:
    """An ownerReference to a ConfigMap that need not exist."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, **fields}


def lock(shop: Workspace, environment: str, *, user: str = EDITOR) -> None:
    """Lock an environment; returns when the API server acts on it."""
    header, raw = {"apiVersion": "moorage.dev/v1"}, shop.cluster.raw
    body = {**header, "kind": "EnvironmentLock", "metadata": {"name": environment}, "spec": {"reason": "audit"}}
    assert raw("POST", shop.path("environmentlocks"), user=user, body=body).status == 201
    # Policies hear of a lock by a watch of the API server's own.
    spec = {"environment": environment, "app": "probe", "release": "probe"}
    probe = {**header, "kind": "Deployment", "metadata": {"name": f"{environment}.probe"}, "spec": spec}
    path = shop.path("deployments") + "?dryRun=All"
    eventually(lambda: refused_by(raw("POST", path, body=probe), names.POLICY_DEPLOYMENT_LOCKS))


def garbage_collector(cluster: LiveCluster) -> str:
    """A token of the collector's own account."""
    return cluster.service_account_token("kube-system", "generic-garbage-collector")
