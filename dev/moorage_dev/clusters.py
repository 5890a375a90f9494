"""Which cluster the demo and the tests use.

`MOORAGE_KUBECONFIG` if it is set (a plain `KUBECONFIG` is often somebody's production, so it is never read); else kind
where a Docker engine answers; else a control plane that is built and run on this machine, with a node if one is wanted.
"""

import os
from collections.abc import Callable
from pathlib import Path

from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.cluster import Cluster
from moorage_dev.failures import DevError
from moorage_dev.given_cluster import GivenCluster
from moorage_dev.kind_cluster import KindCluster, kind_is_usable
from moorage_dev.node.cluster import NodeCluster, node_folder


def choose(folder: Path, *, wants_node: Callable[[], bool] = lambda: False) -> Cluster:
    """The cluster to use; nothing is started yet.

    Args:
        folder: for its files.
        wants_node: whether a control plane of our own gets a node; asked only if there will be one.

    Raises:
        DevError: what `MOORAGE_KUBECONFIG` says cannot be used.
    """
    if given := os.environ.get("MOORAGE_KUBECONFIG"):
        return GivenCluster(folder, Path(given))
    if kind_is_usable():
        return KindCluster(folder)
    return NodeCluster(folder) if wants_node() else BuiltCluster(folder)


def reopen(folder: Path, kind: str, kubeconfig: Path) -> Cluster:
    """The cluster that an earlier process chose; `kind` is the name of its class, `kubeconfig` its administrator's."""
    if kind == GivenCluster.__name__:
        return GivenCluster(folder, kubeconfig)
    if kind == KindCluster.__name__:
        return KindCluster(folder)
    if kind == BuiltCluster.__name__:
        return BuiltCluster(folder)
    if kind == NodeCluster.__name__:
        return NodeCluster(folder)
    raise DevError(f"{folder.parent} was written by another version of this project: delete it and start again")


def abandoned(folder: Path) -> Cluster | None:
    """The cluster that a killed process has left in this folder, None if there is none."""
    if (folder / "kind.json").is_file():
        return KindCluster(folder)
    if node_folder(folder).is_dir():
        return NodeCluster(folder)
    if (folder / "processes.json").is_file():
        return BuiltCluster(folder)
    return None
