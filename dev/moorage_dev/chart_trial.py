"""Installs the chart where pods run, and looks whether it works: `make kind` and `make node` do the same here."""

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from moorage_dev import binaries, progress
from moorage_dev.failures import DevError
from moorage_dev.kubectl import Kubectl
from moorage_dev.layout import ROOT

NAMESPACE = "moorage-system"
WORKSPACE = "smoke"

Step = tuple[str, Callable[[], None]]


def in_steps(*steps: Step) -> None:
    """Do one after the other, each shown with its time."""
    for title, step in steps:
        with progress.shown(title, lambda: "working"):
            step()


def checked(*command: str) -> None:
    """Run a command.

    Raises:
        DevError: it fails; with the last lines of its output.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n  ".join((done.stdout + done.stderr).splitlines()[-15:])
        raise DevError(f"{Path(command[0]).name} {command[1]} failed, its last lines were:\n  {tail}")


@dataclass(frozen=True, slots=True)
class ChartTrial:
    """The chart in a cluster whose nodes have the image.

    Attributes:
        kubectl: as administrator.
        kubeconfig: the same, for Helm.
        repository: name of the image, without its tag, which is the version.
    """

    kubectl: Kubectl
    kubeconfig: Path
    repository: str

    def steps(self) -> Sequence[Step]:
        """Everything, for `in_steps`."""
        test = ("test", "moorage", f"--namespace={NAMESPACE}", "--timeout=3m")
        return (
            ("installing the chart", self._install),
            ("helm test", lambda: self._helm(*test)),
            ("smoke test", self._smoke),
        )

    def _install(self) -> None:
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
        chart = str(ROOT / "charts/moorage")
        image = f"--set=image.repository={self.repository},image.tag={version('moorage')},image.pullPolicy=Never"
        flags = ("--install", f"--namespace={NAMESPACE}", image, "--wait", "--timeout=5m")
        self._helm("upgrade", "moorage", chart, *flags)
        # The image may be another one under the same name.
        for name in ("operator", "api"):
            workload = f"deployment/moorage-{name}"
            self.kubectl.ok("rollout", "restart", workload, f"--namespace={NAMESPACE}")
            self.kubectl.ok("rollout", "status", workload, f"--namespace={NAMESPACE}", "--timeout=100s")

    def _smoke(self) -> None:
        """One change by kubectl becomes a record in the name of its user, and the seeded environments are there."""
        labels = {
            "moorage.dev/org": "smoke",
            "moorage.dev/workspace": "smoke",
            "moorage.dev/seed-environments": "true",
        }
        self.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WORKSPACE, "labels": labels}})
        where = f"--namespace={WORKSPACE}"
        self.kubectl.ok("wait", "--for=create", "environments.moorage.dev/production", where, "--timeout=60s")
        self.kubectl.apply(
            {
                "apiVersion": "moorage.dev/v1",
                "kind": "Deployment",
                "metadata": {"name": "production.web-shop", "namespace": WORKSPACE},
                "spec": {"environment": "production", "app": "web-shop", "release": version("moorage")},
            }
        )
        name = "deployments.moorage.dev/production.web-shop"
        self.kubectl.ok("wait", "--for=condition=Ready", name, where, "--timeout=60s")
        records = json.loads(self.kubectl.ok("get", "deploymentrecords", where, "--output=json"))["items"]
        if not records or not records[-1]["spec"].get("by"):
            raise DevError(f"the change of {name} has no record with a user: {records}")

    def _helm(self, *arguments: str) -> None:
        checked(str(binaries.cli("helm")), *arguments, f"--kubeconfig={self.kubeconfig}")
