"""What takes longer in pods of a node: kills, drains, renewed tokens and certificates, uninstall and install again.

`python -m pytest tests/node -m campaign` runs it. Every figure is a count.
"""

import json
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pods import FACADE, NAMESPACE, OPERATOR, WORKSPACE, Installation, assert_every_answer_is_recorded, flowing
from waiting import eventually

from moorage_dev import pki
from moorage_dev.failures import DevError
from moorage_dev.node import node

Figures = Callable[[str], None]

pytestmark = pytest.mark.campaign


def test_killed_processes_come_back_and_every_answer_was_true(workspace: Installation, figures: Figures) -> None:
    leader, facade = eventually(workspace.leader, 60), workspace.pods(FACADE)[0]
    counts = [workspace.restarts(pod) for pod in (leader, facade)]
    with workspace.load("kill") as load:
        flowing(workspace, "kill")
        for pod in (leader, facade):
            workspace.kill(pod)
        for pod, count in zip((leader, facade), counts, strict=True):
            eventually(lambda pod=pod, count=count: workspace.restarts(pod) == count + 1, 90, interval=0.5)
        flowing(workspace, "kill")
    # Connections of the killed facade are cut, and new ones refused until its endpoint is gone; no answer is a lie.
    assert [line for line in load.lost() if line.split()[1][:1].isdigit()] == []
    assert_every_answer_is_recorded(workspace, load, prefix="kill")
    figures(f"{load.requests()} requests, {len(load.failed)} of them cut, each answer has its record")


def test_drain_takes_one_pod_of_each_at_a_time_and_loses_no_request(workspace: Installation, figures: Figures) -> None:
    """`kubectl drain` evicts until a PodDisruptionBudget says no; the node is the only one, so new pods come to it."""
    before = workspace.pods()
    with workspace.load("drain") as load:
        flowing(workspace, "drain")
        for name in (OPERATOR, FACADE):
            first, second = workspace.pods(name)
            assert workspace.evict(first) == 201
            assert workspace.evict(second) == 429
            workspace.settled()
            eventually(lambda second=second: workspace.evict(second) == 201, 60, interval=0.5)
            workspace.settled()
        flowing(workspace, "drain")
    assert load.lost() == []
    assert_every_answer_is_recorded(workspace, load, prefix="drain")
    names = {pod["metadata"]["name"] for pod in before}
    assert names.isdisjoint(pod["metadata"]["name"] for pod in workspace.pods())
    figures(f"{load.requests()} requests, 0 failed, each answer has its record")


def test_token_that_the_kubelet_renews_is_taken_up_without_a_restart(workspace: Installation) -> None:
    pods, before = workspace.pods(), workspace.total_restarts()
    old = {workspace.token_id(pod) for pod in pods}
    assert len(old) == 4
    # A kubelet that starts knows no token any more, so it asks for new ones: the same files change as after 48 minutes.
    workspace.cluster.node.restart(node.KUBELET)

    def renewed() -> set[str]:
        # The way into a pod leads through the kubelet, which listens only when it has started.
        with suppress(DevError):
            new = {workspace.token_id(pod) for pod in pods}
            return new if len(new) == 4 and not new & old else set()
        return set()

    new = eventually(renewed, 180, interval=2)
    with workspace.load("token") as load:
        eventually(lambda: new <= workspace.token_ids_seen(), 180, interval=2)
    assert load.lost() == []
    assert_every_answer_is_recorded(workspace, load, prefix="token")
    assert workspace.total_restarts() == before


@pytest.fixture
def authority(workspace: Installation, tmp_path: Path) -> Iterator[pki.Authority]:
    """The facade speaks TLS, with a certificate of this authority; afterwards it does not any more."""
    made = pki.new_authority(tmp_path / "tls")
    _put_certificate(workspace, made, "first")
    workspace.upgrade(tls={"enabled": True, "secretName": "api-tls"})
    yield made
    workspace.upgrade()
    workspace.kubectl("delete", "secret", "api-tls")


def _put_certificate(workspace: Installation, authority: pki.Authority, stem: str) -> bytes:
    """Write a certificate for the facade's Service into the Secret; the certificate, PEM."""
    service = workspace.service_url().removeprefix("http://")
    certificate, key = authority.issue_server(stem, addresses=(service,))
    data = {"tls.crt": certificate, "tls.key": key}
    workspace.cluster.admin().apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "api-tls", "namespace": NAMESPACE},
            "data": {name: b64encode(path.read_bytes()).decode() for name, path in data.items()},
        }
    )
    return certificate.read_bytes()


def test_new_certificate_is_served_by_the_same_processes(
    workspace: Installation, authority: pki.Authority, figures: Figures
) -> None:
    uids = {pod["metadata"]["uid"] for pod in workspace.pods()}
    with workspace.load("tls", ca=authority.certificate) as load:
        flowing(workspace, "tls")
        new = ssl.PEM_cert_to_DER_cert(_put_certificate(workspace, authority, "second").decode())
        # The kubelet looks at Secrets about once a minute.
        eventually(lambda: workspace.certificates() == {new}, 180, interval=2)
        flowing(workspace, "tls")
    assert load.lost() == []
    assert_every_answer_is_recorded(workspace, load, prefix="tls")
    assert {pod["metadata"]["uid"] for pod in workspace.pods()} == uids
    assert workspace.total_restarts() == 0
    figures(f"{load.requests()} requests over TLS, 0 failed, each answer has its record")


def test_uninstall_keeps_the_history_and_the_next_installation_goes_on_with_it(workspace: Installation) -> None:
    with workspace.load("again") as first:
        flowing(workspace, "again")
    assert first.lost() == []
    assert_every_answer_is_recorded(workspace, first, prefix="again")
    before = workspace.records()
    workspace.uninstall()
    eventually(lambda: json.loads(workspace.kubectl("get", "pods", "--output=json"))["items"] == [], 90, interval=0.5)
    listed = ("get", "validatingadmissionpolicies,mutatingadmissionpolicies", "--output=name")
    assert "moorage" not in workspace.cluster.admin().ok(*listed)
    assert workspace.records() == before
    workspace.install()
    eventually(workspace.leader, 60)
    with workspace.load("again") as second:
        flowing(workspace, "again")
    assert second.lost() == []
    second.answered += first.answered
    assert_every_answer_is_recorded(workspace, second, prefix="again")
    assert before.items() <= workspace.records().items()
    assert workspace.cluster.admin().run("get", "namespace", WORKSPACE, NAMESPACE).returncode == 0
