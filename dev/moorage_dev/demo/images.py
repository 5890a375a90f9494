"""The images of the demo's pods: one static program under the name of each release. No registry has them."""

from moorage_dev import binaries, modules
from moorage_dev.cluster import Cluster
from moorage_dev.node.cluster import NodeCluster

#: Releases of web-shop that can run. The story deploys another one, too, and that one fails.
GOOD = ("2.4.0", "2.4.1", "2.4.2", "2.5.0")


def load(cluster: Cluster) -> None:
    """Give them to a node of ours; a no-op for any other cluster."""
    if isinstance(cluster, NodeCluster):
        names = (f"localhost/northwind/web-shop:{release}" for release in GOOD)
        cluster.node.load_program(binaries.build(modules.NODE) / "pause", *names)
