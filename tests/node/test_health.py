"""Health of workloads whose pods really roll: to a good release, to one without an image, and back.

`MOORAGE_RECORD=1` writes down what the controllers said, for tests/unit/operator/test_recorded_health.py.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from rolling import BAD, IMAGE, RELEASES, Rolling, judged, keep
from waiting import eventually

from moorage_crds.kinds.target import PLACEHOLDER
from moorage_dev import binaries, modules
from moorage_dev.node.cluster import NodeCluster

Figures = Callable[[str], None]
#: Those of Kubernetes: how far a release without an image comes.
APPS = {"deployments.apps": "Failed", "statefulsets.apps": "Progressing", "daemonsets.apps": "Progressing"}
PATIENCE = 90.0


@pytest.fixture
def images(node_cluster: NodeCluster) -> None:
    """The node has the images of all releases but the bad one."""
    names = {IMAGE.replace(PLACEHOLDER, release) for number, release in RELEASES.items() if number != BAD}
    node_cluster.node.load_program(binaries.build(modules.NODE) / "pause", *sorted(names))


def roll(all_of_them: Sequence[Rolling], ends: dict[str, str]) -> None:
    """Bring all changes in, one after the other, each when the one before is where it has to end."""
    with ExitStack() as watches:
        for one in all_of_them:
            watches.enter_context(one.watched())
        for sequence in RELEASES:
            for one in all_of_them:
                one.carry(sequence)
            for one in all_of_them:
                reach(one, sequence, ends[one.resource])


def reach(one: Rolling, sequence: int, end_of_bad: str) -> None:
    """Wait until a change is where it has to end."""
    if sequence == BAD:
        eventually(one.has_a_pod_without_an_image, PATIENCE, interval=0.5)
    end = end_of_bad if sequence == BAD else "Healthy"
    eventually(lambda: one.phase(sequence) == end, PATIENCE, interval=0.5)


def check(all_of_them: Sequence[Rolling], ends: dict[str, str], figures: Figures) -> None:
    """Judge every version that was stored."""
    for one in all_of_them:
        versions = one.versions()
        phases = judged(one.resource, versions)
        figures(
            f"{one.kind}: {len(versions)} versions, "
            + "; ".join(f"{RELEASES[at]}: {', '.join(said)}" for at, said in phases.items())
        )
        assert "Healthy" not in phases[BAD]
        assert ends[one.resource] in phases[BAD]
        assert all("Healthy" in said for number, said in phases.items() if number != BAD)
        if os.environ.get("MOORAGE_RECORD"):
            keep(one.resource, versions)


@pytest.mark.usefixtures("images")
def test_workloads_of_kubernetes_are_healthy_when_all_their_pods_run_the_release(
    node_cluster: NodeCluster, tmp_path: Path, figures: Figures
) -> None:
    those = [Rolling(node_cluster, tmp_path, resource) for resource in APPS]
    roll(those, APPS)
    check(those, APPS, figures)
