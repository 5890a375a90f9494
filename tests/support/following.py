"""An operator that delivers: the rights that the chart gives it for that, and no others."""

import secrets
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Any

from cluster import RBAC, LiveCluster, Workspace, account
from services import Operators


@contextmanager
def following(
    operators: Operators,
    cluster: LiveCluster,
    kinds: Sequence[str],
    *,
    writes: Sequence[str] = (),
    refreshes: Sequence[str] = (),
) -> Iterator[dict[str, str]]:
    """One operator that follows `kinds` (`<plural>.<group>`); its settings.

    Args:
        operators: those that run are stopped.
        cluster: where it works.
        kinds: chart value `delivery.kinds`.
        writes: chart value `delivery.writes`.
        refreshes: chart value `delivery.refreshes`.
    """
    name = f"test-delivery-{secrets.token_hex(3)}"
    metadata = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}}
    namespace, own = account("moorage-operator").split(":")[2:]
    binding = {
        **metadata,
        "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": own, "namespace": namespace}],
    }
    patched = {*writes, *refreshes}
    cluster.apply({**metadata, "rules": [_rule(kind, patched) for kind in sorted({*kinds, *refreshes})]}, binding)
    settings = {
        "MOORAGE_DELIVERY_KINDS": ",".join(kinds),
        "MOORAGE_DELIVERY_WRITES": ",".join(writes),
        "MOORAGE_DELIVERY_REFRESHES": ",".join(refreshes),
    }
    operators.stop()
    operators.start(settings)
    try:
        yield settings
    finally:
        cluster.kubectl("delete", "clusterrolebinding,clusterrole", name)


def keeping_config_maps(space: Workspace) -> None:
    """The operator may keep ConfigMaps in this workspace (chart value `delivery.configMaps`)."""
    meta = {"name": "test-configmaps", "namespace": space.namespace}
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch", "delete"]}]
    namespace, own = account("moorage-operator").split(":")[2:]
    space.cluster.apply(
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": meta["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": own, "namespace": namespace}],
        },
    )


def _rule(kind: str, patched: Set[str]) -> dict[str, Any]:
    plural, _, group = kind.partition(".")
    verbs = ["list", "watch", *(["patch"] if kind in patched else [])]
    return {"apiGroups": [group], "resources": [plural], "verbs": verbs}
