"""OCI archives of one static program: the images of pods that need nothing else."""

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OCI = "application/vnd.oci.image"
#: Python's word for a processor → Go's, which images use.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a program stands in its image, and how it is started.

    Attributes:
        folder: with a slash at its end; empty for the root.
        user: numbers of user and group.
        below: archive of all other files that it needs; None for a program that needs none.
    """

    folder: str = ""
    user: str = "65535:65535"
    below: Path | None = None


#: A program that needs no other file and no right.
_ALONE = Setting()


def write_archive(archive: Path, program: Path, names: Iterable[str], setting: Setting = _ALONE) -> Path:
    """Write an image that runs `program`, under each of the names.

    Args:
        archive: the file to write.
        program: the file that is started.
        names: complete ones, such as `localhost/pause:1`.
        setting: of the program.
    """
    blobs: dict[str, bytes] = {}
    manifest = _blob(blobs, _manifest(blobs, program, setting), f"{_OCI}.manifest.v1+json")
    entries = [{**manifest, "annotations": _annotations(name)} for name in names]
    with tarfile.open(archive, "w") as tar:
        _member(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _member(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": entries}).encode())
        for digest, data in blobs.items():
            _member(tar, f"blobs/sha256/{digest}", data)
    return archive


def _manifest(blobs: dict[str, bytes], program: Path, setting: Setting) -> bytes:
    layer, place = io.BytesIO(), f"{setting.folder}{program.name}"
    with tarfile.open(fileobj=layer, mode="w") as tar:
        if setting.below is not None:
            _copy(setting.below, tar)
        _member(tar, place, program.read_bytes(), mode=0o755)
    raw = layer.getvalue()
    machine = platform.machine()
    configuration = {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Entrypoint": [f"/{place}"], "User": setting.user},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(raw).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _blob(blobs, json.dumps(configuration).encode(), f"{_OCI}.config.v1+json"),
        "layers": [_blob(blobs, gzip.compress(raw, compresslevel=1, mtime=0), f"{_OCI}.layer.v1.tar+gzip")],
    }
    return json.dumps(manifest).encode()


def _copy(archive: Path, tar: tarfile.TarFile) -> None:
    with tarfile.open(archive) as files:
        for member in files:
            tar.addfile(member, files.extractfile(member) if member.isfile() else None)


def _blob(blobs: dict[str, bytes], data: bytes, kind: str) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}


def _annotations(name: str) -> dict[str, str]:
    return {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}


def _member(tar: tarfile.TarFile, path: str, data: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(data), mode
    tar.addfile(member, io.BytesIO(data))
