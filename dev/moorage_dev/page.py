"""`make page`: builds the page of `web/` into `web/dist`, when its sources have changed since the last time."""

import fcntl
import hashlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from moorage_dev import progress
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT
from moorage_dev.node_js import Node, find_node

WEB = ROOT / "web"
DIST = WEB / "dist"

#: What the page is built from. The document of the API is a source: the types are made from it.
_SOURCES = (
    "../docs/openapi.json",
    "src",
    "index.html",
    "reference.html",
    "vite.config.ts",
    "tsconfig.json",
    "package.json",
    "package-lock.json",
)
_TYPES = "src/api/document.ts"
#: Sum of the sources that `dist` was built from, and of the lock that `node_modules` was installed from.
_BUILT, _INSTALLED = ".built", "node_modules/.moorage-lock"


def build(web: Path = WEB) -> bool:
    """Build the page unless its folder `dist` is what the sources give; whether it was built.

    Args:
        web: the sources.

    Raises:
        DevError: there is no Node, the packages cannot be fetched, or the build fails.
    """
    with _alone(web):
        wanted = _sum(_source_files(web), web)
        if (web / "dist").is_dir() and _said(web / _BUILT) == wanted:
            return False
        node = _tools(web)
        with progress.shown("building the page", lambda: "vite"):
            _types(node, web)
            (web / _BUILT).unlink(missing_ok=True)
            node.run(["node_modules/vite/bin/vite.js", "build"], folder=web, what="the build of the page")
        (web / _BUILT).write_text(wanted, encoding="utf-8")
        return True


def tools(web: Path = WEB) -> Node:
    """Node, with the packages of the lock and the types of the API in `web`: what tests of the page need.

    Raises:
        DevError: there is no Node, or the packages cannot be fetched.
    """
    with _alone(web):
        node = _tools(web)
        _types(node, web)
        return node


def main(argv: list[str]) -> int:
    """Build the page and say so."""
    if argv:
        raise DevError("`page` takes no arguments")
    built = build()
    sys.stdout.write(f"{'built' if built else 'nothing changed since the last build of'} {DIST.relative_to(ROOT)}\n")
    return 0


def _tools(web: Path) -> Node:
    node = find_node()
    lock = _sum([web / "package-lock.json"], web)
    if _said(web / _INSTALLED) != lock:
        with progress.shown("installing the packages of web/package-lock.json", lambda: "npm"):
            node.run_npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=web)
        (web / _INSTALLED).write_text(lock, encoding="utf-8")
    return node


def _types(node: Node, web: Path) -> None:
    program = "node_modules/openapi-typescript/bin/cli.js"
    arguments = ("../docs/openapi.json", "--output", _TYPES)
    node.run([program, *arguments], folder=web, what="making the types of the API")


def _source_files(web: Path) -> Iterator[Path]:
    for name in _SOURCES:
        path = web / name
        # The types are made from the document, which is among the sources itself.
        inside = sorted(file for file in path.rglob("*") if file.is_file() and file != web / _TYPES)
        yield from inside if path.is_dir() else [path]


def _sum(files: Iterable[Path], web: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(web)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _said(stamp: Path) -> str:
    return stamp.read_text(encoding="utf-8") if stamp.is_file() else ""


@contextmanager
def _alone(web: Path) -> Iterator[None]:
    """One build at a time in this checkout; another one waits."""
    with (web / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
