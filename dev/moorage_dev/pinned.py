"""Programs with pins of their own, made once in the cache for each lock file: of Python packages, and of npm's."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from moorage_dev import progress
from moorage_dev.failures import DevError
from moorage_dev.layout import DEV, ROOT, cache_dir
from moorage_dev.node_js import Node

#: Stands in what is complete: half an installation must not look like a whole one.
_FINISHED = "finished"


def programs(name: str) -> Path:
    """The folder of programs of `requirements-<name>.lock`; installed the first time.

    Raises:
        DevError: the packages cannot be installed.
    """
    lock_file = ROOT / f"requirements-{name}.lock"
    key = hashlib.sha256(lock_file.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache_dir() / f"{name}-{key}"
    with _once(folder) as is_missing:
        if is_missing:
            with progress.shown(f"installing {lock_file.name} (once; about a minute)", lambda: "pip"):
                _install(folder, lock_file)
    return folder / "bin"


def packages(name: str, node: Node) -> Path:
    """The folder `node_modules` of what `dev/<name>/package-lock.json` pins; installed the first time.

    Args:
        name: of the folder in `dev`.
        node: its npm installs them. No script of a package runs.

    Raises:
        DevError: the packages cannot be installed.
    """
    files = [DEV / name / file for file in (".npmrc", "package.json", "package-lock.json")]
    key = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    folder = cache_dir() / f"{name}-{key}"
    with _once(folder) as is_missing:
        if is_missing:
            with progress.shown(f"installing the packages of dev/{name} (once; about a minute)", lambda: "npm"):
                _install_packages(folder, files, node)
    return folder / "node_modules"


@contextmanager
def _once(folder: Path) -> Iterator[bool]:
    """Whether the folder has to be made; one process at a time, another one waits."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not (folder / _FINISHED).exists()


def _install(folder: Path, lock_file: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "--require-hashes", "-r", str(lock_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DevError(f"{lock_file.name} cannot be installed: {done.stderr.strip()}")
    (folder / _FINISHED).touch()


def _install_packages(folder: Path, files: Sequence[Path], node: Node) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    node.run_npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
    (folder / _FINISHED).touch()
