"""`make node`: a cluster of one real node, the image, the chart, a smoke test; as root, without a Docker engine.

The cluster stays; a second run upgrades what the first one installed. `make node-down` removes it.
"""

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path

from moorage_dev import buildah
from moorage_dev.chart_trial import ChartTrial, in_steps
from moorage_dev.failures import DevError
from moorage_dev.layout import RUN
from moorage_dev.node import requirements
from moorage_dev.node.cluster import NodeCluster
from moorage_dev.running import alone

#: A name without a registry would mean one of docker.io to the kubelet.
IMAGE = "localhost/moorage"


def main(argv: list[str]) -> int:
    """Create or reuse the cluster, install, test; or remove it."""
    parser = argparse.ArgumentParser(prog="make node", description=__doc__)
    parser.add_argument("--down", action="store_true", help="stop the cluster and delete its files")
    parser.add_argument("--bare", action="store_true", help="only the cluster: no image, no chart")
    arguments = parser.parse_args(argv)
    run = RUN / "node"
    with alone(run):
        cluster = NodeCluster(run / "cluster")
        if arguments.down:
            cluster.stop()
            _say("the node is gone")
            return 0
        _bring_up(cluster, run / "ready")
        if not arguments.bare:
            _install(cluster, run / "moorage.tar")
        _say(f"done; look around with KUBECONFIG={os.path.relpath(cluster.admin_kubeconfig)}")
    return 0


def _bring_up(cluster: NodeCluster, ready: Path) -> None:
    if reason := requirements.why_not(cluster.folder):
        raise DevError(f"no node can run here: {reason}")
    if ready.exists() and cluster.admin_kubeconfig.exists():
        if repaired := cluster.repair():
            _say(f"started again what had ended: {', '.join(repaired)}")
        return
    # What a start that was killed has left.
    cluster.stop()
    try:
        in_steps(("starting a control plane", cluster.start), ("starting a node", cluster.finish))
    except BaseException:
        cluster.stop()
        raise
    ready.touch()


def _install(cluster: NodeCluster, archive: Path) -> None:
    if reason := buildah.why_not():
        raise DevError(f"the image cannot be built: {reason}; `make node ARGS=--bare` starts the node without it")
    tag = f"{IMAGE}:{version('moorage')}"
    with buildah.kept() as builder:
        builder.build(tag)
        builder.archive(tag, archive)
    trial = ChartTrial(cluster.admin(), cluster.admin_kubeconfig, IMAGE)
    in_steps(("loading the image", lambda: cluster.node.load(archive)), *trial.steps())


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
