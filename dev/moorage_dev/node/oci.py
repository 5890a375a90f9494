"""OCI archives of one static program: the images of pods that need nothing else."""

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_OCI = "application/vnd.oci.image"
#: Python's word for a processor → Go's, which images use.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_archive(archive: Path, program: Path, names: Iterable[str]) -> Path:
    """Write an image that runs `program` as user 65535, under each of the names.

    Args:
        archive: the file to write.
        program: needs no other file.
        names: complete ones, such as `localhost/pause:1`.
    """
    blobs: dict[str, bytes] = {}
    manifest = _blob(blobs, _manifest(blobs, program), f"{_OCI}.manifest.v1+json")
    entries = [{**manifest, "annotations": _annotations(name)} for name in names]
    with tarfile.open(archive, "w") as tar:
        _member(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _member(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": entries}).encode())
        for digest, data in blobs.items():
            _member(tar, f"blobs/sha256/{digest}", data)
    return archive


def _manifest(blobs: dict[str, bytes], program: Path) -> bytes:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        _member(tar, program.name, program.read_bytes(), mode=0o755)
    raw = layer.getvalue()
    machine = platform.machine()
    configuration = {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(raw).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _blob(blobs, json.dumps(configuration).encode(), f"{_OCI}.config.v1+json"),
        "layers": [_blob(blobs, gzip.compress(raw, mtime=0), f"{_OCI}.layer.v1.tar+gzip")],
    }
    return json.dumps(manifest).encode()


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
