"""Installs Moorage into a cluster without Helm: CRDs, policies, roles, accounts, from files that the chart uses too."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from moorage_dev import patience
from moorage_dev.cluster import Cluster
from moorage_dev.failures import DevError
from moorage_dev.kubectl import Kubectl
from moorage_dev.layout import ROOT

#: The Namespace that operator and facade belong to, and their service accounts.
NAMESPACE = "moorage-system"
OPERATOR, FACADE = "moorage-operator", "moorage-api"

_RULES = ROOT / "charts/moorage/files/rules"
_RBAC = "rbac.authorization.k8s.io"
_TIMEOUT = 60.0
_POLL = 0.1

#: An Environment that nobody may delete while the policies are in force; it is gone when the installation is done.
_PROBE_ENVIRONMENT = "installation-probe"


def install(cluster: Cluster) -> None:
    """Install everything, and return when the policies are in force. Safe to repeat.

    Raises:
        DevError: the cluster refuses something, or a step takes too long.
    """
    kubectl = cluster.admin()
    install_crds(kubectl)
    cluster.finish()
    kubectl.apply(*_accounts())
    install_policies(kubectl)


def allow_delivery(kubectl: Kubectl, *resources: str) -> None:
    """Let the operator follow objects of these kinds (`<plural>.<group>`) and bring releases into them."""
    named = (resource.partition(".") for resource in resources)
    rules = [
        {"apiGroups": [group], "resources": [plural], "verbs": ["list", "watch", "patch"]} for plural, _, group in named
    ]
    name = f"{OPERATOR}-delivery"
    role = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    kubectl.apply(role, _binding("ClusterRoleBinding", {"name": name}, "ClusterRole", account=OPERATOR))


def install_crds(kubectl: Kubectl) -> None:
    """CRDs and the Namespace; returns when the CRDs are Established."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    crds = [document for path in sorted((ROOT / "crds").glob("*.moorage.dev.yaml")) for document in _documents(path)]
    kubectl.apply(*crds)
    kubectl.wait_for_crds(*(crd["metadata"]["name"] for crd in crds))


def install_policies(kubectl: Kubectl) -> None:
    """Policies, after their CRDs: a policy whose parameter kind is missing refuses everything for half a minute."""
    kubectl.apply(*policies())
    _wait(lambda: _log_is_stamped(kubectl), "stamping the change log")
    _wait(lambda: _deletes_are_guarded(kubectl), "guarding deletes")
    _remove_probe(kubectl)


def policies() -> list[dict[str, Any]]:
    """All admission policies and their bindings."""
    return [document for path in sorted((ROOT / "crds/policies").glob("*.yaml")) for document in _documents(path)]


def _accounts() -> list[dict[str, Any]]:
    return [
        *(_service_account(name) for name in (OPERATOR, FACADE)),
        _cluster_role(OPERATOR, "operator-cluster"),
        _cluster_role(FACADE, "api-cluster"),
        _cluster_role("moorage-deployer", "deployer"),
        _cluster_role("moorage-approver", "approver"),
        _cluster_role("moorage-release-manager", "release-manager"),
        _cluster_role("moorage-workspace-admin", "workspace-admin"),
        _cluster_role("moorage-view", "view", aggregate_to=("view", "edit", "admin")),
        _cluster_role("moorage-edit", "edit", aggregate_to=("edit", "admin")),
        _cluster_binding(OPERATOR),
        _cluster_binding(FACADE),
        _role(OPERATOR, "operator-namespace"),
        _role_binding(OPERATOR),
        _role(FACADE, "api-namespace"),
        _role_binding(FACADE),
    ]


def _service_account(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}


def _cluster_role(name: str, rules: str, *, aggregate_to: tuple[str, ...] = ()) -> dict[str, Any]:
    labels = {f"{_RBAC}/aggregate-to-{role}": "true" for role in aggregate_to}
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": _rules(rules)}


def _role(name: str, rules: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": _rules(rules)}


def _cluster_binding(name: str) -> dict[str, Any]:
    return _binding("ClusterRoleBinding", {"name": name}, "ClusterRole")


def _role_binding(name: str) -> dict[str, Any]:
    return _binding("RoleBinding", {"name": name, "namespace": NAMESPACE}, "Role")


def _binding(kind: str, metadata: dict[str, str], role_kind: str, *, account: str = "") -> dict[str, Any]:
    """Role and account have the name of the binding, unless another account is named."""
    name = metadata["name"]
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": _RBAC, "kind": role_kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account or name, "namespace": NAMESPACE}],
    }


def _rules(name: str) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = yaml.safe_load((_RULES / f"{name}.yaml").read_text(encoding="utf-8"))
    return rules


def _documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def _log_is_stamped(kubectl: Kubectl) -> bool:
    """A dry run of a new Deployment comes back with a change log once the policy is in force."""
    probe = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": "probe.probe", "namespace": NAMESPACE},
        "spec": {"environment": "probe", "app": "probe", "release": "1"},
    }
    done = kubectl.run("create", "--dry-run=server", "--output=yaml", "-f", "-", stdin=yaml.safe_dump(probe))
    return done.returncode == 0 and "changeLog" in yaml.safe_load(done.stdout)


def _deletes_are_guarded(kubectl: Kubectl) -> bool:
    """The dry run of a delete is refused once the validating policies are in force."""
    try:
        kubectl.apply(_probe_environment(is_default=True))
    except DevError:
        # In the first moments the policy that wants a stamp may be in force before the one that stamps.
        return False
    done = kubectl.run(
        "delete", "environments.moorage.dev", _PROBE_ENVIRONMENT, f"--namespace={NAMESPACE}", "--dry-run=server"
    )
    return done.returncode != 0 and "ValidatingAdmissionPolicy" in done.stderr


def _remove_probe(kubectl: Kubectl) -> None:
    kubectl.apply(_probe_environment(is_default=False))
    kubectl.ok("delete", "environments.moorage.dev", _PROBE_ENVIRONMENT, f"--namespace={NAMESPACE}", "--wait=false")


def _probe_environment(*, is_default: bool) -> dict[str, Any]:
    return {
        "apiVersion": "moorage.dev/v1",
        "kind": "Environment",
        "metadata": {"name": _PROBE_ENVIRONMENT, "namespace": NAMESPACE},
        "spec": {"displayName": "Installation probe", "isDefault": is_default},
    }


def _wait(condition: Callable[[], bool], what: str) -> None:
    began = time.monotonic()
    while not condition():
        if patience.is_over(began, _TIMEOUT):
            raise DevError(
                f"the admission policies are installed, but are not {what} after {time.monotonic() - began:.0f} s: "
                "kubectl get mutatingadmissionpolicies,validatingadmissionpolicies shows why"
            )
        time.sleep(_POLL)
