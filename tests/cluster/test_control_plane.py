"""The ground that every other cluster test stands on."""

import json
import shutil
from base64 import b64encode
from pathlib import Path

import pytest
from cluster import WRITES, LiveCluster, Workspaces, account
from services import Facades, Operators
from waiting import eventually

from moorage_dev import children
from moorage_dev.control_plane import ControlPlane
from moorage_dev.failures import DevError
from moorage_dev.rest_client import RestClient


def test_api_server_knows_its_version(cluster: LiveCluster) -> None:
    version = cluster.raw("GET", "/version", token="").json()
    assert (version["major"], int(version["minor"].rstrip("+"))) >= ("1", 36)
    assert not version["gitVersion"].startswith("v0.0.0")


def test_users_are_who_they_say(cluster: LiveCluster) -> None:
    for user in ("admin", "alice", "élise", "user-30"):
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = cluster.raw("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", user=user, body=body)
        assert answer.json()["status"]["userInfo"]["username"] == cluster.username(user)


def test_members_of_a_workspace_have_rights_there_and_nowhere_else(cluster: LiveCluster, workspace: Workspaces) -> None:
    here, elsewhere = workspace(members={"alice": "moorage-edit"}), workspace(members={})
    assert cluster.raw("GET", here.path("environments"), user="alice").status == 200
    assert cluster.raw("GET", elsewhere.path("environments"), user="alice").status == 403
    cluster.revoke(here.namespace, "alice", "moorage-edit")
    assert cluster.raw("GET", here.path("environments"), user="alice").status == 403


def test_policies_are_in_force_when_the_installation_is_done(cluster: LiveCluster, workspace: Workspaces) -> None:
    here = workspace("production")
    made = here.create_deployment("production", "web", "1.0.0")
    assert made["changeLog"]["entries"][0]["by"] == cluster.username("admin")


def test_audit_log_tells_who_wrote_what(cluster: LiveCluster, workspace: Workspaces) -> None:
    here = workspace("production")
    mark = cluster.audit_mark()
    here.create_deployment("production", "web", "1.0.0", user="alice")
    here.set_release("production.web", "1.0.1", user="alice")
    alice = cluster.username("alice")
    wanted = {(alice, "create", "deployments"): 1, (alice, "patch", "deployments"): 1}
    eventually(lambda: cluster.count_writes(mark, user=alice) == wanted)
    assert {event.namespace for event in cluster.audit_since(mark, user=alice, verbs=WRITES)} == {here.namespace}


def test_deleted_namespace_goes_without_the_operator(
    cluster: LiveCluster, workspace: Workspaces, no_operator: Operators
) -> None:
    here = workspace("production")
    here.create_deployment("production", "web", "1.0.0")
    assert cluster.raw("DELETE", f"/api/v1/namespaces/{here.namespace}").status == 200
    eventually(lambda: cluster.raw("GET", f"/api/v1/namespaces/{here.namespace}").status == 404, timeout=30)


def test_operator_and_facade_run_with_their_own_accounts_alone(
    cluster: LiveCluster, operators: Operators, facades: Facades, workspace: Workspaces
) -> None:
    operators.ensure()
    facade = facades.ensure()
    mark = cluster.audit_mark()
    here = workspace("production")
    here.create_deployment("production", "web", "1.0.0")
    assert facade.call("GET", here.rest, user="alice").status == 200
    eventually(lambda: cluster.audit_since(mark, user=account("moorage-operator"), resource="deploymentrecords"))

    def asks_who_it_is() -> bool:
        # It believes for some seconds what it has heard of alice in a test before.
        assert facade.call("GET", here.rest, user="alice").status == 200
        return bool(cluster.audit_since(mark, user=account("moorage-api"), resource="tokenreviews"))

    eventually(asks_who_it_is)


def test_killed_parts_come_back_with_the_same_data(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path / "plane")
    plane.start()
    try:
        admin = plane.tokens["admin"]
        client = RestClient(plane.endpoint.server, plane.endpoint.ca)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}}
        assert client.request("POST", "/api/v1/namespaces", token=admin, body=body).status == 201
        plane.kill_api_server()
        assert not plane.api_server_ready()
        plane.restart_api_server()
        plane.kill_etcd()
        plane.restart_etcd()
        eventually(plane.api_server_ready)
        assert eventually(lambda: client.request("GET", "/api/v1/namespaces/kept", token=admin).status == 200)
        client.close()
        _gateway_reads_what_is_stored(plane)
    finally:
        plane.remove()


def _gateway_reads_what_is_stored(plane: ControlPlane) -> None:
    client = plane.etcd()
    key = b64encode(b"/registry/namespaces/kept").decode()
    answer = client.request("POST", "/v3/kv/range", body={"key": key})
    client.close()
    assert answer.json()["count"] == "1"


def test_store_lets_in_nobody_without_a_certificate_of_its_own(tmp_path: Path) -> None:
    """Every user of the machine reaches the loopback address, and users of the API server have client certificates."""
    plane = ControlPlane(tmp_path / "plane")
    plane.start()
    try:
        plane.client_kubeconfig("mallory", "system:masters")
        keys = plane.folder / f"pki/client-{b'mallory'.hex()}"
        theirs = (keys.with_suffix(".crt"), keys.with_suffix(".key"))
        trusted = (plane.folder / "etcd-pki/ca.crt").read_bytes()
        for url in plane.etcd_urls:
            plain = url.replace("https:", "http:")
            for client in (
                RestClient(url, trusted),
                RestClient(url, trusted, certificate=theirs),
                RestClient(plain, None),
            ):
                assert not client.ready("/version"), url
                client.close()
        own = plane.etcd()
        assert own.ready("/version")
        own.close()
    finally:
        plane.remove()


def test_two_control_planes_do_not_collide_and_stop_alone(cluster: LiveCluster, tmp_path: Path) -> None:
    second = ControlPlane(tmp_path / "second")
    second.start()
    second.start_controllers()
    running = second.processes
    assert all(children.is_running(child) for child in running.values())
    # Another process stops it, from the files alone.
    ControlPlane(tmp_path / "second").stop()
    eventually(lambda: not any(children.is_running(child) for child in running.values()))
    assert cluster.raw("GET", "/readyz").status == 200


def test_control_plane_that_cannot_start_shows_the_log_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "kube-apiserver"
    program.write_text("#!/bin/sh\necho 'cannot read the moon' >&2; exit 3\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("TEST_ASSET_KUBE_APISERVER", str(program))
    plane = ControlPlane(tmp_path / "plane")
    with pytest.raises(DevError, match="cannot read the moon"):
        plane.start()
    assert plane.processes == {}
    assert json.loads((tmp_path / "plane/processes.json").read_text(encoding="utf-8")) == {}
    shutil.rmtree(tmp_path / "plane")
