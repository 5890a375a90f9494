"""`make assets` and `make pin-assets`: what keeps a machine from compiling Kubernetes, and the sums that make it safe.

`publish` builds the control plane from its modules and lays it out for a mirror (`MOORAGE_ASSETS_URL`); the build
depends on nothing but go.sum and the version of Go, so anybody can check its sums by building again.
`pin` writes down the sums that the projects publish beside their own files.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

from moorage_dev import download, golang, prebuilt
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT
from moorage_dev.modules import CONTROL_PLANE

FOLDER = ROOT / "dist" / "assets"
#: A published list of sums is a few kilobytes.
_LARGEST_LIST = 1 << 18


def main(argv: list[str]) -> int:
    """Run `publish` or `pin`."""
    parser = argparse.ArgumentParser(prog="python -m moorage_dev assets", description=__doc__)
    parser.add_argument("command", choices=("publish", "pin"))
    if parser.parse_args(argv).command == "pin":
        pin()
    else:
        publish()
    return 0


def publish() -> None:
    """Build the programs for this machine into dist/assets and pin their sums.

    Raises:
        DevError: the build fails.
    """
    system = prebuilt.this_system()
    FOLDER.mkdir(parents=True, exist_ok=True)
    sums = {}
    with tempfile.TemporaryDirectory(prefix=".build-", dir=FOLDER) as scratch:
        golang.build(CONTROL_PLANE, CONTROL_PLANE.programs, Path(scratch))
        for program in CONTROL_PLANE.programs:
            path = prebuilt.plain(program, system).path
            built = Path(scratch) / program
            sums[path] = hashlib.sha256(built.read_bytes()).hexdigest()
            (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
            built.replace(FOLDER / path)
    others = {path: sum_ for path, sum_ in _kept(prebuilt.BUILT).items() if path not in sums}
    go = subprocess.run(
        [golang.find_go(CONTROL_PLANE.oldest_go), "env", "GOVERSION"], capture_output=True, text=True, check=True
    ).stdout
    _write(prebuilt.BUILT, {**others, **sums}, f"What `make assets` builds from go.sum with {go.strip()}.")
    sys.stdout.write(f"{FOLDER} can be served as a mirror: {prebuilt.VARIABLE}=https://…\n")


def pin() -> None:
    """Write the sums that Kubernetes and etcd publish for the pinned versions.

    Raises:
        DevError: one of them cannot be read.
    """
    sums = {}
    for system in prebuilt.PLATFORMS:
        for program in CONTROL_PLANE.programs:
            asset = prebuilt.official(program, system)
            sums[asset.path] = _published_sum(asset)
    _write(prebuilt.OFFICIAL, sums, "What Kubernetes and etcd publish beside their files.")


def _published_sum(asset: prebuilt.Asset) -> str:
    """The sum of one file: from a list for the whole release, or from a file beside it."""
    if asset.member:
        folder, _, name = asset.path.rpartition("/")
        text = _read(f"{asset.place}/{folder}/SHA256SUMS")
        found = re.search(rf"^([0-9a-f]{{64}})  {re.escape(name)}$", text, re.MULTILINE)
    else:
        text = _read(f"{asset.place}/{asset.path}.sha256")
        found = re.match(r"([0-9a-f]{64})\s*$", text)
    if found is None:
        raise DevError(f"{asset.place} publishes no SHA-256 of {asset.path} in the known form")
    return found[1]


def _read(url: str) -> str:
    try:
        with download.opened(url) as response:
            return response.read(_LARGEST_LIST).decode("ascii", "replace")
    except (OSError, HTTPException) as error:
        raise DevError(f"{url} cannot be read ({error}): run `make pin-assets` where the internet is") from error


def _kept(path: Path) -> Mapping[str, str]:
    """The pins of present versions for other systems."""
    versions = tuple(f"{version}/" for version in CONTROL_PLANE.versions.values())
    return {name: sum_ for name, sums in prebuilt.read_pins(path).items() for sum_ in sums if name.startswith(versions)}


def _write(path: Path, sums: Mapping[str, str], what: str) -> None:
    lines = [f"{sum_}  {name}" for name, sum_ in sorted(sums.items())]
    path.write_text("\n".join([f"# {what}", *lines, ""]), encoding="utf-8")
    sys.stdout.write(f"wrote {path}\n")
