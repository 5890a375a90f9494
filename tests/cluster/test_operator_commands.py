"""`moorage verify`, `export` and `preflight` against the real cluster, and retention, which verify must understand."""

import csv
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from commands import broken, moorage
from etcd import Etcd
from services import Operators
from waiting import eventually

from moorage_dev import ports
from moorage_dev.control_plane import ControlPlane
from moorage_dev.processes import Service


def recorded_chain(workspace: Workspace, app: str, *releases: str | None) -> str:
    """A binding with these releases, all recorded; returns the uid."""
    name = f"production.{app}"
    uid = str(workspace.create_deployment("production", app, releases[0], user="alice")["metadata"]["uid"])
    for release in releases[1:]:
        workspace.set_release(name, release, user="alice")
    eventually(lambda: _recorded(workspace, name) == len(releases))
    return uid


def _recorded(workspace: Workspace, name: str) -> int:
    return int(((workspace.get("deployments", name) or {}).get("status") or {}).get("recordedSequence", 0))


def test_an_edited_record_is_named(
    operator: Service, workspace: Workspaces, cluster: LiveCluster, control_plane: ControlPlane
) -> None:
    shop = workspace("production")
    uid = recorded_chain(shop, "web", "v1", "v2", "v3")
    recorded_chain(shop, "api", "v1", "v2")
    assert broken(moorage(cluster, "verify"), shop.namespace) == []

    def edit(stored: dict[str, Any]) -> None:
        stored["spec"]["by"] = "mallory"

    Etcd(control_plane).edit("deploymentrecords", shop.namespace, f"{uid}-00000002", edit)
    eventually(lambda: "mallory" in {spec["by"] for spec in shop.records("production.web")})
    done = moorage(cluster, "verify")
    found = broken(done, shop.namespace)
    assert done.returncode == 1
    assert len(found) == 1
    assert f"{shop.namespace}/production.web {uid}: record 2 was edited" in found[0]


def test_an_anchor_shows_that_the_end_of_a_chain_was_taken_away(
    operator: Service, workspace: Workspaces, cluster: LiveCluster, control_plane: ControlPlane, tmp_path: Path
) -> None:
    shop = workspace("production")
    uid = recorded_chain(shop, "web", "v1", "v2")
    anchor = tmp_path / "tips.jsonl"
    moorage(cluster, "verify", "--write-anchor", str(anchor))
    assert any(json.loads(line)["uid"] == uid for line in anchor.read_text().splitlines())
    Etcd(control_plane).remove("deploymentrecords", shop.namespace, f"{uid}-00000001")
    Etcd(control_plane).remove("deploymentrecords", shop.namespace, f"{uid}-00000002")
    assert cluster.raw("DELETE", shop.path("deployments", "production.web")).status == 200
    eventually(lambda: shop.get("deployments", "production.web") is None)
    done = moorage(cluster, "verify", "--anchor", str(anchor))
    assert done.returncode == 1
    assert broken(done, shop.namespace)


def test_an_export_can_be_filtered_and_verified(
    operator: Service, workspace: Workspaces, cluster: LiveCluster, tmp_path: Path
) -> None:
    shop = workspace("production")
    recorded_chain(shop, "web", "v1", "v2", None)
    recorded_chain(shop, "api", "v1")
    place = f"{shop.org}/{shop.name}"
    lines = tmp_path / "history.jsonl"
    assert moorage(cluster, "export", "--workspace", place, "--output", str(lines)).returncode == 0
    assert len(lines.read_text().splitlines()) == 4
    assert moorage(cluster, "verify", "--file", str(lines)).returncode == 0
    table = tmp_path / "history.csv"
    assert moorage(cluster, "export", "--workspace", place, "--app", "web", "--output", str(table)).returncode == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["action"] for row in rows] == ["deploy", "deploy", "undeploy"]
    assert {row["workspace"] for row in rows} == {shop.name}
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert moorage(cluster, "export", "--workspace", place, "--since", tomorrow).stdout == ""
    lines.write_text(lines.read_text().replace('"v2"', '"v3"'))
    assert moorage(cluster, "verify", "--file", str(lines)).returncode == 1


def test_preflight_is_content_with_this_cluster(cluster: LiveCluster, workspace: Workspaces) -> None:
    workspace("production")
    done = moorage(cluster, "preflight")
    assert done.returncode == 0, done.stdout
    assert "missing" not in done.stdout


def test_preflight_says_what_an_account_lacks(cluster: LiveCluster) -> None:
    kubeconfig = cluster.kubeconfig("viewer", cluster.token("viewer"))
    done = moorage(cluster, "preflight", kubeconfig=kubeconfig)
    assert done.returncode == 1
    assert "record deploymentrecords" in done.stdout


