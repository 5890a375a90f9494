"""A past of another system comes along: nothing is lost, nobody takes it for what was seen, and it can leave."""

import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from api_server_proxy import ApiServerProxy, Fault, Seen
from cluster import ADMIN, LiveCluster, Workspace, Workspaces
from commands import broken, moorage
from past import REAL, Told, made_up
from services import Facade
from waiting import eventually

from moorage_cli.replay import lines_of
from moorage_dev import kubeconfigs
from moorage_dev.bench.usage import peak_memory_mib
from moorage_dev.kubeconfigs import Endpoint
from moorage_dev.processes import Service

COUNT = 2_000
ALL = 115_470


def imported(cluster: LiveCluster, shop: Workspace, *arguments: str, code: int = 0, user: str = ADMIN) -> str:
    """`moorage import …` in a process of its own; what it said."""
    return through(cluster.kubeconfig(user, cluster.token(user)), shop, *arguments, code=code)


def through(config: Path, shop: Workspace, *arguments: str, code: int = 0) -> str:
    """The same by a kubeconfig of its own."""
    program = "import sys; from moorage_cli.people.importing import run_import; sys.exit(run_import(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments, "-n", shop.namespace, "--kubeconfig", str(config)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def exported(cluster: LiveCluster, shop: Workspace, path: Path) -> dict[str, str]:
    """Name → hash of all records of a workspace, as its export has them."""
    done = moorage(cluster, "export", "--workspace", f"{shop.org}/{shop.name}", "--output", str(path))
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {line["metadata"]["name"]: line["spec"]["hash"] for line in lines}


def moved(cluster: LiveCluster, shop: Workspace, *, within: float = 120) -> None:
    """The same workspace in a cluster in which nothing of it is: its Namespace goes, and a new one comes."""
    path = f"/api/v1/namespaces/{shop.namespace}"
    cluster.raw("DELETE", path)
    eventually(lambda: cluster.raw("GET", path).status == 404, timeout=within)
    labels = {"moorage.dev/org": shop.org, "moorage.dev/workspace": shop.name}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shop.namespace, "labels": labels}}
    assert cluster.raw("POST", "/api/v1/namespaces", body=body).status == 201
    cluster.grant(shop.namespace, "alice", "moorage-edit")


def active(shop: Workspace) -> Mapping[tuple[str, str], str]:
    """What is deployed, by environment and app."""
    specs = [one["spec"] for one in shop.list("deployments")]
    return {(spec["environment"], spec["app"]): spec["release"] for spec in specs if spec.get("release")}


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """A past of a few years."""
    return made_up(tmp_path / "past.csv", COUNT)


def test_a_past_comes_along_is_told_apart_and_leaves_with_the_same_hashes(
    operator: Service, facade: Facade, workspace: Workspaces, cluster: LiveCluster, told: Told, tmp_path: Path
) -> None:
    shop = workspace()

    assert "nothing was changed" in imported(cluster, shop, "csv", str(told.path), "--history")
    assert shop.list("environments") == []
    assert f"{COUNT} records imported" in imported(cluster, shop, "csv", str(told.path), "--history", "--yes")
    again = imported(cluster, shop, "csv", str(told.path), "--history", "--yes")
    assert f"0 records imported, {COUNT} were there, 0 releases deployed" in again

    assert active(shop) == told.newest
    records = shop.list("deploymentrecords", labels="moorage.dev/imported=true")
    assert len(records) == COUNT
    assert not any({"at", "by"} & raw["spec"].keys() for raw in records)
    _shown_as_imported(facade, shop, told)
    eventually(lambda: all(_recorded(one) == 1 for one in shop.list("deployments")), timeout=60)
    verified = moorage(cluster, "verify")
    assert broken(verified, shop.namespace) == []
    assert f"{COUNT} records were imported" in verified.stdout

    before = exported(cluster, shop, tmp_path / "out.jsonl")
    assert len(before) == COUNT + len(told.newest)
    moved(cluster, shop)
    assert f"{len(before)} records imported" in imported(cluster, shop, "records", str(tmp_path / "out.jsonl"), "--yes")
    after = exported(cluster, shop, tmp_path / "again.jsonl")
    assert before.items() <= after.items()
    assert active(shop) == told.newest
    assert broken(moorage(cluster, "verify"), shop.namespace) == []


def _recorded(raw: Mapping[str, Any]) -> int:
    return int((raw.get("status") or {}).get("recordedSequence", 0))


def _shown_as_imported(facade: Facade, shop: Workspace, told: Told) -> None:
    (environment, app), release = next(iter(told.newest.items()))
    path = f"{shop.rest}/{environment}/deployments?app_id={app}&limit=200"

    def lines() -> list[dict[str, object]]:
        answer = facade.call("GET", path)
        assert answer.status == 200, answer.body
        found = answer.json()["deployments"]
        return found if [one["imported"] for one in found].count(False) == 1 and len(found) > 1 else []

    newest, *past = eventually(lines)
    assert (newest["imported"], newest["deployed_by_known"], newest["reason"]) == (
        False, True, f"imported from {told.path.name}",
    )  # fmt: skip
    assert all((one["imported"], one["action"], one["deployed_by_known"]) == (True, "import", False) for one in past)
    assert past[0]["release_id"] == release
    assert {one["imported_from"] for one in past} == {told.path.name}
    assert all(str(one["deployed_at"]) < "2026" for one in past)


