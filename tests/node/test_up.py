"""`make up` on a machine that can run pods."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import eventually

from moorage_dev import children, patience
from moorage_dev.layout import DEV


class Up:
    """`up` and `down` with a run folder of their own."""

    def __init__(self, run: Path) -> None:
        self.run = run

    def command(self, name: str, **variables: str) -> str:
        """Run it, which must succeed; what it prints."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MOORAGE_", "KUBE"))}
        done = subprocess.run(
            [sys.executable, "-m", "moorage_dev", name, "--run", str(self.run)],
            env={**kept, "PYTHONPATH": str(DEV), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=patience.scaled(280),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def nodes(self) -> str:
        """What kubectl shows of nodes."""
        return self.shell("kubectl get nodes --no-headers")

    def shell(self, command: str) -> str:
        """What a command prints with nothing but what `env` says."""
        script = f"source {self.run}/env; {command}"
        bare = {"PATH": os.environ["PATH"], "HOME": str(self.run)}
        return subprocess.run(["bash", "-c", script], env=bare, capture_output=True, text=True, check=True).stdout

    def pids(self) -> dict[str, int]:
        """Name → process id, of everything that runs."""
        return {path.stem: int(path.read_text(encoding="utf-8")) for path in self.run.glob("*.pid")}


@pytest.fixture
def up(node_programs: None, tmp_path: Path) -> Iterator[Up]:
    made = Up(tmp_path / "run")
    yield made
    made.command("down")


def test_up_has_a_ready_node_and_repairs_it_and_down_takes_it_away(up: Up) -> None:
    assert "and a node" in up.command("up")
    assert " Ready " in up.nodes()
    first = up.pids()
    children.kill(children.load(up.run / "cluster/node/processes.json")["kubelet"])
    assert "kubelet" in up.command("up")
    assert up.pids()["containerd"] == first["containerd"]
    up.shell("kubectl create configmap kept --from-literal=is=there")
    address = up.shell("echo $MOORAGE_URL; kubectl config view --output=jsonpath={.clusters[0].cluster.server}")
    for process in (child for child in children.load(up.run / "cluster/node/processes.json").values()):
        children.kill(process)
    gone = list(up.pids().values())
    for pid in gone:
        if children.exists(pid):
            os.kill(pid, signal.SIGKILL)
    # A large process takes a moment to end, and has its port until then.
    eventually(lambda: not any(children.exists(pid) for pid in gone))
    assert "node" in up.command("up")
    assert up.shell("echo $MOORAGE_URL; kubectl config view --output=jsonpath={.clusters[0].cluster.server}") == address
    assert up.shell("kubectl get configmap kept --output=jsonpath={.data.is}") == "there"
    eventually(lambda: " Ready " in up.nodes(), 60)
    assert "its pods, images and cgroups" in up.command("down")
    assert [pid for pid in first.values() if children.exists(pid)] == []


def test_node_is_switched_off_by_a_flag(up: Up) -> None:
    up.command("up", NODE="0")
    assert up.nodes() == ""
    assert "kubelet" not in up.pids()
