"""The tool that audits manifests, in a virtual environment of its own: its exact pins do not go together with ours."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from moorage_dev import progress
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT, cache_dir

_LOCK = ROOT / "requirements-audit.lock"


def checkov() -> Path:
    """The command `checkov`; installs it from its lock the first time.

    Raises:
        DevError: it cannot be installed.
    """
    home = cache_dir() / f"audit-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]}"
    finished = home / ".installed"
    with home.with_suffix(".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not finished.exists():
            _install(home)
            finished.touch()
    return home / "bin/checkov"


def _install(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(_LOCK)]
    with progress.shown("installing checkov", lambda: "from requirements-audit.lock"):
        for command in (
            [sys.executable, "-m", "venv", str(home)],
            [str(home / "bin/python"), "-m", "pip", "install", *options],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise DevError(f"checkov could not be installed: {done.stderr.strip().splitlines()[-1:]}")
