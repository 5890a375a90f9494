"""The cgroup below which all pods of a node live: made in every hierarchy of this machine, and removed again.

Nothing outside this cgroup is written. Both versions are known: hierarchies of version 1, and one of version 2.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from moorage_dev.failures import DevError

#: What the kubelet limits and counts, by version.
_NEEDED_V1 = frozenset({"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"})
_NEEDED_V2 = frozenset({"cpu", "cpuset", "memory", "pids"})
_GONE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted hierarchy.

    Attributes:
        place: where it is mounted.
        version: 1 or 2.
        controllers: what it controls, in version 1; empty for version 2, which says it in a file.
    """

    place: Path
    version: int
    controllers: frozenset[str]


def why_not() -> str | None:
    """One sentence that says which cgroups are missing on this machine; None when a node can have its own."""
    mounted = hierarchies()
    if not mounted:
        return "no cgroups are mounted, which limit and count what pods use"
    closed = [str(each.place) for each in mounted if not _is_writable(each.place)]
    if closed:
        return f"the cgroups of {closed[0]} are read-only: a container has to be privileged for a node to run in it"
    present = _first_version(mounted)
    if present:
        missing = _NEEDED_V1 - frozenset().union(*(each.controllers for each in present))
        return f"there is no cgroup hierarchy for {', '.join(sorted(missing))}" if missing else None
    root = mounted[0].place
    enabled = frozenset((root / "cgroup.subtree_control").read_text(encoding="ascii").split())
    missing = _NEEDED_V2 - enabled
    if not missing:
        return None
    names = " ".join(f"+{name}" for name in sorted(missing))
    return f"{root}/cgroup.subtree_control lacks {', '.join(sorted(missing))}: write '{names}' into it"


def make(name: str) -> None:
    """Make the cgroup `name` wherever the kubelet wants its root to exist."""
    mounted = hierarchies()
    for hierarchy in _first_version(mounted) or mounted:
        folder = hierarchy.place / name
        folder.mkdir(exist_ok=True)
        if hierarchy.version == 2:
            (folder / "cgroup.subtree_control").write_text(" ".join(f"+{each}" for each in sorted(_NEEDED_V2)))
        elif "cpuset" in hierarchy.controllers:
            # A new cpuset of version 1 is empty, and nothing can run in an empty one.
            for file in ("cpuset.cpus", "cpuset.mems"):
                (folder / file).write_text((hierarchy.place / file).read_text(encoding="ascii"), encoding="ascii")


def remove(name: str) -> None:
    """Remove the cgroup and all below it. Its processes have been killed; the last may be about to go.

    Raises:
        DevError: something in it does not go.
    """
    deadline = time.monotonic() + _GONE_SECONDS
    for folder in left(name):
        while not _removed(folder):
            if time.monotonic() > deadline:
                raise DevError(f"{folder} cannot be removed: a process is left in it")
            time.sleep(0.05)


def left(name: str) -> list[Path]:
    """Where the cgroup exists now."""
    return [place for each in hierarchies() if (place := each.place / name).is_dir()]


def hierarchies() -> list[Hierarchy]:
    """All mounted hierarchies of this machine, those of version 1 first."""
    found: dict[Path, Hierarchy] = {}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        place = Path(before.split()[4])
        if kind == "cgroup":
            found[place] = Hierarchy(place, 1, frozenset(options.split(",")))
        elif kind == "cgroup2":
            found[place] = Hierarchy(place, 2, frozenset())
    return sorted(found.values(), key=lambda each: (each.version, each.place))


def _first_version(mounted: list[Hierarchy]) -> list[Hierarchy]:
    """The hierarchies of version 1. Where there are any, the kubelet uses them and no other."""
    return [each for each in mounted if each.version == 1]


def _is_writable(place: Path) -> bool:
    return not os.statvfs(place).f_flag & os.ST_RDONLY


def _removed(folder: Path) -> bool:
    """Remove what can be removed of a tree of cgroups, leaves first; whether all of it is gone."""
    for each, _, _ in os.walk(folder, topdown=False):
        try:
            Path(each).rmdir()
        except OSError:
            return False
    return not folder.exists()
