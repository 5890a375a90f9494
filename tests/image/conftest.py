"""The image, built once for all tests of this folder; they are skipped, loudly, where it cannot be built.

Its RUNTIME_IMAGE has no shell. The tests of the node run the same Dockerfile on one that has.
`MOORAGE_IMAGE_DEBIAN` names another Debian than this machine's, with another Python: trixie has 3.13.
`make test-image-arm64` runs them in a namespace in which QEMU runs the image (`moorage_dev.foreign`).
"""

import os
from collections.abc import Iterator

import pytest

from moorage_dev import foreign
from moorage_dev.buildah import Buildah, Container, kept, why_not

#: Several test runs may share the storage.
TAG = f"localhost/moorage:test-{os.getpid()}"


@pytest.fixture(scope="session")
def buildah(pytestconfig: pytest.Config) -> Iterator[Buildah]:
    """buildah with the image in it."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        reason = why_not()
    if reason:
        pytest.skip(f"NOT RUN: the image was not built: {reason}")
    with kept(os.environ.get("MOORAGE_IMAGE_DEBIAN"), os.environ.get(foreign.VARIABLE)) as builder:
        with capture.global_and_fixture_disabled():
            builder.build(TAG, arguments={"VERSION": "0.1.0-test", "REVISION": "abcdef"}, shell=False)
        yield builder
        builder.remove(TAG)


@pytest.fixture(scope="session")
def container(buildah: Buildah) -> Iterator[Container]:
    """A container of it."""
    with buildah.container(TAG) as made:
        yield made
