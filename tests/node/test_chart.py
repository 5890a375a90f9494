"""The chart in pods of a real node: what rolls, dies, loses its API server or its token loses no change.

Every figure is a count: requests that failed, answers without a record, containers that were started again.
What takes a minute each is in `test_chart_campaign`.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pods import FACADE, OPERATOR, Installation, assert_every_answer_is_recorded, flowing
from waiting import eventually

from moorage_dev.node import addresses

ENVIRONMENTS = "/v1/orgs/acme/workspaces/shop/environments"
METRICS = 9090
#: What a process may stand still before its liveness probe can have failed three times, seconds.
LIVES = 20.0
Figures = Callable[[str], None]


def status_of_process(pid: int) -> dict[str, str]:
    """What the kernel says about a process, by name."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def root_options(pid: int) -> list[str]:
    """With which options a process has its root mounted."""
    lines = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8").splitlines()]
    [options] = [fields[5].split(",") for fields in lines if fields[4] == "/"]
    return options


def address(pod: Mapping[str, Any]) -> str:
    """Address of a pod."""
    return str(pod["status"]["podIP"])


def test_helm_waits_for_pods_that_are_all_ready_at_their_first_start(
    release: Installation, said_at_installation: str
) -> None:
    assert "is installed as moorage in moorage-system" in said_at_installation
    pods = release.pods()
    assert sorted(pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods) == [
        "api",
        "api",
        "operator",
        "operator",
    ]
    assert all(release.is_ready(pod) for pod in pods)
    assert release.total_restarts() == 0


def test_processes_have_no_right_to_spare(release: Installation) -> None:
    for pod in release.pods():
        pid = release.process(pod)
        status = status_of_process(pid)
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")} == {0}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"10001"}
        assert "ro" in root_options(pid)


def test_helm_test_passes_under_enforced_network_policies(release: Installation) -> None:
    said = release.test()
    assert "Succeeded" in said
    assert [line.split()[1] for line in said.splitlines() if line.startswith(("/healthz", "/readyz"))] == ["200"] * 2


def test_process_that_stands_still_gets_no_requests_until_it_goes_on(workspace: Installation) -> None:
    pod, before = workspace.pods(FACADE)[0], workspace.total_restarts()
    pid, stopped = workspace.process(pod), time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: not workspace.is_ready(pod), 60, interval=0.5)
        with workspace.load("stopped") as load:
            flowing(workspace, "stopped")
    finally:
        os.kill(pid, signal.SIGCONT)
    # Where the changes took longer than that, the kubelet is right to start it again.
    may_start_again = int(time.monotonic() - stopped > LIVES)
    assert load.lost() == []
    assert_every_answer_is_recorded(workspace, load, prefix="stopped")
    eventually(lambda: workspace.is_ready(pod), 60, interval=0.5)
    assert workspace.total_restarts() - before <= may_start_again


def test_upgrade_and_rollback_lose_no_request(workspace: Installation, figures: Figures) -> None:
    rolled = {"podAnnotations": {"example.com/rolled": "yes"}}
    before = {pod["metadata"]["uid"] for pod in workspace.pods()}
    with workspace.load("roll") as load:
        flowing(workspace, "roll")
        workspace.upgrade(api=rolled, operator=rolled)
        between = {pod["metadata"]["uid"] for pod in workspace.pods()}
        flowing(workspace, "roll")
        workspace.rollback()
        after = {pod["metadata"]["uid"] for pod in workspace.pods()}
        flowing(workspace, "roll")
    assert (len(before), len(between), len(after)) == (4, 4, 4)
    assert not before & between
    assert not between & after
    assert load.lost() == []
    assert_every_answer_is_recorded(workspace, load, prefix="roll")
    figures(f"{load.requests()} requests, 0 failed, each answer has its record")


def test_pods_that_are_deleted_take_no_request_with_them(workspace: Installation, figures: Figures) -> None:
    leader = eventually(workspace.leader, 60)
    with workspace.load("gone") as load:
        flowing(workspace, "gone")
        for pod in (leader, workspace.pods(FACADE)[0]):
            workspace.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
        eventually(lambda: workspace.leader(other_than=leader), 60)
        workspace.settled()
        flowing(workspace, "gone")
    assert load.lost() == []
    assert_every_answer_is_recorded(workspace, load, prefix="gone")
    figures(f"{load.requests()} requests, 0 failed, each answer has its record")


def test_outage_of_the_api_server_restarts_no_pod_and_loses_no_answer(
    workspace: Installation, figures: Figures
) -> None:
    before, plane = workspace.total_restarts(), workspace.cluster.control_plane
    facades = [address(pod) for pod in workspace.pods(FACADE)]
    with workspace.load("out") as load:
        flowing(workspace, "out")
        plane.kill_api_server()
        try:
            eventually(lambda: workspace.status_from(facades, ENVIRONMENTS, 8080) == {503}, 90, interval=1)
            assert workspace.status_from(facades, "/readyz", METRICS) == {200}
        finally:
            plane.restart_api_server()
        eventually(lambda: workspace.status_from(facades, ENVIRONMENTS, 8080) == {200}, 60)
        flowing(workspace, "out")
    # 403 is what the API server itself says while it starts: it answers before it has read roles and bindings.
    assert [line for line in load.failed if line.split()[1] not in {"503", "403"}] == []
    assert_every_answer_is_recorded(workspace, load, prefix="out")
    assert workspace.total_restarts() == before
    figures(f"{load.requests()} requests, {len(load.failed)} of them refused, each other answer has its record")


def test_network_policies_let_through_what_is_documented_and_nothing_else(workspace: Installation) -> None:
    operator, facade = (address(workspace.pods(name)[0]) for name in (OPERATOR, FACADE))
    kubernetes = ((addresses.KUBERNETES_SERVICE, 443), (addresses.NODE_ADDRESS, addresses.API_PORT))
    others = ((operator, METRICS), (facade, METRICS), (facade, 8080), (addresses.NODE_ADDRESS, 10250))
    # From the node everything is let through, so the refusals below are those of the policies.
    assert workspace.status_from((operator, facade), "/healthz", METRICS) == {200}
    for name, own in ((OPERATOR, operator), (FACADE, facade)):
        assert workspace.reaches(name, *kubernetes) == [True, True], name
        foreign = [target for target in others if target[0] != own]
        assert workspace.reaches(name, *foreign) == [False] * len(foreign), name
