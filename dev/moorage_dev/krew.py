"""The plugin for krew: an archive with a small program, and the manifest that names it by its sum.

A plugin of krew is one file for each system. Moorage is a Python package, so the file starts the installed one, or has
`uvx` or `pipx` fetch exactly this version.
"""

import gzip
import hashlib
import io
import tarfile
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml

_PROGRAM: Final = """\
#!/bin/sh
# kubectl moorage: the command `moorage` of this version, installed or fetched when it is first needed.
set -eu
if command -v moorage >/dev/null 2>&1 && [ "$(moorage --version)" = "moorage {version}" ]; then exec moorage "$@"; fi
if command -v uvx >/dev/null 2>&1; then exec uvx --quiet --from "moorage=={version}" moorage "$@"; fi
if command -v pipx >/dev/null 2>&1; then exec pipx run --quiet --spec "moorage=={version}" moorage "$@"; fi
echo "kubectl moorage: install uv or pipx, or moorage {version} itself (pip install moorage=={version})" >&2
exit 1
"""
_SYSTEMS: Final = ("linux", "darwin")


def write(version: str, folder: Path, *, semantic: str, moment: datetime, license_file: Path, address: str) -> None:
    """Put archive and manifest into a folder.

    Args:
        version: of both, as Python writes it.
        folder: gets them.
        semantic: the same version as SemVer has it, which krew demands.
        moment: time of the files in the archive.
        license_file: goes with the program.
        address: where releases are published; a file is at `<address>/v<version>/<file>`.
    """
    archive = folder / f"kubectl-moorage-{version}.tar.gz"
    archive.write_bytes(packed(version, license_file.read_bytes(), moment=moment))
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    manifest = _manifest(semantic, f"{address}/v{version}/{archive.name}", address, sha256)
    text = yaml.safe_dump(manifest, sort_keys=False, width=120)
    (folder / "moorage.krew.yaml").write_text(text, encoding="utf-8")


def packed(version: str, license_text: bytes, *, moment: datetime) -> bytes:
    """The archive; the same bytes for the same version and moment."""
    files = {"kubectl-moorage": (_PROGRAM.format(version=version).encode(), 0o755), "LICENSE": (license_text, 0o644)}
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, int(moment.timestamp())
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _manifest(version: str, uri: str, homepage: str, sha256: str) -> dict[str, Any]:
    def platform(system: str) -> dict[str, Any]:
        # Made for each one, or YAML would write the second as a reference to the first.
        return {
            "selector": {"matchLabels": {"os": system}},
            "uri": uri,
            "sha256": sha256,
            "bin": "kubectl-moorage",
            "files": [{"from": name, "to": "."} for name in ("kubectl-moorage", "LICENSE")],
        }

    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "moorage"},
        "spec": {
            "version": f"v{version}",
            "homepage": homepage,
            "shortDescription": "Which release runs where, who put it there",
            "description": "Asks and changes the register of releases: matrix, history, what ran at a moment, deploy, "
            "promote, undo, freezes and approvals.\n",
            "platforms": list(map(platform, _SYSTEMS)),
        },
    }
