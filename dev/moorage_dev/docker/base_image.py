"""Gives an engine what stands in for the Dockerfile's BASE_IMAGE, under its name, so that nothing is pulled."""

import re
import tarfile
from pathlib import Path

from moorage_dev import buildah
from moorage_dev.docker.engine import Engine
from moorage_dev.layout import ROOT

#: What pip needs of the machine while the image is built: the certificates it trusts, and how it reaches the index.
_OF_THE_MACHINE = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")


def load(engine: Engine) -> str:
    """Load it, and return its name."""
    found = re.search(r"^ARG BASE_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, "the Dockerfile has no BASE_IMAGE"
    archive = engine.folder / "base.tar"
    given = {f".{path}": Path(path) for path in _OF_THE_MACHINE if Path(path).exists()}
    with tarfile.open(buildah.base_archive()) as base, tarfile.open(archive, "w") as tar:
        for member in base:
            # An engine refuses two files of one name.
            if member.name not in given:
                tar.addfile(member, base.extractfile(member) if member.isfile() else None)
        for name, path in given.items():
            tar.add(path.resolve(), name)
    engine.load(archive, found[1])
    archive.unlink()
    return found[1]
