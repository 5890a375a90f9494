"""Argo Rollouts beside a cluster of this machine: its controller, without its page and notifications."""

from pathlib import Path

from moorage_dev import modules, ports
from moorage_dev.cluster import Cluster
from moorage_dev.engines.parts import Parts

NAMESPACE = "argo-rollouts"


class ArgoRollouts:
    """The controller of Rollouts.

    Args:
        cluster: where it works.
        folder: gets logs and files.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._parts = Parts(cluster, folder, NAMESPACE)

    def start(self) -> None:
        """Install its kinds, start it, and wait until it is ready.

        Raises:
            DevError: it does not start.
        """
        programs = self._parts.prepare(modules.ROLLOUTS)
        metrics, health = ports.free(2)
        command: list[str | Path] = [
            programs / "rollouts-controller",
            f"--metricsPort={metrics}",
            f"--healthzPort={health}",
            "--leader-elect=false",
        ]
        environment = {"KUBECONFIG": str(self._parts.account(NAMESPACE))}
        # Its check answers before its caches are filled; it works from them as soon as they are.
        self._parts.spawn("rollouts-controller", command, env=environment, health=f"127.0.0.1:{health}/healthz")

    def stop(self) -> None:
        """End it."""
        self._parts.stop()

    def logs(self) -> list[Path]:
        """Its log."""
        return self._parts.logs()
