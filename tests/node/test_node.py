"""The node itself: pods run and roll, parts come back, and nothing of it stays on the machine."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from moorage_dev import binaries, children, modules, patience
from moorage_dev.node import cgroups, node
from moorage_dev.node.cluster import NodeCluster
from moorage_dev.node.configuration import PAUSE_IMAGE

WORKLOAD = "deployment/web-shop"


def machine() -> dict[str, str]:
    """What a node must not change outside of its namespaces."""
    commands = {
        "devices": ("ip", "-oneline", "link"),
        "addresses": ("ip", "-oneline", "addr"),
        "routes": ("ip", "route"),
        "filters": ("iptables-save",),
        "tables": ("nft", "list", "ruleset"),
    }
    found = {
        name: subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for name, command in commands.items()
    }
    found["filters"] = "\n".join(line for line in found["filters"].splitlines() if line[:1] == "-")
    sysctls = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward")
    return {**found, **{name: Path("/proc/sys", name).read_text(encoding="ascii") for name in sysctls}}


def processes_below(folder: Path) -> list[str]:
    """Command lines that name the folder, of all processes of the machine but this one."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def workload(image: str) -> dict[str, Any]:
    """An ordinary Deployment of two pods."""
    labels = {"app": "web-shop"}
    container = {"name": "web-shop", "image": image, "imagePullPolicy": "Never"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": "web-shop", "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def test_release_of_a_workload_is_seen_rolling_out(node_cluster: NodeCluster) -> None:
    kubectl = node_cluster.admin()
    images = [f"localhost/shop/web-shop:{release}" for release in ("2.4.0", "2.4.1")]
    node_cluster.node.load_program(binaries.build(modules.NODE) / "pause", *images)
    for image in images:
        kubectl.apply(workload(image))
        kubectl.ok("rollout", "status", WORKLOAD, patience.flag(90))
    pods = json.loads(kubectl.ok("get", "pods", "--selector=app=web-shop", "--output=json"))["items"]
    current = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    assert [pod["spec"]["containers"][0]["image"] for pod in current] == [images[1]] * 2
    kubectl.ok("delete", WORKLOAD, "--cascade=foreground")


@pytest.mark.parametrize("part", [node.KUBELET, node.CONTAINERD])
def test_pods_survive_a_part_that_died_and_new_ones_start_when_it_is_repaired(
    node_cluster: NodeCluster, part: str
) -> None:
    kubectl = node_cluster.admin()
    kubectl.apply(workload(PAUSE_IMAGE))
    kubectl.ok("rollout", "status", WORKLOAD, patience.flag(90))
    before = kubectl.ok("get", "pods", "--selector=app=web-shop", "--output=name").split()
    node_cluster.node.kill(part)
    assert node_cluster.repair() == [part]
    kubectl.ok("scale", WORKLOAD, "--replicas=3")
    kubectl.ok("rollout", "status", WORKLOAD, patience.flag(110))
    after = kubectl.ok("get", "pods", "--selector=app=web-shop", "--output=name").split()
    assert set(before) < set(after)
    restarts = "jsonpath={.items[*].status.containerStatuses[*].restartCount}"
    assert kubectl.ok("get", "pods", "--selector=app=web-shop", f"--output={restarts}").split() == ["0"] * 3
    kubectl.ok("delete", WORKLOAD, "--cascade=foreground")


def test_stop_by_another_process_leaves_nothing_on_the_machine(own_node_cluster: NodeCluster) -> None:
    folder = own_node_cluster.folder
    kubectl = own_node_cluster.admin()
    before = machine()
    kubectl.apply(workload(PAUSE_IMAGE))
    kubectl.ok("rollout", "status", WORKLOAD, patience.flag(90))
    name = own_node_cluster.node.cgroup
    assert cgroups.left(name)
    running = own_node_cluster.processes
    # A part whose parent stands still must not keep the others.
    children.pause(running[node.DNS])
    # As `make down` does: all it knows is the folder.
    NodeCluster(folder).stop()
    assert cgroups.left(name) == []
    assert [each for each in running.values() if children.is_running(each)] == []
    assert processes_below(folder) == []
    assert str(folder) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert not folder.exists()
    assert machine() == before
