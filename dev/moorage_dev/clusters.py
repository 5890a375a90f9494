"""Which cluster the demo and the tests use.

`MOORAGE_KUBECONFIG` if it is set (a plain `KUBECONFIG` is often somebody's production, so it is never read); else kind
where a Docker engine answers; else a control plane that is built and run on this machine.
"""

import os
from pathlib import Path

from moorage_dev.built_cluster import BuiltCluster
from moorage_dev.cluster import Cluster
from moorage_dev.failures import DevError
from moorage_dev.given_cluster import GivenCluster
from moorage_dev.kind_cluster import KindCluster, kind_is_usable


def choose(folder: Path) -> Cluster:
    """The cluster to use; nothing is started yet.

    Raises:
        DevError: what `MOORAGE_KUBECONFIG` says cannot be used.
    """
    if given := os.environ.get("MOORAGE_KUBECONFIG"):
        return GivenCluster(folder, Path(given))
    if kind_is_usable():
        return KindCluster(folder)
    return BuiltCluster(folder)


def reopen(folder: Path, kind: str, kubeconfig: Path) -> Cluster:
    """The cluster that an earlier process chose; `kind` is the name of its class, `kubeconfig` its administrator's."""
    if kind == GivenCluster.__name__:
        return GivenCluster(folder, kubeconfig)
    if kind == KindCluster.__name__:
        return KindCluster(folder)
    if kind == BuiltCluster.__name__:
        return BuiltCluster(folder)
    raise DevError(f"{folder.parent} was written by another version of this project: delete it and start again")


def abandoned(folder: Path) -> Cluster | None:
    """The cluster that a killed process has left in this folder, None if there is none."""
    if (folder / "kind.json").is_file():
        return KindCluster(folder)
    if (folder / "processes.json").is_file():
        return BuiltCluster(folder)
    return None
