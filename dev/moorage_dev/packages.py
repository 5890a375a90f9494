"""Programs of the distribution: found, or installed by name where this user may."""

import os
import shutil
import subprocess
from collections.abc import Mapping

from moorage_dev import progress

#: Root's own programs are not on everybody's path.
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def path() -> str:
    """`PATH` with the folders of root's programs at its end."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])


def why_not(programs: Mapping[str, str]) -> str | None:
    """One sentence that says why programs are missing; None when all are there. Installs what is missing, as root.

    Args:
        programs: program → Debian package.
    """
    missing = sorted({package for program, package in programs.items() if not shutil.which(program, path=path())})
    if not missing:
        return None
    names = " and ".join(missing)
    if shutil.which("apt-get") is None:
        return f"{names} are missing, and this system has no apt-get to install them"
    if os.geteuid() != 0:
        return f"{names} are missing, and installing them needs root"
    return _install(missing)


def _install(names: list[str]) -> str | None:
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *names]
    with progress.shown(f"installing {' and '.join(names)}", lambda: "apt-get"):
        done = _apt(install)
        if done.returncode != 0:
            _apt(["apt-get", "update"])
            done = _apt(install)
    if done.returncode == 0:
        return None
    return f"apt-get install {' '.join(names)} failed: {done.stderr.strip().splitlines()[-1:]}"


def _apt(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
