"""`make kind`: a kind cluster, the image, the chart, a smoke test. What only running pods can show is shown here.

The cluster stays; a second run upgrades what the first one installed. `make kind ARGS=--delete` deletes the cluster.
"""

import argparse
import sys
from importlib.metadata import version

from moorage_dev import page
from moorage_dev.chart_trial import ChartTrial, checked, in_steps
from moorage_dev.failures import DevError
from moorage_dev.kind_cluster import KindCluster, kind_is_usable
from moorage_dev.layout import ROOT, RUN

_IMAGE = "moorage"


def main(argv: list[str]) -> int:
    """Create or reuse the cluster, install, test."""
    parser = argparse.ArgumentParser(prog="make kind", description=__doc__)
    parser.add_argument("--delete", action="store_true", help="delete the cluster and its files")
    delete = parser.parse_args(argv).delete
    if not kind_is_usable():
        raise DevError(
            "`make kind` needs the program kind and a Docker engine that answers; one of them is missing here"
        )
    cluster = KindCluster(RUN / "kind")
    if delete:
        cluster.stop()
        return 0
    if not cluster.admin_kubeconfig.exists():
        cluster.start()
    tag = f"{_IMAGE}:{version('moorage')}"
    trial = ChartTrial(cluster.admin(), cluster.admin_kubeconfig, _IMAGE)
    page.build()
    in_steps(
        ("building the image", lambda: checked("docker", "build", f"--tag={tag}", str(ROOT))),
        ("loading it into the node", lambda: cluster.load_image(tag)),
        *trial.steps(),
    )
    sys.stdout.write(f"done; look around with KUBECONFIG={cluster.admin_kubeconfig}\n")
    return 0
