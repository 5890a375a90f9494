"""checkov, which has pins of its own: a virtual environment in the cache, made once from requirements-audit.lock."""

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

_LOCK = ROOT / "requirements-audit.lock"


def checkov() -> Path:
    """The program; installed the first time.

    Raises:
        DevError: the packages cannot be installed.
    """
    key = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache_dir() / f"audit-{key}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "finished").exists():
            with progress.shown("installing checkov (once; about a minute)", lambda: "pip"):
                _install(folder)
    return folder / "bin" / "checkov"


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "--require-hashes", "-r", str(_LOCK)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DevError(f"checkov cannot be installed: {done.stderr.strip()}")
    # Half an installation must not look like a whole one.
    (folder / "finished").touch()
