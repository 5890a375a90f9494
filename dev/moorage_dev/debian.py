"""Root file systems of a minimal Debian, made by debootstrap once for all checkouts; it needs root."""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from moorage_dev import progress
from moorage_dev.failures import DevError
from moorage_dev.layout import cache_dir

#: What no image needs, and what belongs to the machine.
_LEFT_OUT = (
    "./var/cache/apt",
    "./var/lib/apt/lists",
    "./usr/share/doc",
    "./usr/share/locale",
    "./dev",
    "./proc",
)


def codename() -> str:
    """The release that this machine runs, such as `bookworm`."""
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return values.get("VERSION_CODENAME", "bookworm").strip('"')


def archive(
    name: str,
    title: str,
    packages: Sequence[str],
    without: Sequence[str] = (),
    *,
    release: str | None = None,
    architecture: str | None = None,
) -> Path:
    """An archive of a root file system.

    Args:
        name: of the file in the cache, without the release; another one for other packages.
        title: what a person reads while it is made.
        packages: what is in it besides the minimum.
        without: packages of the minimum that it does not have.
        release: of Debian; by default the one that this machine runs.
        architecture: Debian's name of one whose programs run here (`foreign`); by default the machine's own.

    Raises:
        DevError: debootstrap fails.
    """
    release = release or codename()
    of = f"{architecture}-{release}" if architecture else release
    made = cache_dir() / f"{name}-{of}.tar"
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_file():
            flags = [f"--include={','.join(packages)}"]
            flags += [f"--exclude={','.join(without)}"] if without else []
            flags += [f"--arch={architecture}"] if architecture else []
            with progress.shown(title, lambda: f"debootstrap {of}"):
                _debootstrap(release, flags, made)
    return made


def _namespaced() -> dict[str, str]:
    """What tells debootstrap that it may make no devices, as nobody may in a user namespace of his own."""
    whole = Path("/proc/self/uid_map").read_text(encoding="ascii").split() == ["0", "0", str(2**32 - 1)]
    return {} if whole else {"container": "lxc"}


def _debootstrap(release: str, flags: Sequence[str], made: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="moorage-base-") as folder:
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", *flags, release, folder],
            env={**os.environ, **_namespaced()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            tail = "\n  ".join(done.stdout.splitlines()[-8:])
            raise DevError(f"debootstrap {release} failed, its last lines were:\n  {tail}")
        unfinished = made.with_suffix(".unfinished")
        left_out = [f"--exclude={path}/*" for path in _LEFT_OUT]
        subprocess.run(["tar", "-C", folder, *left_out, "-cf", unfinished, "."], check=True)
        unfinished.rename(made)
