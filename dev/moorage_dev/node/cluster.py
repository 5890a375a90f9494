"""The cluster that is built and run on this machine, with a node: pods run in it."""

from pathlib import Path

from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.children import Child
from moorage_dev.node.control_plane import NodeControlPlane
from moorage_dev.node.node import Node


class NodeCluster(BuiltCluster):
    """A control plane of our own and one real node. `requirements.why_not` says whether it can run here."""

    title = "a control plane and a node on this machine"

    def __init__(self, folder: Path) -> None:
        control_plane = NodeControlPlane(folder)
        super().__init__(folder, control_plane)
        self.node = Node(node_folder(folder), control_plane, self.admin)

    def finish(self) -> None:
        super().finish()
        self.node.start()

    def stop(self) -> None:
        self.node.stop()
        super().stop()

    @property
    def processes(self) -> dict[str, Child]:
        return {**super().processes, **self.node.processes}

    def repair(self) -> list[str]:
        return [*super().repair(), *self.node.repair()]


def node_folder(cluster: Path) -> Path:
    """Where a cluster in the folder `cluster` has its node's files."""
    return cluster / "node"
