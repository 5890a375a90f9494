"""The port of a cluster for the demo and the tests; `clusters.py` lists its kinds."""

from abc import ABC, abstractmethod
from pathlib import Path

from moorage_dev import kubeconfigs, users
from moorage_dev.children import Child
from moorage_dev.control_plane import ControlPlane
from moorage_dev.kubeconfigs import Endpoint
from moorage_dev.kubectl import Kubectl


class Cluster(ABC):
    """A cluster with users.

    Attributes:
        title: what messages call it.
        folder: where its files are.
        admin_kubeconfig: kubeconfig of the administrator.
        audit_log: the API server's audit log, None when it cannot be read from here.
        control_plane: the processes, None when they are not ours to kill or tamper with.
    """

    title: str
    folder: Path
    admin_kubeconfig: Path
    audit_log: Path | None = None
    control_plane: ControlPlane | None = None

    @abstractmethod
    def start(self) -> None:
        """Bring it up until CRDs can be installed; nothing stays behind on failure.

        Raises:
            DevError: it cannot be used.
        """

    @abstractmethod
    def finish(self) -> None:
        """Called when the CRDs are there: start what must come after them."""

    @abstractmethod
    def stop(self) -> None:
        """Stop what `start` and `finish` started. A cluster that somebody gave is left alone."""

    @abstractmethod
    def token(self, user: str) -> str:
        """Bearer token of one of `users.ALL`."""

    @abstractmethod
    def username(self, user: str) -> str:
        """How this cluster, and so the history, calls that user."""

    @abstractmethod
    def subject(self, user: str) -> dict[str, str]:
        """The user as the subject of a RoleBinding."""

    @property
    @abstractmethod
    def endpoint(self) -> Endpoint:
        """Address and authority of the API server."""

    @property
    @abstractmethod
    def processes(self) -> dict[str, Child]:
        """Processes of this cluster on this machine, by name; empty when there are none of ours."""

    @abstractmethod
    def kubectl_program(self) -> Path:
        """The kubectl to use."""

    def admin(self) -> Kubectl:
        """kubectl as administrator."""
        return Kubectl(self.kubectl_program(), self.admin_kubeconfig, self.folder / "kubectl-cache")

    def kubectl(self, user: str) -> Kubectl:
        """kubectl as one of `users.ALL`."""
        return Kubectl(self.kubectl_program(), self.kubeconfig(user), self.folder / "kubectl-cache")

    def kubeconfig(self, user: str) -> Path:
        """Kubeconfig with nothing but that user's token."""
        path = self.folder / "users" / users.stem(user)
        if not path.is_file():
            kubeconfigs.with_token(path, self.endpoint, user=user, token=self.token(user))
        return path

    def repair(self) -> list[str]:
        """Start again what has died; says what that was."""
        return []