@pytest.mark.parametrize(("name", "process"), [("moorage-operator", "operator"), ("moorage-api", "api")])
def test_preflight_is_content_with_the_accounts_of_the_chart(cluster: LiveCluster, name: str, process: str) -> None:
    kubeconfig = cluster.kubeconfig(name, cluster.service_account_token("moorage-system", name))
    done = moorage(cluster, "preflight", "--process", process, kubeconfig=kubeconfig)
    assert done.returncode == 0, done.stdout
    assert {line.split()[0] for line in done.stdout.splitlines()} <= {"ok", "degraded"}, done.stdout
    assert not [line for line in done.stdout.splitlines() if "rights" in line and not line.startswith("ok")]


def test_preflight_of_the_facades_account_as_the_operators_fails(cluster: LiveCluster) -> None:
    kubeconfig = cluster.kubeconfig("facade", cluster.service_account_token("moorage-system", "moorage-api"))
    done = moorage(cluster, "preflight", kubeconfig=kubeconfig)
    assert done.returncode == 1
    assert any(line.startswith("unknown") and "does not start" in line for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("export", "--workspace", "no/such"), "no/such"),
        (("export", "--since", "yesterday"), "--since"),
        (("export", "--environment", "Not A Slug"), "--environment"),
        (("export", "--output", "/no/such/folder/x.csv"), "/no/such/folder"),
        (("verify", "--file", "/no/such/file"), "/no/such/file"),
        (("verify", "--anchor", "/dev/null/x"), "/dev/null/x"),
        (("operator", "--retention-records", "3"), "--retention-records"),
    ],
)
def test_bad_input_gets_one_sentence(cluster: LiveCluster, arguments: tuple[str, ...], word: str) -> None:
    done = moorage(cluster, *arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["operator", "verify", "export", "preflight"])
def test_an_unreachable_cluster_gets_one_sentence(cluster: LiveCluster, command: str, tmp_path: Path) -> None:
    port = ports.free(1)[0]
    config = tmp_path / "kubeconfig"
    config.write_text(
        cluster.kubeconfig("admin", "none").read_text().replace(cluster.endpoint.server, f"https://127.0.0.1:{port}")
    )
    done = moorage(cluster, command, kubeconfig=config)
    assert done.returncode == (1 if command == "operator" else 2)
    assert f"moorage {command}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_gets_one_sentence(operator: Service, cluster: LiveCluster) -> None:
    port = operator.url.rsplit(":", maxsplit=1)[-1]
    done = moorage(cluster, "operator", "--bind-host", "127.0.0.1", "--metrics-port", port)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_retention_removes_old_records_and_the_chain_stays_whole(
    operators: Operators, workspace: Workspaces, cluster: LiveCluster, control_plane: ControlPlane
) -> None:
    operators.ensure()
    shop = workspace("production")
    uid = recorded_chain(shop, "web", *(f"v{number}" for number in range(16)))
    for number in range(16, 20):
        shop.set_release("production.web", f"v{number}", user="alice")
    eventually(lambda: _recorded(shop, "production.web") == 20)
    operators.stop()
    etcd = Etcd(control_plane)
    _make_records(etcd, shop, uid, range(1, 21), at=datetime.now(UTC) - timedelta(days=3))
    # What retention removes is written whatever the level.
    quiet = {"MOORAGE_LOG_LEVEL": "ERROR"}
    service = operators.start({"MOORAGE_RETENTION_RECORDS": "16", "MOORAGE_RETENTION_DAYS": "2"} | quiet)
    eventually(lambda: len(shop.records("production.web")) == 16)
    status = (shop.get("deployments", "production.web") or {})["status"]
    first = shop.records("production.web")[0]
    assert status["history"]["floorSequence"] == first["sequence"] == 5
    assert status["history"]["floorHash"] == first["previousHash"]
    # Nobody can make records older than their changes but a test: what is left gets its true times back.
    _make_records(etcd, shop, uid, range(5, 21), at=datetime.now(UTC))
    eventually(lambda: broken(moorage(cluster, "verify"), shop.namespace) == [])
    gone = [json.loads(line) for line in service.child.log.read_text().splitlines() if '"moorage.history"' in line]
    ours = [line["record"]["spec"]["sequence"] for line in gone if line["record"]["spec"]["deployment"]["uid"] == uid]
    assert ours == [1, 2, 3, 4]


def _make_records(etcd: Etcd, shop: Workspace, uid: str, sequences: range, *, at: datetime) -> None:
    """Let stored records say that they were made at another time."""
    text = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    for sequence in sequences:
        name = f"{uid}-{sequence:08d}"
        change = partial(_date, text)
        etcd.edit("deploymentrecords", shop.namespace, name, change)


def _date(text: str, stored: dict[str, Any]) -> None:
    stored["metadata"]["creationTimestamp"] = text
