"""Health of workloads whose pods really roll: to a good release, to one without an image, and back.

`MOORAGE_RECORD=1` writes down what the controllers said, for tests/unit/operator/test_recorded_health.py.
"""

from collections.abc import Callable
from pathlib import Path

from rolling import Rolling, check, images, roll

from moorage_dev.node.cluster import NodeCluster

#: How far a release without an image comes.
APPS = {"deployments.apps": "Failed", "statefulsets.apps": "Progressing", "daemonsets.apps": "Progressing"}


def test_workloads_of_kubernetes_are_healthy_when_all_their_pods_run_the_release(
    node_cluster: NodeCluster, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    images(node_cluster)
    those = [Rolling(node_cluster, tmp_path, resource) for resource in APPS]
    roll(those, APPS)
    check(those, APPS, figures)
