"""Argo CD beside a cluster of this machine: its controllers and its repository server, without web server and login."""

import os
import secrets
from pathlib import Path
from typing import Any

from moorage_dev import binaries, modules, packages, ports
from moorage_dev.cluster import Cluster
from moorage_dev.engines.parts import Parts

NAMESPACE = "argocd"
#: Who writes what an Application declares.
ACCOUNT = "argocd-application-controller"
_SETS = "argocd-applicationset-controller"
#: Seconds between two looks at Git; 120 by default.
_RESYNC = 3


class ArgoCD:
    """Argo CD whose `argocd-cm` has this data.

    Args:
        cluster: where it works; the destination of Applications is `in-cluster`.
        folder: gets logs and files.
        settings: data of the ConfigMap `argocd-cm`.
    """

    def __init__(self, cluster: Cluster, folder: Path, settings: dict[str, str]) -> None:
        self._parts = Parts(cluster, folder, NAMESPACE)
        self._settings = settings

    def start(self) -> None:
        """Install its kinds and settings, start its servers, and wait until all are ready.

        Raises:
            DevError: one of them does not start.
        """
        programs = self._parts.prepare(modules.ARGOCD)
        self._parts.cluster.admin().apply(*self._objects())
        cache, *free = ports.free(7)
        redis = f"127.0.0.1:{cache}"
        self._parts.spawn("cache", [programs / "cache", redis], env={})
        server = self._repositories(programs / "argocd", redis, free[0], free[1])
        self._applications(programs / "argocd", redis, server, free[2])
        self._application_sets(programs / "argocd", server, free[3:6])

    def stop(self) -> None:
        """End all servers."""
        self._parts.stop()

    def logs(self) -> list[Path]:
        """The logs of its servers."""
        return self._parts.logs()

    def _repositories(self, program: Path, redis: str, port: int, metrics: int) -> str:
        folder = self._parts.folder / "config"
        for name in ("bin", "tls", "ssh", "plugins"):
            (folder / name).mkdir(parents=True)
        for name, text in self._scripts().items():
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / "bin" / name).chmod(0o755)
        (folder / "ssh/ssh_known_hosts").touch()
        paths = {
            "PATH": f"{folder / 'bin'}{os.pathsep}{packages.path()}",
            "ARGOCD_TLS_DATA_PATH": str(folder / "tls"),
            "ARGOCD_SSH_DATA_PATH": str(folder / "ssh"),
            "ARGOCD_PLUGINSOCKFILEPATH": str(folder / "plugins"),
            "ARGOCD_ASK_PASS_SOCK": str(folder / "ask-pass.sock"),
            # Nothing here is signed, and gpg is often missing.
            "ARGOCD_GPG_ENABLED": "false",
        }
        command: list[str | Path] = [
            program,
            "repo-server",
            "--address=127.0.0.1",
            f"--port={port}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={metrics}",
            f"--redis={redis}",
            "--disable-tls",
            # The default is a file of Argo CD's image, and without TLS any file is refused.
            "--client-ca-path=",
            "--revision-cache-expiration=1s",
        ]
        environment = {**self._environment(self._parts.account("argocd-repo-server")), **paths}
        self._parts.spawn("repo-server", command, env=environment, health=f"127.0.0.1:{metrics}/healthz")
        return f"127.0.0.1:{port}"

    def _scripts(self) -> dict[str, str]:
        """Programs of Argo CD's image, in the form in which it calls them."""
        return {
            # All that it asks of kustomize is `kustomize build FOLDER`, and kubectl has it.
            "kustomize": f'shift\nexec "{self._parts.cluster.kubectl_program()}" kustomize "$@"',
            "helm": f'exec "{binaries.cli("helm")}" "$@"',
            # Says whether a commit is signed: always called, and of interest where a project asks for signatures.
            "git-verify-wrapper.sh": "exit 0",
        }

    def _applications(self, program: Path, redis: str, server: str, metrics: int) -> None:
        command: list[str | Path] = [
            program,
            "application-controller",
            f"--namespace={NAMESPACE}",
            f"--repo-server={server}",
            "--repo-server-plaintext",
            f"--redis={redis}",
            f"--metrics-port={metrics}",
            f"--app-resync={_RESYNC}",
            "--app-resync-jitter=0",
            "--self-heal-timeout-seconds=1",
        ]
        environment = self._environment(self._parts.account(ACCOUNT))
        self._parts.spawn("application-controller", command, env=environment, health=f"127.0.0.1:{metrics}/healthz")

    def _application_sets(self, program: Path, server: str, free: list[int]) -> None:
        metrics, probe, webhook = free
        command: list[str | Path] = [
            program,
            "applicationset-controller",
            f"--namespace={NAMESPACE}",
            f"--argocd-repo-server={server}",
            "--repo-server-plaintext",
            f"--metrics-addr=127.0.0.1:{metrics}",
            f"--probe-addr=127.0.0.1:{probe}",
            f"--webhook-addr=127.0.0.1:{webhook}",
        ]
        environment = self._environment(self._parts.account(_SETS))
        # It serves no check at its probe address.
        self._parts.spawn("applicationset-controller", command, env=environment, health=f"127.0.0.1:{metrics}/metrics")

    @staticmethod
    def _environment(kubeconfig: Path) -> dict[str, str]:
        # A process that runs in no pod finds `in-cluster` in its kubeconfig if it is told so.
        return {"KUBECONFIG": str(kubeconfig), "ARGOCD_FAKE_IN_CLUSTER": "true", "ARGOCD_CONTROLLER_REPLICAS": "1"}

    def _objects(self) -> list[dict[str, Any]]:
        labels = {"app.kubernetes.io/part-of": "argocd"}
        everything = {"group": "*", "kind": "*"}
        project = {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [everything],
        }
        return [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "argocd-cm", "namespace": NAMESPACE, "labels": labels},
                "data": self._settings,
            },
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "argocd-secret", "namespace": NAMESPACE, "labels": labels},
                "stringData": {"server.secretkey": secrets.token_urlsafe(32)},
            },
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "AppProject",
                "metadata": {"name": "default", "namespace": NAMESPACE},
                "spec": project,
            },
        ]