def lose(_answer: bytes) -> bytes:
    """The API server has done it, and the connection ends before its answer comes."""
    raise ConnectionResetError


def test_an_import_outlives_a_cluster_that_fails(workspace: Workspaces, cluster: LiveCluster, tmp_path: Path) -> None:
    """Three of ten writes fail: one does not arrive, the answer of one is lost, and one is too many."""
    shop, told = workspace(), made_up(tmp_path / "past.csv", 300)
    proxy, writes = ApiServerProxy(cluster.endpoint), itertools.count()
    faults = (Fault(status=0), Fault(alter=lose), Fault(status=429, headers=(("Retry-After", "0"),)))

    def fault(seen: Seen) -> Fault | None:
        return None if seen.method == "GET" else dict(enumerate(faults)).get(next(writes) % 10)

    proxy.fault = fault
    try:
        endpoint = Endpoint(proxy.url, cluster.endpoint.ca)
        config = kubeconfigs.with_token(tmp_path / "config", endpoint, user=ADMIN, token=cluster.token(ADMIN))
        said = through(config, shop, "csv", str(told.path), "--history", "--yes")
    finally:
        proxy.close()
    assert f"{told.count} records imported, 0 were there, {len(told.newest)} releases deployed" in said
    assert next(writes) > (told.count + len(told.newest)) * 1.2
    assert len(shop.list("deploymentrecords", labels="moorage.dev/imported=true")) == told.count
    assert active(shop) == told.newest
    assert {len(one["changeLog"]["entries"]) for one in shop.list("deployments")} == {1}
    assert broken(moorage(cluster, "verify"), shop.namespace) == []


def test_who_may_not_record_imports_no_past(workspace: Workspaces, cluster: LiveCluster, told: Told) -> None:
    shop = workspace("integration", "staging", "production")
    said = imported(cluster, shop, "csv", str(told.path), "--history", "--yes", code=4, user="alice")
    assert "deploymentrecords" in said
    assert shop.list("deploymentrecords") == []
    assert f"{len(told.newest)} releases deployed" in imported(
        cluster, shop, "csv", str(told.path), "--yes", user="alice"
    )


def test_a_past_must_carry_the_label_that_tells_it_apart(workspace: Workspaces, cluster: LiveCluster) -> None:
    shop = workspace("staging")
    spec = {
        "deployment": {"name": "staging.web", "uid": "8b441a92-ba68-59a4-9cae-f047a2c9ab25"}, "environment": "staging",
        "app": "web", "action": "import", "sequence": 1, "release": "1", "claimedAt": "2020-01-01T00:00:00Z",
        "source": "me", "previousHash": "0" * 64, "hash": "0" * 64,
    }  # fmt: skip
    body = {
        "apiVersion": "moorage.dev/v1", "kind": "DeploymentRecord", "spec": spec,
        "metadata": {"name": "8b441a92-ba68-59a4-9cae-f047a2c9ab25-00000001"},
    }  # fmt: skip
    path = shop.path("deploymentrecords")
    assert "moorage.dev/imported" in cluster.raw("POST", path, body=body).json()["message"]
    labelled = {**body, "metadata": {**body["metadata"], "labels": {"moorage.dev/imported": "true"}}}
    for lie in ({"by": "alice"}, {"at": "2020-01-01T00:00:00Z"}, {"action": "deploy"}):
        assert cluster.raw("POST", path, body={**labelled, "spec": {**spec, **lie}}).status == 422, lie
    assert cluster.raw("POST", path, body=labelled).status == 201


@pytest.mark.campaign
@pytest.mark.timeout(2 * 3600)
def test_all_of_a_real_past_comes_along(
    operator: Service,
    facade: Facade,
    workspace: Workspaces,
    cluster: LiveCluster,
    tmp_path: Path,
    figures: Callable[[str], None],
) -> None:
    if REAL is None:
        pytest.skip("NOT RUN: MOORAGE_REPLAY does not say where a real history is")
    assert sum(1 for _ in lines_of(REAL)) == ALL
    shop = workspace()

    with _told(figures, "import"):
        said = imported(cluster, shop, "csv", str(REAL), "--history", "--yes")
    assert f"{ALL} records imported" in said
    figures(f"the command needed {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB at most")
    with _told(figures, "verify"):
        verified = moorage(cluster, "verify")
    assert broken(verified, shop.namespace) == []
    assert f"{ALL} records were imported" in verified.stdout
    with _told(figures, "export"):
        before = exported(cluster, shop, tmp_path / "out.jsonl")
    assert len(before) >= ALL
    for name, one in {"operator": operator, "facade": facade.service}.items():
        figures(f"the {name} needed {peak_memory_mib(one.child.pid):.0f} MiB at most")

    with _told(figures, "removal of the Namespace by Kubernetes"):
        moved(cluster, shop, within=3600)
    with _told(figures, "import of the export"):
        imported(cluster, shop, "records", str(tmp_path / "out.jsonl"), "--yes")
    assert before.items() <= exported(cluster, shop, tmp_path / "again.jsonl").items()
    assert broken(moorage(cluster, "verify"), shop.namespace) == []
    figures(f"{len(before)} records have the same names and hashes there")


@contextmanager
def _told(figures: Callable[[str], None], step: str) -> Iterator[None]:
    """How long a step took; printed at once, too, for a person who waits."""
    began = time.monotonic()
    yield
    line = f"{step}: {(time.monotonic() - began) / 60:.1f} minutes"
    print(line, flush=True)
    figures(line)
