"""What the operator makes of a Rollout, with the controller of Argo Rollouts itself and pods of a real node.

`MOORAGE_RECORD=1` writes down what the controller said, for tests/unit/operator/test_recorded_health.py.
"""

from collections.abc import Callable
from pathlib import Path

from rolling import NAMESPACE, Rolling, check, images, roll

from moorage_dev.engines.rollouts import ArgoRollouts
from moorage_dev.node.cluster import NodeCluster

ROLLOUTS = "rollouts.argoproj.io"
#: How far a release without an image comes.
ENDS = {ROLLOUTS: "Degraded"}
#: For blue and green: the controller moves its selector when the new pods are ready.
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "rolling", "namespace": NAMESPACE},
    "spec": {"selector": {"rolling": "rollout-blue-green"}, "ports": [{"port": 80}]},
}


def test_rollouts_are_healthy_when_all_their_pods_run_the_release(
    argo_rollouts: ArgoRollouts, node_cluster: NodeCluster, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    assert argo_rollouts.logs()
    images(node_cluster)
    node_cluster.admin().apply(SERVICE)
    those = [Rolling(node_cluster, tmp_path, ROLLOUTS, story) for story in ("canary", "blue-green")]
    roll(those, ENDS)
    check(those, ENDS, figures)
