"""`make kind`: a kind cluster, the image, the chart, a smoke test. What only running pods can show is shown here.

The cluster stays; a second run upgrades what the first one installed. `make kind ARGS=--delete` deletes the cluster.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from moorage_dev import binaries, progress
from moorage_dev.failures import DevError
from moorage_dev.kind_cluster import KindCluster, kind_is_usable
from moorage_dev.kubectl import Kubectl
from moorage_dev.layout import ROOT, RUN

NAMESPACE = "moorage-system"
WORKSPACE = "smoke"
_IMAGE = "moorage"


def main(argv: list[str]) -> int:
    """Create or reuse the cluster, install, test."""
    parser = argparse.ArgumentParser(prog="make kind", description=__doc__)
    parser.add_argument("--delete", action="store_true", help="delete the cluster and its files")
    delete = parser.parse_args(argv).delete
    if not kind_is_usable():
        raise DevError(
            "`make kind` needs the program kind and a Docker engine that answers; one of them is missing here"
        )
    cluster = KindCluster(RUN / "kind")
    if delete:
        cluster.stop()
        return 0
    if not cluster.admin_kubeconfig.exists():
        cluster.start()
    steps: Sequence[tuple[str, Callable[[], None]]] = (
        ("building the image", lambda: _build(_tag())),
        ("loading it into the node", lambda: cluster.load_image(_tag())),
        ("installing the chart", lambda: _install(cluster)),
        ("helm test", lambda: _helm(cluster, "test", "moorage", f"--namespace={NAMESPACE}", "--timeout=3m")),
        ("smoke test", lambda: _smoke(cluster.admin())),
    )
    for title, step in steps:
        with progress.shown(title, lambda: "working"):
            step()
    sys.stdout.write(f"done; look around with KUBECONFIG={cluster.admin_kubeconfig}\n")
    return 0


def _tag() -> str:
    return f"{_IMAGE}:{version('moorage')}"


def _build(tag: str) -> None:
    _run("docker", "build", f"--tag={tag}", str(ROOT))


def _install(cluster: KindCluster) -> None:
    kubectl = cluster.admin()
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    chart = str(ROOT / "charts/moorage")
    image = f"--set=image.repository={_IMAGE},image.tag={version('moorage')},image.pullPolicy=Never"
    flags = ("--install", f"--namespace={NAMESPACE}", image, "--wait", "--timeout=5m")
    _helm(cluster, "upgrade", "moorage", chart, *flags)
    # The image may be another one under the same name.
    for name in ("operator", "api"):
        workload = f"deployment/moorage-{name}"
        kubectl.ok("rollout", "restart", workload, f"--namespace={NAMESPACE}")
        kubectl.ok("rollout", "status", workload, f"--namespace={NAMESPACE}", "--timeout=100s")


def _smoke(kubectl: Kubectl) -> None:
    """One change by kubectl becomes a record in the name of who made it, and the seeded environments are there."""
    labels = {
        "moorage.dev/org": "smoke",
        "moorage.dev/workspace": "smoke",
        "moorage.dev/seed-environments": "true",
    }
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WORKSPACE, "labels": labels}})
    where = f"--namespace={WORKSPACE}"
    kubectl.ok("wait", "--for=create", "environments.moorage.dev/production", where, "--timeout=60s")
    kubectl.apply(
        {
            "apiVersion": "moorage.dev/v1",
            "kind": "Deployment",
            "metadata": {"name": "production.web-shop", "namespace": WORKSPACE},
            "spec": {"environment": "production", "app": "web-shop", "release": version("moorage")},
        }
    )
    name = "deployments.moorage.dev/production.web-shop"
    kubectl.ok("wait", "--for=condition=Ready", name, where, "--timeout=60s")
    records = json.loads(kubectl.ok("get", "deploymentrecords", where, "--output=json"))["items"]
    if not records or not records[-1]["spec"].get("by"):
        raise DevError(f"the change of {name} has no record with a user: {records}")


def _helm(cluster: KindCluster, *arguments: str) -> None:
    _run(str(binaries.cli("helm")), *arguments, f"--kubeconfig={cluster.admin_kubeconfig}")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n  ".join((done.stdout + done.stderr).splitlines()[-15:])
        raise DevError(f"{Path(command[0]).name} {command[1]} failed, its last lines were:\n  {tail}")
