"""Accounts for the matrix of tenants: each with few rights, and one for each way of having none."""

import tokens
from cluster import ADMIN, LiveCluster, Workspace

from moorage_dev import patience

ENVIRONMENTS, BINDINGS, LOCKS, FREEZES = "environments", "deployments", "environmentlocks", "freezes"
RBAC = "rbac.authorization.k8s.io"


APPROVALS = "approvals"


#: Identities with some rights alone: what the roles never separate, an answer has to.
NARROW = {
    "environments alone": (("get", ENVIRONMENTS), ("list", ENVIRONMENTS), ("patch", ENVIRONMENTS)),
    "changes alone": (("create", BINDINGS), ("patch", BINDINGS)),
    "records alone": (("list", "deploymentrecords"),),
    "locks alone": (("get", ENVIRONMENTS), ("create", LOCKS), ("patch", LOCKS), ("delete", LOCKS)),
    "freezes alone": (("get", FREEZES), ("list", FREEZES)),
    "approvals alone": (("get", ENVIRONMENTS), ("list", APPROVALS), ("create", APPROVALS), ("approve", ENVIRONMENTS)),
    "environments and bindings": (("get", ENVIRONMENTS), ("list", ENVIRONMENTS), ("list", BINDINGS)),
    "environments and locks": (("get", ENVIRONMENTS), ("list", ENVIRONMENTS), ("get", LOCKS)),
    "environments and records": (("get", ENVIRONMENTS), ("list", "deploymentrecords")),
}


def narrow_accounts(cluster: LiveCluster, namespace: str) -> dict[str, str]:
    """Name of a narrow identity → token of a service account that has just these rights."""
    made = {}
    for title, rights in NARROW.items():
        name = title.replace(" ", "-")
        tokens.create_account(cluster, namespace, name)
        rules = [{"apiGroups": ["moorage.dev"], "resources": [plural], "verbs": [verb]} for verb, plural in rights]
        role = {"kind": "Role", "metadata": {"name": name, "namespace": namespace}, "rules": rules}
        binding = {
            "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
        for plural, body in (("roles", role), ("rolebindings", binding)):
            path = f"/apis/{RBAC}/v1/namespaces/{namespace}/{plural}"
            answer = cluster.raw("POST", path, body={"apiVersion": f"{RBAC}/v1", **body})
            assert answer.status == 201, answer.body
        made[title] = cluster.service_account_token(namespace, name)
    return made


def bind_account(cluster: LiveCluster, namespace: str, name: str) -> None:
    """Let a service account edit its workspace."""
    body = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{name}-edit", "namespace": namespace},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "moorage-edit"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    answer = cluster.raw("POST", f"/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings", body=body)
    assert answer.status == 201, answer.body


def identities(cluster: LiveCluster, space: Workspace, other: Workspace, members: dict[str, str]) -> dict[str, str]:
    """Name of an identity → its token; none is empty."""
    accounts = {name: tokens.create_account(cluster, space.namespace, name) for name in ("robot", "fired", "late")}
    for name in accounts:
        bind_account(cluster, space.namespace, name)
    revoked = cluster.service_account_token(space.namespace, "fired")
    tokens.delete_account(cluster, space.namespace, "fired")
    stranger = tokens.create_account(cluster, other.namespace, f"stranger-{space.name}")
    return {
        **{f"own {role}": cluster.token(user) for user, role in members.items()},
        **narrow_accounts(cluster, space.namespace),
        "other tenant": cluster.token("dave"),
        "admin": cluster.token(ADMIN),
        "none": "",
        "garbage": "this-is-no-token",
        "expired": tokens.signed(cluster, accounts["late"], lifetime=-60),
        "about to expire": tokens.signed(cluster, accounts["late"], lifetime=patience.scaled(600)),
        "wrong audience": cluster.service_account_token(space.namespace, "robot", audiences=["elsewhere"]),
        "revoked": revoked,
        "service account": cluster.service_account_token(space.namespace, "robot"),
        "service account of another tenant": cluster.service_account_token(
            other.namespace, stranger["metadata"]["name"]
        ),
        "user without rights": cluster.token("mallory"),
        "non-ASCII user": cluster.token("élise"),
    }
