"""The common parts of engines: processes beside a cluster, each under an account of its own."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from moorage_dev import binaries, children, kubeconfigs, packages
from moorage_dev.children import Child
from moorage_dev.cluster import Cluster
from moorage_dev.failures import DevError
from moorage_dev.kubeconfigs import Endpoint
from moorage_dev.modules import Module
from moorage_dev.rest_client import RestClient

#: Seconds that a part may take to become ready.
START_SECONDS = 60.0


class Parts:
    """Processes of one engine, whose accounts live in one Namespace.

    Args:
        cluster: where they work.
        folder: gets logs, kubeconfigs and their files.
        namespace: as in their own manifests.
    """

    def __init__(self, cluster: Cluster, folder: Path, namespace: str) -> None:
        self.cluster = cluster
        self.folder = folder
        self.namespace = namespace
        self._children: list[Child] = []

    def prepare(self, module: Module) -> Path:
        """Build the engine's programs, and apply its kinds and its Namespace.

        Returns:
            The folder of the programs.

        Raises:
            DevError: they cannot be built, or the API server refuses the kinds.
        """
        programs = binaries.build(module)
        self.folder.mkdir(parents=True)
        kubectl = self.cluster.admin()
        files = [f"--filename={programs / name}" for name in module.files]
        kubectl.ok("apply", "--server-side", "--force-conflicts", *files)
        kubectl.ok("wait", "--for=condition=Established", "--timeout=60s", *files)
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        return programs

    def account(self, name: str, *, endpoint: Endpoint | None = None) -> Path:
        """Kubeconfig of a service account, which is made and may do everything, as the accounts of the engines may.

        Args:
            name: of the account.
            endpoint: where the process finds the API server, if elsewhere than this one does.
        """
        kubectl, group = self.cluster.admin(), "rbac.authorization.k8s.io"
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        kubectl.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": self.namespace}},
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": f"{self.namespace}-{name}"},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [subject],
            },
        )
        token = kubectl.ok("create", "token", name, f"--namespace={self.namespace}", "--duration=12h").strip()
        path = self.folder / f"{name}.kubeconfig"
        return kubeconfigs.with_token(path, endpoint or self.cluster.endpoint, user=name, token=token)

    def spawn(
        self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str], health: str | None = None
    ) -> None:
        """Start one process, and wait until its address `health` answers with 200.

        Raises:
            DevError: it does not become ready; with the last lines of its log.
        """
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "ARGOCD_", "MOORAGE_"))}
        scratch = self.folder / name
        scratch.mkdir(exist_ok=True)
        own = {"PATH": packages.path(), "HOME": str(scratch), "TMPDIR": str(scratch)}
        child = children.spawn(name, command, log=self.folder / f"{name}.log", env={**kept, **own, **env}, cwd=scratch)
        self._children.append(child)
        if health is not None:
            self._wait(child, health)

    def stop(self) -> None:
        """End all of them; logs stay."""
        for child in reversed(self._children):
            children.stop(child, grace=3)
        self._children.clear()

    def logs(self) -> list[Path]:
        """The log of each process that was started and not stopped."""
        return [child.log for child in self._children]

    def _wait(self, child: Child, health: str) -> None:
        url, _, path = health.partition("/")
        probe = RestClient(f"http://{url}", None, timeout=3)
        try:
            children.wait_until(child, lambda: probe.ready(f"/{path}"), timeout=START_SECONDS, what="ready")
        except DevError:
            self.stop()
            raise
        finally:
            probe.close()
