"""The cluster that is built and run on this machine."""

from pathlib import Path

from moorage_dev import binaries
from moorage_dev.children import Child
from moorage_dev.cluster import Cluster
from moorage_dev.control_plane import ControlPlane
from moorage_dev.kubeconfigs import Endpoint


class BuiltCluster(Cluster):
    """A control plane of our own. Users have tokens in the API server's token file."""

    title = "a control plane on this machine"

    def __init__(self, folder: Path, control_plane: ControlPlane | None = None) -> None:
        self.folder = folder
        self.control_plane = self._own = control_plane or ControlPlane(folder)
        self.admin_kubeconfig = self._own.admin_kubeconfig
        self.audit_log = self._own.audit_log

    def start(self) -> None:
        self._own.start()

    def finish(self) -> None:
        self._own.start_controllers()

    def stop(self) -> None:
        self._own.remove()

    def token(self, user: str) -> str:
        return self._own.tokens[user]

    def username(self, user: str) -> str:
        return user

    def subject(self, user: str) -> dict[str, str]:
        return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}

    @property
    def endpoint(self) -> Endpoint:
        return self._own.endpoint

    @property
    def processes(self) -> dict[str, Child]:
        return self._own.processes

    def kubectl_program(self) -> Path:
        return binaries.control_plane()["kubectl"]

    def repair(self) -> list[str]:
        return self._own.repair()
