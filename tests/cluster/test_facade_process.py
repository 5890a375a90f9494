"""The facade as a process: start, stop, a cluster that goes away, certificates."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cluster import LiveCluster, Workspaces
from services import Facade, Facades
from waiting import eventually

from moorage_dev import children, patience, ports
from moorage_dev.control_plane import ControlPlane

PROGRAM = Path(sys.executable).parent / "moorage"


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`moorage api` until it ends by itself."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MOORAGE_")}
    return subprocess.run(
        [PROGRAM, "api", "--log-level=ERROR", "--bind-host=127.0.0.1", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=patience.scaled(60),
        check=False,
    )


def test_port_in_use_is_one_sentence(facade: Facade, cluster: LiveCluster) -> None:
    taken = facade.service.url.rsplit(":", 1)[1]
    admin = cluster.underlying.admin_kubeconfig

    done = start(f"--kubeconfig={admin}", f"--port={taken}", f"--metrics-port={ports.free(1)[0]}")

    assert done.returncode == 1
    assert f"127.0.0.1:{taken}" in done.stderr
    assert "MOORAGE_PORT" in done.stderr
    assert done.stderr.count("\n") == 1


def test_token_that_is_not_accepted_is_one_sentence(cluster: LiveCluster) -> None:
    kubeconfig = cluster.kubeconfig("nobody", "wrong")
    first, second = ports.free(2)

    done = start(f"--kubeconfig={kubeconfig}", f"--port={first}", f"--metrics-port={second}")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("moorage api: ")


def test_running_requests_are_finished_at_the_end(facades: Facades, workspace: Workspaces) -> None:
    space = workspace("staging")
    # As long as all of them need to be there, and somebody to ask whether it is ready.
    facade = facades.start({"MOORAGE_STOP_DELAY_SECONDS": f"{min(patience.scaled(2), 10):.1f}"})
    child = facade.service.child
    with ThreadPoolExecutor(8) as pool:
        running = [
            pool.submit(
                facade.call,
                "POST",
                f"{space.rest}/staging/deploy",
                body={"app_id": f"app-{number}", "release_id": "v1"},
            )
            for number in range(8)
        ]
        os.kill(child.pid, signal.SIGTERM)
        eventually(lambda: facade.call("GET", "/readyz", user=None).status == 503)
        statuses = {task.result().status for task in running}

    eventually(lambda: not children.is_running(child))
    assert statuses == {200}


def test_cluster_that_goes_away_is_told_and_survived(
    facades: Facades, workspace: Workspaces, control_plane: ControlPlane
) -> None:
    space = workspace("staging")
    facade = facades.start({"MOORAGE_MAX_STALENESS_SECONDS": "600"})
    facade.call("POST", f"{space.rest}/staging/deploy", body={"app_id": "checkout", "release_id": "v1"})
    facade.call("GET", f"{space.rest}/staging")
    control_plane.kill_api_server()
    try:
        # A caller whose reviews are still believed reads on, with a warning.
        warned = eventually(
            lambda: (answer := facade.call("GET", f"{space.rest}/staging")).headers.get("warning") and answer, 9
        )
        write = facade.call("POST", f"{space.rest}/staging/deploy", body={"app_id": "checkout", "release_id": "v2"})
        closed = eventually(
            lambda: (answer := facade.call("GET", f"{space.rest}/staging")).status == 503 and answer, 30
        )
    finally:
        control_plane.restart_api_server()

    assert warned.status == 200
    assert int(warned.headers["age"]) >= 0
    assert (write.status, write.json()["details"]["reason"]) == (503, "ClusterUnavailable")
    assert closed.json()["details"] == {"reason": "ClusterUnavailable"}
    eventually(
        lambda: (
            facade.call("POST", f"{space.rest}/staging/deploy", body={"app_id": "checkout", "release_id": "v2"}).status
            == 200
        ),
        30,
    )
    eventually(lambda: "warning" not in facade.call("GET", f"{space.rest}/staging").headers, 30)


def test_metrics_count_answers_and_show_the_cache(facade: Facade, workspace: Workspaces) -> None:
    space = workspace("staging")
    facade.call("GET", space.rest)
    metrics_port = facade.service.metrics_url.split(":")[2].split("/")[0]

    text = children_metrics(int(metrics_port))

    assert 'moorage_requests_total{operation="listEnvironments",status="200"}' in text
    assert 'moorage_watch_connected{kind="deployments"} 1.0' in text
    assert space.org not in text


def children_metrics(port: int) -> str:
    """The page of metrics."""
    from moorage_dev.rest_client import RestClient  # noqa: PLC0415 — only here

    client = RestClient(f"http://127.0.0.1:{port}", None)
    try:
        return client.request("GET", "/metrics").body.decode()
    finally:
        client.close()


@pytest.mark.parametrize("name", ["moorage.access"])
def test_access_log_has_no_token(facade: Facade, workspace: Workspaces, cluster: LiveCluster, name: str) -> None:
    space = workspace("staging")
    facade.call("GET", space.rest, headers={"X-Request-Id": f"seen-{space.name}"})

    log = eventually(
        lambda: f"seen-{space.name}" in (text := facade.service.child.log.read_text(encoding="utf-8")) and text
    )

    assert f'"logger":"{name}"' in log
    assert cluster.token("alice") not in log
