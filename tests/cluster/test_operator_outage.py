"""The API server goes away and comes back: the operator stays, and nothing is missing afterwards."""

from cluster import LiveCluster, Workspace, Workspaces
from waiting import eventually

from moorage_dev import children
from moorage_dev.control_plane import ControlPlane
from moorage_dev.processes import Service


def _recorded(workspace: Workspace, name: str) -> int:
    return int(((workspace.get("deployments", name) or {}).get("status") or {}).get("recordedSequence", 0))


def test_an_operator_outlives_its_api_server(
    operator: Service, workspace: Workspaces, cluster: LiveCluster, control_plane: ControlPlane
) -> None:
    shop = workspace("production")
    shop.create_deployment("production", "web", "v0", user="alice")
    shop.create_deployment("production", "gone", "v0", user="alice")
    eventually(lambda: _recorded(shop, "production.web") == _recorded(shop, "production.gone") == 1)
    for number in (1, 2):
        shop.set_release("production.web", f"v{number}.a", user="alice")
        control_plane.kill_api_server()
        control_plane.restart_api_server()
        # The API server is ready a little before it knows who may do what.
        eventually(lambda release=f"v{number}.b": shop.set_release("production.web", release, user="bob"), timeout=30)
    assert cluster.raw("DELETE", shop.path("deployments", "production.gone"), user="alice").status == 200
    eventually(lambda: _recorded(shop, "production.web") == 5, timeout=30)
    eventually(lambda: [spec["action"] for spec in shop.records("production.gone")] == ["deploy", "undeploy"])
    releases = [spec["release"] for spec in shop.records("production.web")]
    assert releases == ["v0", "v1.a", "v1.b", "v2.a", "v2.b"]
    assert children.is_running(operator.child)
