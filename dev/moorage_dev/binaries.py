"""The programs of the control plane and the command-line tools of the tests: found, fetched, or built once.

They lie outside the checkout in a folder whose name holds a hash of everything that decides their content, so that
they are made once for all checkouts. Several processes wait for each other.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moorage_dev import golang, prebuilt, progress
from moorage_dev.failures import DevError
from moorage_dev.layout import cache_dir
from moorage_dev.modules import CLI, CONTROL_PLANE, Module

#: Names that other tools use for programs that are there already.
_ASSET_VARIABLES = {
    "etcd": "TEST_ASSET_ETCD",
    "kube-apiserver": "TEST_ASSET_KUBE_APISERVER",
    "kube-controller-manager": "TEST_ASSET_KUBE_CONTROLLER_MANAGER",
    "kubectl": "TEST_ASSET_KUBECTL",
}


def control_plane() -> dict[str, Path]:
    """Program name → file, for the four programs of `CONTROL_PLANE`; fetches or builds those that nobody provides.

    Raises:
        DevError: a variable points nowhere, or the build is not possible.
    """
    given = {name: path for name in CONTROL_PLANE.programs if (path := _given(name))}
    missing = [name for name in CONTROL_PLANE.programs if name not in given]
    built = build(CONTROL_PLANE) if missing else Path()
    return {**{name: built / name for name in missing}, **given}


def kubectl() -> Path:
    """kubectl for a cluster that was not built here: the one on this machine, else the built one.

    Raises:
        DevError: there is none and the build is not possible.
    """
    present = _given("kubectl") or shutil.which("kubectl")
    return Path(present) if present else build(CONTROL_PLANE) / "kubectl"


def cli(name: str) -> Path:
    """helm or kubeconform; builds both the first time.

    Raises:
        DevError: the build is not possible.
    """
    return build(CLI) / name


def build(module: Module) -> Path:
    """The folder with the module's programs; a no-op when they were made before.

    Raises:
        DevError: they can neither be fetched nor built.
    """
    target = cache_dir() / f"{module.name}-{module.fingerprint}"
    if target.is_dir():
        return target
    with _one_at_a_time(target.with_suffix(".lock"), module.title):
        if not target.is_dir():
            _make(module, target)
    return target


def _given(name: str) -> Path | None:
    variable = _ASSET_VARIABLES[name]
    if chosen := os.environ.get(variable):
        if not os.access(chosen, os.X_OK):
            raise DevError(f"{variable} says {chosen}, and that is not a program: correct it or unset it")
        return Path(chosen)
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if folder is None or folder == "":
        return None
    if not Path(folder).is_dir():
        raise DevError(f"KUBEBUILDER_ASSETS says {folder}, and that is not a folder: correct it or unset it")
    # envtest's folder has no kube-controller-manager: what is missing there is built.
    found = Path(folder) / name
    return found if os.access(found, os.X_OK) else None


@contextmanager
def _one_at_a_time(lock: Path, title: str) -> Iterator[None]:
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.shown(f"waiting for another process: {title}", lambda: "still waiting"):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make(module: Module, target: Path) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=f".{module.name}-", dir=target.parent))
    try:
        fetched = prebuilt.fetch(module.programs, scratch) if module is CONTROL_PLANE else {}
        if rest := {name: package for name, package in module.programs.items() if name not in fetched}:
            golang.build(module, rest, scratch)
        golang.copy_files(module, scratch)
        # All programs or none: what was interrupted leaves nothing that looks finished.
        scratch.chmod(0o755)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
