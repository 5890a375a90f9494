"""Published programs of the control plane, taken instead of a build when their SHA-256 is pinned here.

`binaries` asks before it builds. Nothing is taken on trust: a file without a pin is not even asked for, and a file
with another sum is refused. `MOORAGE_ASSETS_URL` names a mirror with the same paths, or says `off`.
"""

import os
import platform
import re
import shutil
import sys
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from moorage_dev import download
from moorage_dev.download import Outcome, Source
from moorage_dev.failures import DevError
from moorage_dev.modules import CONTROL_PLANE

VARIABLE = "MOORAGE_ASSETS_URL"
KUBERNETES_PLACE = "https://dl.k8s.io"
ETCD_PLACE = "https://github.com/etcd-io/etcd/releases/download"
#: Platforms with published servers of Kubernetes that we pin.
PLATFORMS = ("linux-amd64", "linux-arm64")
#: Sums of what the projects publish themselves; `make pin-assets` writes them.
OFFICIAL = CONTROL_PLANE.folder / "official.sha256"
#: Sums of what `make assets` builds from go.sum; a mirror may carry either.
BUILT = CONTROL_PLANE.folder / "built.sha256"

Pins = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Asset:
    """One published file with one program.

    Attributes:
        program: file name of the program.
        place: base address where its project publishes it.
        path: path below `place`, and below the base of a mirror.
        member: where the program is in the archive; empty when the file is the program.
    """

    program: str
    place: str
    path: str
    member: str = ""


def official(program: str, system: str) -> Asset:
    """What the project of a program publishes for `system`, such as `linux-amd64`."""
    versions = CONTROL_PLANE.versions
    if program == "etcd":
        version = versions["go.etcd.io/etcd/server/v3"]
        folder = f"etcd-{version}-{system}"
        return Asset(program, ETCD_PLACE, f"{version}/{folder}.tar.gz", f"{folder}/etcd")
    version = versions["k8s.io/kubernetes"]
    return Asset(program, KUBERNETES_PLACE, f"{version}/bin/{system.replace('-', '/')}/{program}")


def plain(program: str, system: str) -> Asset:
    """The same program as a file of its own, as `make assets` lays it out."""
    asset = official(program, system)
    if not asset.member:
        return asset
    version = asset.path.partition("/")[0]
    return Asset(program, asset.place, f"{version}/bin/{system.replace('-', '/')}/{program}")


def fetch(programs: Iterable[str], into: Path) -> dict[str, str]:
    """Put those programs into the folder `into` that are published and pinned; program → address it came from.

    What cannot be had is said in a sentence and left out: the caller builds it.

    Raises:
        DevError: `MOORAGE_ASSETS_URL` or a file of pins cannot be understood.
    """
    mirror = _mirror()
    if mirror == "off":
        return {}
    system = this_system()
    assets = {program: _pinned(program, system, mirror) for program in programs}
    _say_unpinned([program for program, found in assets.items() if not found], system)
    pinned = {program: found for program, found in assets.items() if found}
    return _fetch_pinned(pinned, into) if pinned else {}


def this_system() -> str:
    """This machine in the words of Go: `linux-amd64`."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }"


def read_pins(path: Path) -> Pins:
    """Path of a published file → the sums it may have. The format is that of sha256sum; `#` begins a comment.

    Raises:
        DevError: a line is neither.
    """
    pins: defaultdict[str, set[str]] = defaultdict(set)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("#") or not line.strip():
            continue
        parts = re.fullmatch(r"([0-9a-f]{64})  (\S+)", line)
        if parts is None:
            raise DevError(f"{path}, line {number}: expected a SHA-256, two spaces and a path")
        pins[parts[2]].add(parts[1])
    return {name: frozenset(sums) for name, sums in pins.items()}


def _mirror() -> str:
    """`off`, the base of a mirror, or nothing for the places of the projects."""
    value = os.environ.get(VARIABLE, "").rstrip("/")
    if value in {"", "off"}:
        return value
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise DevError(f"{VARIABLE} says {value}: write an http or https address without a query, or off")
    return value


def _pinned(program: str, system: str, mirror: str) -> dict[Source, Asset]:
    """Where the program may be had, in the order in which it is tried."""
    asset = official(program, system)
    pins = read_pins(OFFICIAL)
    if not mirror:
        sums = pins.get(asset.path, frozenset())
        return {Source(f"{asset.place}/{asset.path}", sums): asset} if sums else {}
    built = read_pins(BUILT)
    choices = dict.fromkeys((plain(program, system), asset))
    allowed = {choice: pins.get(choice.path, frozenset()) | built.get(choice.path, frozenset()) for choice in choices}
    return {Source(f"{mirror}/{choice.path}", sums): choice for choice, sums in allowed.items() if sums}


def _fetch_pinned(pinned: Mapping[str, Mapping[Source, Asset]], into: Path) -> dict[str, str]:
    taken = {}
    # A folder of its own: a download that was given up may still write there.
    with tempfile.TemporaryDirectory(prefix=".downloads-", dir=into.parent, ignore_cleanup_errors=True) as folder:
        files = {program: Path(folder) / program for program in pinned}
        wanted = {files[program]: list(found) for program, found in pinned.items()}
        outcomes = download.fetch(wanted, "fetching published programs of the control plane")
        for program, found in pinned.items():
            if source := _reported(program, outcomes[files[program]]):
                _unpack(files[program], found[source], into / program)
                taken[program] = source.url
    return taken


def _reported(program: str, outcome: Outcome) -> Source | None:
    if outcome.source is None:
        _say(f"{program} has to be built: {outcome.why_not}")
    return outcome.source


def _say_unpinned(programs: list[str], system: str) -> None:
    if programs:
        names = ", ".join(programs)
        _say(f"to be built, because dev/{CONTROL_PLANE.name}/{OFFICIAL.name} pins none for {system}: {names}")


def _unpack(file: Path, asset: Asset, target: Path) -> None:
    if asset.member:
        # The sum was checked before, so this is the archive whose layout is known.
        with tarfile.open(file) as archive, target.open("wb") as output:
            content = archive.extractfile(asset.member)
            assert content is not None, f"{asset.member} in {asset.path} is a regular file"
            shutil.copyfileobj(content, output)
    else:
        file.rename(target)
    target.chmod(0o755)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
