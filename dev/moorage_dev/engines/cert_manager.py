"""cert-manager beside a cluster of this machine: its control loops for issuers in the cluster, without its webhook."""

from pathlib import Path

from moorage_dev import modules, ports
from moorage_dev.cluster import Cluster
from moorage_dev.engines.parts import Parts

#: Where ClusterIssuers have their Secrets.
NAMESPACE = "cert-manager"


class CertManager:
    """The controller of Certificates.

    Args:
        cluster: where it works.
        folder: gets logs and files.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._parts = Parts(cluster, folder, NAMESPACE)

    def start(self) -> None:
        """Install its kinds, start it, and wait until it runs.

        Raises:
            DevError: it does not start.
        """
        programs = self._parts.prepare(modules.CERT_MANAGER)
        [probe] = ports.free(1)
        kubeconfig = self._parts.account("cert-manager")
        address = f"127.0.0.1:{probe}"
        command: list[str | Path] = [programs / "certmanager", kubeconfig, NAMESPACE, address]
        self._parts.spawn("certmanager", command, env={}, health=f"{address}/")

    def stop(self) -> None:
        """End it."""
        self._parts.stop()

    def logs(self) -> list[Path]:
        """Its log."""
        return self._parts.logs()
