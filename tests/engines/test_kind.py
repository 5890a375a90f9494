"""`make kind` for real, on Debian's Docker engine in namespaces of its own and with a node image of our own.

`python -m pytest -m engines tests/engines/test_kind.py` runs it; the first time builds kind and two Debians.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from moorage_dev import binaries, kubeconfigs
from moorage_dev.chart_trial import NAMESPACE, WORKSPACE
from moorage_dev.docker import node_image
from moorage_dev.docker.engine import Engine
from moorage_dev.kind_cluster import IMAGE_VARIABLE, KindCluster
from moorage_dev.layout import DEV, ROOT, RUN
from moorage_dev.modules import KIND


@pytest.fixture
def kind(docker: Engine, pytestconfig: pytest.Config) -> Iterator[KindCluster]:
    """The cluster that `make kind` makes, and deletes when the test is over; the engine has its node image."""
    cluster = KindCluster(RUN / "kind")
    if cluster.folder.exists():
        pytest.skip(f"NOT RUN: {cluster.folder} is there: `make kind ARGS=--delete` removes the cluster of somebody")
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        node_image.prepare()
        binaries.cli("helm")
    archive = docker.folder / "node.tar"
    node_image.write(archive)
    docker.load(archive, node_image.tag(), *node_image.CHANGES)
    archive.unlink()
    try:
        yield cluster
    finally:
        if cluster.folder.exists():
            _make_kind(docker, "--delete")


def test_make_kind_installs_upgrades_and_deletes(docker: Engine, kind: KindCluster) -> None:
    """`make kind`, once more, and `make kind ARGS=--delete`: the whole of it, as a person runs it."""
    assert "done; look around" in _make_kind(docker)
    first = _records(docker, kind)
    assert [record["spec"]["by"] for record in first] == ["kubernetes-admin"]
    assert _whoami(docker, kind, "alice") == "alice"
    assert kind.audit_log.stat().st_size > 0
    assert "done; look around" in _make_kind(docker)
    assert _records(docker, kind) == first
    assert [one["status"] for one in _history(docker, kind)] == ["superseded", "deployed"]
    assert _images(docker, kind) == {f"docker.io/library/moorage:{version('moorage')}"}
    _make_kind(docker, "--delete")
    assert docker.docker("ps", "--all", "--quiet") == ""
    assert not kind.folder.exists()


def _make_kind(docker: Engine, *arguments: str) -> str:
    path = f"{binaries.build(KIND)}{os.pathsep}{docker.environment()['PATH']}"
    given = {"PATH": path, "PYTHONPATH": str(DEV), IMAGE_VARIABLE: node_image.tag()}
    return _checked(docker, sys.executable, "-m", "moorage_dev", "kind", *arguments, environment=given)


def _records(docker: Engine, cluster: KindCluster) -> list[dict[str, Any]]:
    listed = _kubectl(docker, cluster, "get", "deploymentrecords", f"--namespace={WORKSPACE}", "--output=json")
    return list(json.loads(listed)["items"])


def _whoami(docker: Engine, cluster: KindCluster, user: str) -> str:
    """Whom the API server takes somebody for who has a token of our file."""
    token = cluster.token(user)
    own = kubeconfigs.with_token(docker.folder / f"{user}.kubeconfig", cluster.endpoint, user=user, token=token)
    said = _checked(docker, binaries.kubectl(), f"--kubeconfig={own}", "auth", "whoami", "--output=json")
    return str(json.loads(said)["status"]["userInfo"]["username"])


def _images(docker: Engine, cluster: KindCluster) -> set[str]:
    """Of the chart's containers, as the kubelet says."""
    listed = _kubectl(docker, cluster, "get", "pods", f"--namespace={NAMESPACE}", "--output=json")
    return {status["image"] for pod in json.loads(listed)["items"] for status in pod["status"]["containerStatuses"]}


def _history(docker: Engine, cluster: KindCluster) -> list[dict[str, Any]]:
    """Revisions of the installed chart."""
    where = (f"--kubeconfig={cluster.admin_kubeconfig}", f"--namespace={NAMESPACE}", "--output=json")
    return list(json.loads(_checked(docker, binaries.cli("helm"), "history", "moorage", *where)))


def _kubectl(docker: Engine, cluster: KindCluster, *arguments: str) -> str:
    return _checked(docker, binaries.kubectl(), f"--kubeconfig={cluster.admin_kubeconfig}", *arguments)


def _checked(docker: Engine, *command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """What a command prints that has this engine and its network."""
    given = {**os.environ, **docker.environment(), **(environment or {})}
    done = subprocess.run(docker.in_network(*command), env=given, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
