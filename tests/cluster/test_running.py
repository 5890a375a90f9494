"""`make up` and `make down`, and what they say when something is wrong."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import LiveCluster
from waiting import eventually

from moorage_dev import children, kubeconfigs, patience, ports
from moorage_dev.kubeconfigs import Endpoint
from moorage_dev.rest_client import RestClient

ROOT = Path(__file__).resolve().parents[2]


def _make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
    return subprocess.run(
        [sys.executable, "-m", "moorage_dev", *arguments],
        # Whether pods run makes no difference here, and tests/node shows `up` with a node.
        env={**kept, "PYTHONPATH": str(ROOT / "dev"), "NODE": "0", **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=patience.scaled(240),
    )


def _variables(run: Path) -> dict[str, str]:
    """What a shell has after `source env`."""
    script = f"source {run}/env; env -0"
    bare = {"PATH": os.environ["PATH"], "HOME": str(run)}
    done = subprocess.run(["bash", "-c", script], env=bare, capture_output=True, check=True)
    return dict(pair.decode().split("=", 1) for pair in done.stdout.split(b"\0") if pair)


def _pids(run: Path) -> dict[str, int]:
    return {path.stem: int(path.read_text(encoding="utf-8")) for path in run.glob("*.pid")}


def _alive(pid: int) -> bool:
    return children.exists(pid)


def _kill(*pids: int) -> None:
    """SIGKILL; returns when they are gone: a large process takes a moment to end, and has its port until then."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(_alive(pid) for pid in pids))


@pytest.fixture
def run(tmp_path: Path) -> "Path":
    return tmp_path / "run"


@pytest.mark.skipif("MOORAGE_KUBECONFIG" in os.environ, reason="NOT RUN: starts a control plane of its own")
def test_up_repair_and_down(run: Path) -> None:
    try:
        started = _make("up", "--run", str(run))
        assert started.returncode == 0, started.stderr
        first = _pids(run)
        assert set(first) >= {"etcd", "apiserver", "operator", "api"}
        _works(run)

        again = _make("up", "--run", str(run))
        assert again.returncode == 0
        assert "already running" in again.stdout
        assert _pids(run) == first

        _kill(first["api"], first["apiserver"])
        repaired = _make("up", "--run", str(run))
        assert repaired.returncode == 0, repaired.stderr
        # The operator may have ended with the API server: its cluster would start it again.
        assert {"apiserver", "api"} <= set(repaired.stdout.rpartition(": ")[2].strip().split(", "))
        _works(run)
        last = _pids(run)
        assert last["etcd"] == first["etcd"]
    finally:
        stopped = _make("down", "--run", str(run))
    assert stopped.returncode == 0, stopped.stderr
    eventually(lambda: not any(_alive(pid) for pid in last.values()))
    assert not (run / "env").exists()
    assert "nothing to do" in _make("down", "--run", str(run)).stdout


def _works(run: Path) -> None:
    """kubectl, the facade, its metrics and the audit log answer, with nothing but what `env` says."""
    variables = _variables(run)
    command = ["kubectl", "get", "environments.moorage.dev", "--all-namespaces"]
    assert subprocess.run(command, env=variables, capture_output=True, check=False).returncode == 0
    facade = RestClient(variables["MOORAGE_URL"], None)
    # Ready again a moment after the API server is: nobody waits for that but the facade itself.
    eventually(facade.ready, timeout=30)
    assert facade.request("GET", "/v1/orgs", token=variables["MOORAGE_TOKEN"]).status in {200, 404}
    facade.close()
    metrics = variables["MOORAGE_METRICS_URL"].removesuffix("/metrics")
    client = RestClient(metrics, None)
    assert client.request("GET", "/metrics").status == 200
    client.close()
    assert Path(variables["MOORAGE_AUDIT_LOG"]).stat().st_size > 0


@pytest.mark.skipif("MOORAGE_KUBECONFIG" in os.environ, reason="NOT RUN: starts a control plane of its own")
def test_killed_start_is_cleaned_up_by_down(run: Path) -> None:
    command = [sys.executable, "-m", "moorage_dev", "up", "--run", str(run)]
    log = run.parent / "log"
    child = children.spawn("up", command, log=log, env={**os.environ, "PYTHONPATH": str(ROOT / "dev")})
    eventually(lambda: children.load(run / "cluster/processes.json").get("apiserver"), timeout=60)
    children.kill(child)
    left = children.load(run / "cluster/processes.json")
    stopped = _make("down", "--run", str(run))
    assert stopped.returncode == 0, stopped.stderr
    assert "left" in stopped.stdout
    eventually(lambda: not any(children.is_running(process) for process in left.values()))


