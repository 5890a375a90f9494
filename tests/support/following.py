"""An operator that follows objects of other tools, with the rights that the chart gives it; and a workload for it."""

import secrets
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Any

from cluster import RBAC, LiveCluster, Workspace, account
from services import Operators
from targets import given_up, image, rolled_out, workload
from waiting import eventually

from moorage_dev.rest_client import MERGE_PATCH

_WORKLOADS = "/apis/apps/v1/namespaces/{namespace}/deployments"


@contextmanager
def following(
    operators: Operators,
    cluster: LiveCluster,
    kinds: Sequence[str],
    *,
    writes: Sequence[str] = (),
    refreshes: Sequence[str] = (),
    through: Mapping[str, str] | None = None,
) -> Iterator[dict[str, str]]:
    """One operator that follows `kinds` (`<plural>.<group>`); its settings.

    Args:
        operators: those that run are stopped.
        cluster: where it works.
        kinds: chart value `delivery.kinds`.
        writes: chart value `delivery.writes`.
        refreshes: chart value `delivery.refreshes`.
        through: settings of a way to the API server.
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
        **(through or {}),
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


class Web:
    """A workload, and what its controller would write."""

    def __init__(self, space: Workspace, name: str = "web", *, binding: str = "production.web", release: str) -> None:
        self.cluster = space.cluster
        self.path = _WORKLOADS.format(namespace=space.namespace)
        raw = workload(name, namespace=space.namespace, binding=binding, release=release)
        answer = self.cluster.raw("POST", self.path, body=raw)
        assert answer.status == 201, answer.body
        self.path += f"/{name}"

    def get(self) -> dict[str, Any]:
        """What is stored."""
        return dict(self.cluster.raw("GET", self.path).json())

    def carry(self, release: str) -> None:
        """Bring a release into its template."""
        containers = [{"name": "web", "image": image(release)}]
        self._patch(self.path, {"spec": {"template": {"spec": {"containers": containers}}}})

    def report(self, status: dict[str, Any]) -> None:
        """Write its status."""
        self._patch(f"{self.path}/status", {"status": status})

    def arrive(self) -> None:
        """All its pods are ready."""
        self.report(rolled_out(self.get()))

    def fail(self) -> None:
        """Its controller gives up."""
        self.report(given_up(self.get()))

    def _patch(self, path: str, body: dict[str, Any]) -> None:
        answer = self.cluster.raw("PATCH", path, body=body, content_type=MERGE_PATCH)
        assert answer.status == 200, answer.body


def rollout(space: Workspace) -> dict[str, Any]:
    """What became of production.web."""
    found = space.get("deployments", "production.web") or {}
    return dict((found.get("status") or {}).get("rollout") or {})


def reaches(space: Workspace, phase: str, sequence: int) -> dict[str, Any]:
    """Wait until that change of production.web is so far."""

    def there() -> bool:
        found = rollout(space)
        return (found.get("phase"), found.get("sequence")) == (phase, sequence)

    eventually(there, 20)
    return rollout(space)
