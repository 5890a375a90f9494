"""Bounds that tenants get, and what people see of a history that is long, going, or restored."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster import ADMIN, LiveCluster, Workspace, Workspaces
from services import Operators
from waiting import eventually

from moorage_dev import patience
from moorage_dev.processes import Service

Object = dict[str, Any]


def verify(cluster: LiveCluster) -> subprocess.CompletedProcess[str]:
    """`moorage verify` as the administrator."""
    program = Path(sys.executable).parent / "moorage"
    config = cluster.kubeconfig("admin", cluster.token(ADMIN))
    command = [program, "verify", "--kubeconfig", config]
    return subprocess.run(command, capture_output=True, text=True, timeout=patience.scaled(60), check=False)


def about(done: subprocess.CompletedProcess[str], namespace: str) -> list[str]:
    """The lines of flaws in one Namespace."""
    return [line for line in done.stdout.splitlines() if line.startswith(f"BROKEN {namespace}/")]


def recorded(shop: Workspace, name: str) -> int:
    return int(((shop.get("deployments", name) or {}).get("status") or {}).get("recordedSequence", 0))


def reasons(shop: Workspace, name: str) -> set[str]:
    status = (shop.get("deployments", name) or {}).get("status") or {}
    return {condition["reason"] for condition in status.get("conditions", ())}


def test_changes_that_wait_for_a_quota_are_recorded_when_it_is_lifted(
    operator: Service, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("production")
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "history", "namespace": shop.namespace},
        "spec": {"hard": {"count/deploymentrecords.moorage.dev": "2"}},
    }
    cluster.apply(quota)
    path = f"/api/v1/namespaces/{shop.namespace}/resourcequotas/history"
    eventually(lambda: (cluster.raw("GET", path).json().get("status") or {}).get("used"), timeout=60)
    shop.create_deployment("production", "web", "v1", user="alice")
    for number in range(2, 6):
        shop.set_release("production.web", f"v{number}", user="alice")
    eventually(lambda: "RecordRefused" in reasons(shop, "production.web"), timeout=60)
    assert len(shop.records("production.web")) == 2
    assert cluster.raw("DELETE", path).status == 200
    eventually(lambda: recorded(shop, "production.web") == 5, timeout=90)
    assert [spec["release"] for spec in shop.records("production.web")] == ["v1", "v2", "v3", "v4", "v5"]
    eventually(lambda: reasons(shop, "production.web") == {"Recorded", "Stamped"}, timeout=30)
    assert about(verify(cluster), shop.namespace) == []


def test_the_guides_command_shows_each_binding_in_the_order_of_its_chain(
    operator: Service, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("staging")
    apps = ("alpha", "beta")
    for app in apps:
        shop.create_deployment("staging", app, "v0", user="alice")
    for number in range(1, 25):
        for app in apps:
            eventually(_changed(shop, f"staging.{app}", f"v{number}"), timeout=60)
    eventually(lambda: all(recorded(shop, f"staging.{app}") == 25 for app in apps), timeout=60)
    guide = (Path(__file__).parents[2] / "docs/kubectl.md").read_text()
    command = next(line for line in guide.splitlines() if line.startswith("kubectl get drec") and "--sort-by" in line)
    shown = cluster.kubectl(*command.split()[1:-2], "-n", shop.namespace, "-o", "json")
    items = [item["spec"] for item in json.loads(shown.stdout)["items"]]
    for app in apps:
        assert [spec["sequence"] for spec in items if spec["app"] == app] == list(range(1, 26))


def _changed(shop: Workspace, name: str, release: str) -> Callable[[], bool]:
    """Deploy, as soon as the log has room."""

    def change() -> bool:
        answer = shop.cluster.raw(
            "PATCH",
            shop.path("deployments", name),
            user="alice",
            body={"spec": {"release": release}},
            content_type="application/merge-patch+json",
        )
        return answer.status == 200

    return change


def test_verify_does_not_call_a_namespace_broken_that_is_being_deleted(
    operator: Service, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("production")
    names = [f"app-{number}" for number in range(40)]
    for app in names:
        shop.create_deployment("production", app, "v1", user="alice")
    eventually(lambda: all(recorded(shop, f"production.{app}") == 1 for app in names), timeout=60)
    path = f"/api/v1/namespaces/{shop.namespace}"
    assert cluster.raw("DELETE", path).status in {200, 202}
    looks = [verify(cluster)]
    while cluster.raw("GET", path).status == 200:
        looks.append(verify(cluster))
    looks.append(verify(cluster))
    assert [about(look, shop.namespace) for look in looks] == [[]] * len(looks)


def test_a_history_restored_into_a_new_namespace_is_whole_before_and_after_a_restart(
    operators: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    operators.ensure()
    shop = workspace("production")
    shop.create_deployment("production", "web", "v1", user="alice")
    shop.set_release("production.web", "v2", user="bob")
    eventually(lambda: recorded(shop, "production.web") == 2)
    saved = [
        _savable(raw) for plural in ("deploymentrecords", "environments", "deployments") for raw in shop.list(plural)
    ]
    namespace = _savable(cluster.raw("GET", f"/api/v1/namespaces/{shop.namespace}").json())
    cluster.raw("DELETE", f"/api/v1/namespaces/{shop.namespace}")
    eventually(lambda: cluster.raw("GET", f"/api/v1/namespaces/{shop.namespace}").status == 404, timeout=90)
    done = cluster.kubectl("create", "-f", "-", stdin=json.dumps(namespace))
    assert done.returncode == 0, done.stderr
    done = cluster.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": saved}))
    assert done.returncode == 0, done.stderr
    eventually(lambda: recorded(shop, "production.web") == 1, timeout=60)
    before = verify(cluster)
    operators.stop()
    operators.start()
    after = verify(cluster)
    assert (about(before, shop.namespace), about(after, shop.namespace)) == ([], [])
    assert "restored from a backup" in before.stdout
    actions = sorted((spec["sequence"], spec["action"]) for spec in shop.records())
    assert actions == [(1, "deploy"), (1, "deploy"), (2, "deploy")]


def _savable(raw: Object) -> Object:
    """An object as a backup keeps it."""
    kept = {key: value for key, value in raw["metadata"].items() if key in {"name", "namespace", "labels"}}
    return {key: value for key, value in raw.items() if key in {"apiVersion", "kind", "spec"}} | {"metadata": kept}