def test_given_cluster_is_used_and_left_alone(cluster: LiveCluster, run: Path) -> None:
    given = str(cluster.underlying.admin_kubeconfig)
    try:
        started = _make("up", "--run", str(run), MOORAGE_KUBECONFIG=given)
        assert started.returncode == 0, started.stderr
        assert set(_pids(run)) == {"operator", "api"}
        variables = _variables(run)
        facade = RestClient(variables["MOORAGE_URL"], None)
        assert facade.request("GET", "/version", token=variables["MOORAGE_TOKEN"]).status == 200
        facade.close()
        # Later commands need no variable.
        assert "already running" in _make("up", "--run", str(run)).stdout
    finally:
        stopped = _make("down", "--run", str(run))
    assert "stay in your cluster" in stopped.stdout
    assert cluster.raw("GET", "/readyz").status == 200


def test_port_in_use_is_one_sentence(run: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = _make("up", "--run", str(run), MOORAGE_PORT=str(port))
    assert f"port {port} of 127.0.0.1 is in use" in _sentence(done)


@pytest.mark.parametrize("port", ["0", "70000", "http", "²"])
def test_port_that_is_none_is_one_sentence(run: Path, port: str) -> None:
    assert _sentence(_make("up", "--run", str(run), MOORAGE_PORT=port)).startswith("MOORAGE_PORT says")


def test_missing_kubeconfig_is_one_sentence(run: Path) -> None:
    done = _make("up", "--run", str(run), MOORAGE_KUBECONFIG="/nowhere/config")
    assert _sentence(done) == "MOORAGE_KUBECONFIG: there is no file /nowhere/config; correct it or unset it"


def test_file_that_is_no_kubeconfig_is_one_sentence(run: Path, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("{this is: [no kubeconfig", encoding="utf-8")
    done = _make("up", "--run", str(run), MOORAGE_KUBECONFIG=str(tmp_path / "config"))
    assert "MOORAGE_KUBECONFIG" in _sentence(done)


def test_unreachable_cluster_is_one_sentence(cluster: LiveCluster, run: Path, tmp_path: Path) -> None:
    nobody = Endpoint(f"https://127.0.0.1:{ports.free(1)[0]}", cluster.endpoint.ca)
    config = kubeconfigs.with_token(tmp_path / "config", nobody, user="nobody", token="none")
    assert "does not answer" in _sentence(_make("up", "--run", str(run), MOORAGE_KUBECONFIG=str(config)))


def test_user_without_rights_is_one_sentence(cluster: LiveCluster, run: Path) -> None:
    config = cluster.kubeconfig("mallory", cluster.token("mallory"))
    assert "is not an administrator there" in _sentence(_make("up", "--run", str(run), MOORAGE_KUBECONFIG=str(config)))


def test_unknown_token_is_one_sentence(cluster: LiveCluster, run: Path) -> None:
    config = cluster.kubeconfig("nobody", "invented")
    assert "MOORAGE_KUBECONFIG" in _sentence(_make("up", "--run", str(run), MOORAGE_KUBECONFIG=str(config)))


def test_failure_in_the_middle_leaves_nothing(cluster: LiveCluster, run: Path, tmp_path: Path) -> None:
    program = tmp_path / "kube-controller-manager"
    program.write_text("not a program", encoding="utf-8")
    program.chmod(0o755)
    done = _make("up", "--run", str(run), TEST_ASSET_KUBE_CONTROLLER_MANAGER=str(program))
    assert done.returncode == 1
    assert "controller-manager could not be started" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (run / "state.json").exists()
    assert list(run.glob("*.pid")) == []
    assert not (run / "cluster").exists()


def test_wrong_command_says_which_there_are() -> None:
    done = _make("fly")
    assert done.returncode == 2
    assert "up" in done.stderr


def _sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a command that failed as it should."""
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    found = re.fullmatch(r"error: (.+)", lines[0])
    assert found, done.stderr
    return found[1]
