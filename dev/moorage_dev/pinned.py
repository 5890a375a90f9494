"""Programs with pins of their own: a virtual environment in the cache for each lock file, made once."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from moorage_dev import progress
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT, cache_dir


def programs(name: str) -> Path:
    """The folder of programs of `requirements-<name>.lock`; installed the first time.

    Raises:
        DevError: the packages cannot be installed.
    """
    lock_file = ROOT / f"requirements-{name}.lock"
    key = hashlib.sha256(lock_file.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache_dir() / f"{name}-{key}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "finished").exists():
            with progress.shown(f"installing {lock_file.name} (once; about a minute)", lambda: "pip"):
                _install(folder, lock_file)
    return folder / "bin"


def _install(folder: Path, lock_file: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "--require-hashes", "-r", str(lock_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DevError(f"{lock_file.name} cannot be installed: {done.stderr.strip()}")
    # Half an installation must not look like a whole one.
    (folder / "finished").touch()
