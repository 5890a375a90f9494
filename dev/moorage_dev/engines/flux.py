"""Flux beside a cluster of this machine: source-, kustomize- and helm-controller, and flux-operator beside them."""

from pathlib import Path

from moorage_dev import modules, ports
from moorage_dev.cluster import Cluster
from moorage_dev.engines.parts import Parts

NAMESPACE = "flux-system"
#: Who writes what a Kustomization declares.
ACCOUNT = "kustomize-controller"


class Flux:
    """The controllers of Flux, without notifications and image automation.

    Args:
        cluster: where they work.
        folder: gets logs and files.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._parts = Parts(cluster, folder, NAMESPACE)

    def start(self) -> None:
        """Install their kinds, start them, and wait until all are ready.

        Raises:
            DevError: one of them does not start.
        """
        programs = self._parts.prepare(modules.FLUX)
        [files] = ports.free(1)
        storage = self._parts.folder / "artifacts"
        storage.mkdir()
        served = f"127.0.0.1:{files}"
        self._controller(
            programs / "source-controller",
            f"--storage-path={storage}",
            f"--storage-addr={served}",
            f"--storage-adv-addr={served}",
        )
        # As docs/delivery.md advises: a release that is gone is an error and not an empty text.
        self._controller(programs / ACCOUNT, "--feature-gates=StrictPostBuildSubstitutions=true")
        self._controller(programs / "helm-controller")

    def stop(self) -> None:
        """End all of them."""
        self._parts.stop()

    def logs(self) -> list[Path]:
        """The logs of the controllers."""
        return self._parts.logs()

    def _controller(self, program: Path, *flags: str) -> None:
        _start(self._parts, program, "--requeue-dependency=1s", *flags)


class FluxOperator:
    """flux-operator, which asks services for the inputs of a ResourceSet; its page is left out.

    Args:
        cluster: where it works; Flux runs there.
        folder: gets logs and files.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._parts = Parts(cluster, folder, NAMESPACE)

    def start(self) -> None:
        """Install its kinds, start it, and wait until it is ready.

        Raises:
            DevError: it does not start.
        """
        programs = self._parts.prepare(modules.FLUX_OPERATOR)
        # It insists on the mode of Go's cryptography.
        _start(self._parts, programs / "flux-operator", "--web-server-port=0", GODEBUG="fips140=on")

    def stop(self) -> None:
        """End it."""
        self._parts.stop()

    def logs(self) -> list[Path]:
        """Its log."""
        return self._parts.logs()


def _start(parts: Parts, program: Path, *flags: str, **env: str) -> None:
    """Start one controller that is built like those of Flux, under an account of its name."""
    metrics, health = ports.free(2)
    own = (f"--metrics-addr=127.0.0.1:{metrics}", f"--health-addr=127.0.0.1:{health}", "--enable-leader-election=false")
    environment = {"KUBECONFIG": str(parts.account(program.name)), "RUNTIME_NAMESPACE": NAMESPACE, **env}
    parts.spawn(program.name, [program, *own, *flags], env=environment, health=f"127.0.0.1:{health}/readyz")
