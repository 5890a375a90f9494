"""A cluster with a real node, for tests whose pods have to run; they are skipped, loudly, where none can."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from moorage_dev import binaries, buildah, modules
from moorage_dev.node import requirements
from moorage_dev.node.cluster import NodeCluster


def build_programs(scratch: Path, pytestconfig: pytest.Config) -> None:
    """All programs of such a cluster are built; the first time this takes minutes, so its progress is seen.

    Raises:
        pytest.skip.Exception: no node can run here.
    """
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        if reason := requirements.why_not(scratch):
            pytest.skip(f"NOT RUN: no node can run here: {reason}")
        binaries.control_plane()
        for module in (modules.NODE, modules.CONTAINERD):
            binaries.build(module)


@contextmanager
def running(folder: Path) -> Iterator[NodeCluster]:
    """A control plane and a Ready node."""
    cluster = NodeCluster(folder)
    cluster.start()
    try:
        cluster.finish()
        yield cluster
    finally:
        cluster.stop()


def load_image(cluster: NodeCluster, pytestconfig: pytest.Config) -> str:
    """Build the image of this checkout and give it to the node; its name.

    Raises:
        pytest.skip.Exception: it cannot be built here.
    """
    # A name without a registry would mean one of docker.io to the kubelet.
    tag = f"localhost/moorage:node-{os.getpid()}"
    archive = cluster.folder / "moorage.tar"
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        if reason := buildah.why_not():
            pytest.skip(f"NOT RUN: the image was not built: {reason}")
        binaries.cli("helm")
        with buildah.kept() as builder:
            builder.build(tag)
            try:
                builder.archive(tag, archive)
            finally:
                builder.remove(tag)
    cluster.node.load(archive)
    archive.unlink()
    return tag
