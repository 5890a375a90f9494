"""The programs of the control plane and the command-line tools of the tests: found, or built once from Go modules.

Outputs lie outside the checkout in a folder whose name holds a hash of everything that decides their content, so that
a build happens once for all checkouts. Builds of several processes wait for each other.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from moorage_dev import golang, progress
from moorage_dev.failures import DevError
from moorage_dev.layout import DEV, cache_dir


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module that pins programs.

    Attributes:
        name: folder under dev/, and prefix of the folder in the cache.
        title: what a person reads while it is built.
        programs: file name of each program → its Go package.
    """

    name: str
    title: str
    programs: dict[str, str]

    @property
    def folder(self) -> Path:
        """Where go.mod and go.sum are."""
        return DEV / self.name


CONTROL_PLANE = Module(
    "controlplane",
    "building the control plane (once; about 9 minutes on two cores)",
    {
        "etcd": "go.etcd.io/etcd/server/v3",
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    },
)
CLI = Module(
    "cli",
    "building helm and kubeconform (once; about 3 minutes on two cores)",
    {"helm": "helm.sh/helm/v4/cmd/helm", "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"},
)

#: Names that other tools use for programs that are there already.
_ASSET_VARIABLES = {
    "etcd": "TEST_ASSET_ETCD",
    "kube-apiserver": "TEST_ASSET_KUBE_APISERVER",
    "kube-controller-manager": "TEST_ASSET_KUBE_CONTROLLER_MANAGER",
    "kubectl": "TEST_ASSET_KUBECTL",
}


def control_plane() -> dict[str, Path]:
    """Program name → file, for the four programs of `CONTROL_PLANE`; builds those that nobody provides.

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
    """The folder with the module's programs; a no-op when they were built before."""
    target = cache_dir() / f"{module.name}-{_fingerprint(module)}"
    if target.is_dir():
        return target
    with _one_at_a_time(target.with_suffix(".lock"), module.title):
        if not target.is_dir():
            _build_into(module, target)
    return target


def _given(name: str) -> Path | None:
    variable = _ASSET_VARIABLES[name]
    if chosen := os.environ.get(variable):
        if not os.access(chosen, os.X_OK):
            raise DevError(f"{variable} says {chosen}, and that is no program: correct it or unset it")
        return Path(chosen)
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if folder is None or folder == "":
        return None
    if not Path(folder).is_dir():
        raise DevError(f"KUBEBUILDER_ASSETS says {folder}, and that is no folder: correct it or unset it")
    # envtest's folder has no kube-controller-manager: what is missing there is built.
    found = Path(folder) / name
    return found if os.access(found, os.X_OK) else None


def _fingerprint(module: Module) -> str:
    digest = hashlib.sha256()
    for part in (module.folder / "go.mod", module.folder / "go.sum"):
        digest.update(part.read_bytes())
    digest.update(repr((sorted(module.programs.items()), _link_flags(module))).encode())
    return digest.hexdigest()[:16]


def _link_flags(module: Module) -> str:
    """Stripped programs that know their version: `/version` and `kubectl version` cannot be parsed without it."""
    flags = ["-s", "-w"]
    versions = dict(
        re.findall(r"^\s*(\S+) (v\S+)", (module.folder / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    )
    if kubernetes := versions.get("k8s.io/kubernetes"):
        major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
        values = {"gitVersion": kubernetes, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        flags += [f"-X {package}.{name}={value}" for package in packages for name, value in values.items()]
    if helm := versions.get("helm.sh/helm/v4"):
        flags.append(f"-X helm.sh/helm/v4/internal/version.version={helm}")
    return " ".join(flags)


@contextmanager
def _one_at_a_time(lock: Path, title: str) -> Iterator[None]:
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.shown(f"waiting for another process: {title}", lambda: "still waiting"):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build_into(module: Module, target: Path) -> None:
    go = golang.find_go()
    scratch = Path(tempfile.mkdtemp(prefix=f".{module.name}-", dir=target.parent))
    try:
        with _go_progress(module.title) as follow:
            for name, package in module.programs.items():
                _go_build(module, go, package, scratch / name, follow)
        # All programs or none: a build that was interrupted leaves nothing that looks finished.
        scratch.chmod(0o755)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _go_build(module: Module, go: Path, package: str, output: Path, follow: Callable[[IO[str]], list[str]]) -> None:
    command: list[str | Path] = [go, "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false"]
    with subprocess.Popen(
        [*command, "-ldflags", _link_flags(module), "-o", output, package],
        cwd=module.folder,
        env=golang.build_environment(go),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            last = follow(process.stderr)
        except BaseException:
            # Leaving the block waits for the process, and a build that nobody wants takes minutes.
            process.kill()
            raise
    if process.returncode != 0:
        tail = "\n  ".join(last)
        raise DevError(f"go build of {package} failed (is the network there?), its last lines were:\n  {tail}")


@contextmanager
def _go_progress(title: str) -> Iterator[Callable[[IO[str]], list[str]]]:
    """A function that reads the output of `go build -v` to its end, while the terminal shows where it is."""
    state: dict[str, int | str] = {"packages": 0, "last": "starting"}

    def follow(stream: IO[str]) -> list[str]:
        lines: deque[str] = deque(maxlen=8)
        for line in stream:
            text = line.strip()
            lines.append(text)
            state["last"] = text
            state["packages"] = int(state["packages"]) + (not text.startswith("go: "))
        return list(lines)

    with progress.shown(title, lambda: f"{state['packages']} packages compiled, now {state['last']}"):
        yield follow
