"""A Docker engine's programs, from Debian's packages, unpacked into the cache: nothing is installed on the machine."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from moorage_dev import packages, progress
from moorage_dev.failures import DevError
from moorage_dev.layout import cache_dir

#: The engine, what it starts, its network to the outside, and libraries that a small machine may lack.
_PACKAGES = ("docker.io", "containerd", "tini", "slirp4netns", "libslirp0", "libdevmapper1.02.1")
_PROGRAM_FOLDERS = ("usr/sbin", "usr/bin")
_LIBRARY_PATTERNS = ("lib/*-linux-gnu", "usr/lib/*-linux-gnu")


def why_not() -> str | None:
    """One sentence that says why they cannot be had here; None when they can."""
    missing = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name, path=packages.path()) is None]
    return f"{' and '.join(missing)} are missing, which bring the engine's packages" if missing else None


def unpacked() -> Path:
    """The folder with the unpacked packages, of the versions that this machine's package lists name.

    Raises:
        DevError: they cannot be fetched.
    """
    with (cache_dir() / "docker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        versions = _versions()
        target = cache_dir() / f"docker-{versions['docker.io']}"
        if not target.is_dir():
            with progress.shown("fetching a Docker engine (once)", lambda: "apt-get download"):
                _unpack(versions, target)
        return target


def environment(folder: Path) -> Mapping[str, str]:
    """Variables that let programs of an unpacked `folder` find each other and their libraries."""
    programs = [str(folder / name) for name in _PROGRAM_FOLDERS]
    libraries = [str(path) for pattern in _LIBRARY_PATTERNS for path in folder.glob(pattern)]
    return {
        "PATH": os.pathsep.join([*programs, packages.path()]),
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
    }


def _versions() -> dict[str, str]:
    found = _candidates()
    if set(found) != set(_PACKAGES):
        _checked("apt-get", "update")
        found = _candidates()
    if missing := sorted(set(_PACKAGES) - set(found)):
        raise DevError(f"this system's package lists have no {' and no '.join(missing)}")
    return found


def _candidates() -> dict[str, str]:
    policy = _checked("apt-cache", "policy", *_PACKAGES)
    listed = re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)$", policy, re.MULTILINE)
    return {name: version for name, version in listed if version != "(none)"}


def _unpack(versions: Mapping[str, str], target: Path) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=".docker-", dir=target.parent))
    try:
        # Who downloads is another user where apt has one.
        scratch.chmod(0o777)
        _checked("apt-get", "download", *(f"{name}={version}" for name, version in versions.items()), cwd=scratch)
        for archive in sorted(scratch.glob("*.deb")):
            _checked("dpkg-deb", "-x", str(archive), str(scratch / "unpacked"))
        (scratch / "unpacked").rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _checked(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PATH": packages.path(), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DevError(f"{' '.join(command[:2])} failed: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout
