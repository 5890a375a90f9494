"""A kind cluster, where a Docker engine answers: the same token file and audit log as the control plane of our own."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from moorage_dev import binaries, progress, users
from moorage_dev.children import Child
from moorage_dev.cluster import Cluster
from moorage_dev.control_plane import AUDIT_POLICY
from moorage_dev.failures import DevError
from moorage_dev.given_cluster import GivenCluster, require_version
from moorage_dev.kubeconfigs import Endpoint

#: Node image to use instead of kind's default; Moorage needs Kubernetes 1.36 or newer.
IMAGE_VARIABLE = "MOORAGE_KIND_IMAGE"
_IN_NODE = "/etc/kubernetes/moorage"
_QUICK_SECONDS = 10.0


def kind_is_usable() -> bool:
    """Whether `kind` is installed and a Docker engine answers."""
    if shutil.which("kind") is None or shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=_QUICK_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


class KindCluster(Cluster):
    """A cluster of one node that is made by `start` and deleted by `stop`."""

    title = "a kind cluster"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.admin_kubeconfig = folder / "admin.kubeconfig"
        self.audit_log = folder / "shared" / "audit.log"
        # Two checkouts, and two test runs, have clusters of their own.
        self._name = "moorage-" + hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:8]

    def start(self) -> None:
        shared = self.folder / "shared"
        shared.mkdir(parents=True, exist_ok=True)
        users.write_tokens(shared / "tokens.csv")
        (shared / "audit-policy.yaml").write_text(AUDIT_POLICY, encoding="utf-8")
        (self.folder / "kind.json").write_text(json.dumps(_config(shared)), encoding="utf-8")
        image = [f"--image={os.environ[IMAGE_VARIABLE]}"] if os.environ.get(IMAGE_VARIABLE) else []
        try:
            with progress.shown("creating a kind cluster", lambda: "kind create cluster"):
                self._kind("create", "cluster", f"--config={self.folder / 'kind.json'}", "--wait=180s", *image)
            require_version(self.admin(), f"the kind cluster (choose a node image by {IMAGE_VARIABLE})")
        except BaseException:
            self.stop()
            raise

    def finish(self) -> None:
        """Its controllers run already."""

    def stop(self) -> None:
        self._kind("delete", "cluster")
        shutil.rmtree(self.folder, ignore_errors=True)

    def load_image(self, tag: str) -> None:
        """Copy an image of the Docker engine into the node."""
        done = subprocess.run(
            ["kind", "load", "docker-image", tag, f"--name={self._name}"], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise DevError(f"kind load docker-image {tag} failed: {done.stderr.strip()}")

    def token(self, user: str) -> str:
        return users.read_tokens(self.folder / "shared" / "tokens.csv")[user]

    def username(self, user: str) -> str:
        return user

    def subject(self, user: str) -> dict[str, str]:
        return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}

    @property
    def endpoint(self) -> Endpoint:
        return GivenCluster(self.folder, self.admin_kubeconfig).endpoint

    @property
    def processes(self) -> dict[str, Child]:
        return {}

    def kubectl_program(self) -> Path:
        return binaries.kubectl()

    def _kind(self, *arguments: str) -> None:
        command = ["kind", *arguments, f"--name={self._name}", f"--kubeconfig={self.admin_kubeconfig}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DevError(f"kind {' '.join(arguments[:2])} failed: {done.stderr.strip()}")


def _config(shared: Path) -> dict[str, Any]:
    """kind's configuration: the API server reads our token file and writes our audit log, both in `shared`."""
    arguments = {
        "token-auth-file": f"{_IN_NODE}/tokens.csv",
        "audit-policy-file": f"{_IN_NODE}/audit-policy.yaml",
        "audit-log-path": f"{_IN_NODE}/audit.log",
        "audit-log-maxsize": "4000",
    }
    patch = {
        "kind": "ClusterConfiguration",
        "apiServer": {
            "extraArgs": [{"name": name, "value": value} for name, value in arguments.items()],
            "extraVolumes": [{"name": "moorage", "hostPath": _IN_NODE, "mountPath": _IN_NODE, "pathType": "Directory"}],
        },
    }
    mount = {"hostPath": str(shared.absolute()), "containerPath": _IN_NODE}
    # Machines with cgroups of version 1 are still there; the kubelet works on them if it is told to.
    kubelet = {"kind": "KubeletConfiguration", "failCgroupV1": False}
    patches = [json.dumps(each) for each in (patch, kubelet)]
    node = {"role": "control-plane", "extraMounts": [mount], "kubeadmConfigPatches": patches}
    return {"apiVersion": "kind.x-k8s.io/v1alpha4", "kind": "Cluster", "nodes": [node]}
