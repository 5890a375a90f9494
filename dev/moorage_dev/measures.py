"""`python -m moorage_dev measures`: sizes of files and functions, package by package, now or in an older commit.

Of each size it prints the median, the ninetieth percentile and the maximum. The budgets are held by
tests/unit/test_measures.py.
"""

import argparse
import ast
import io
import math
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT

#: Row of the table → folder of the checkout.
PARTS: Final = {
    "crds": "crds/moorage_crds",
    "operator": "operator/moorage_operator",
    "api": "api/moorage_api",
    "cli": "cli/moorage_cli",
    "client": "client/moorage_client",
    "dev": "dev/moorage_dev",
    "tests": "tests",
}
#: Modules that `make generate` writes; nobody reads or edits them.
GENERATED: Final = frozenset(
    f"client/moorage_client/{name}.py" for name in ("models", "operations", "async_operations")
)
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_HEAD = "| code | files | file lines | functions | body lines | statements | nesting |\n|---|---|---|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class Function:
    """Sizes of one function, without its docstring.

    Attributes:
        place: file and line.
        lines: from the first statement to the end of the last.
        statements: of its body, those in blocks and in inner functions too.
        nesting: how many blocks stand in each other; `elif` is not deeper than its `if`.
    """

    place: str
    lines: int
    statements: int
    nesting: int


@dataclass(frozen=True, slots=True)
class Module:
    """Sizes of one file: its path in the checkout, its lines, its functions in their order."""

    path: str
    lines: int
    functions: tuple[Function, ...]


def measured(path: str, source: str) -> Module:
    """The sizes of one file. Raises SyntaxError."""
    tree = ast.parse(source, filename=path)
    functions = (node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS))
    found = sorted((node.lineno, _function(path, node)) for node in functions if not _is_stub(node))
    return Module(path, len(source.splitlines()), tuple(function for _, function in found))


def table(modules: Iterable[Module]) -> str:
    """One row for each part of `PARTS` that has files, in Markdown."""
    known = list(modules)
    rows = []
    for part, folder in PARTS.items():
        own = [module for module in known if module.path.startswith(f"{folder}/")]
        if own:
            rows.append(f"| {part} | {_cells(own)} |\n")
    return _HEAD + "".join(rows)


def present(root: Path = ROOT) -> Iterator[Module]:
    """All files of the checkout that are written by hand."""
    for folder in PARTS.values():
        for path in sorted((root / folder).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if name not in GENERATED:
                yield measured(name, path.read_text(encoding="utf-8"))


def committed(commit: str, root: Path = ROOT) -> Iterator[Module]:
    """All files of a commit that are written by hand. Raises DevError if there is no such commit."""
    done = subprocess.run(["git", "archive", "--format=tar", commit], cwd=root, capture_output=True, check=False)
    if done.returncode != 0:
        raise DevError(f"{commit} is not a commit of this checkout: {done.stderr.decode(errors='replace').strip()}")
    folders = tuple(f"{folder}/" for folder in PARTS.values())
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            is_ours = member.name.startswith(folders) and PurePosixPath(member.name).suffix == ".py"
            content = archive.extractfile(member) if is_ours and member.name not in GENERATED else None
            if content is not None:
                yield measured(member.name, content.read().decode("utf-8"))


def main(argv: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m moorage_dev measures", description=__doc__)
    parser.add_argument("--at", metavar="COMMIT", help="measure that commit instead of the present files")
    commit = parser.parse_args(argv).at
    sys.stdout.write(table(committed(commit) if commit else present()))
    return 0


def _function(path: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    body = _body(node)
    statements = sum(isinstance(inner, ast.stmt) for one in body for inner in ast.walk(one))
    lines = (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1
    return Function(f"{path}:{node.lineno}", lines, statements, _depth(body))


def _body(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Sequence[ast.stmt]:
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A method of a port: a docstring and nothing else."""
    return not _body(node)


def _depth(body: Iterable[ast.stmt]) -> int:
    return max((_depth_of(one) for one in body), default=0)


def _depth_of(node: ast.stmt) -> int:
    own = 1 if isinstance(node, _BLOCKS) else 0
    return own + max((_depth(block) - _is_elif(node, block) for block in _blocks(node)), default=0)


def _is_elif(node: ast.stmt, block: Sequence[ast.stmt]) -> int:
    return int(isinstance(node, ast.If) and block is node.orelse and len(block) == 1 and isinstance(block[0], ast.If))


def _blocks(node: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    """The blocks of a statement; a function or class inside begins from nothing."""
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return
    for name in ("body", "orelse", "finalbody"):
        yield getattr(node, name, [])
    for inner in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
        yield inner.body


def _cells(modules: Sequence[Module]) -> str:
    functions = [function for module in modules for function in module.functions]
    cells: Mapping[str, object] = {
        "files": len(modules),
        "file lines": _three(module.lines for module in modules),
        "functions": len(functions),
        "body lines": _three(function.lines for function in functions),
        "statements": _three(function.statements for function in functions),
        "nesting": _three(function.nesting for function in functions),
    }
    return " | ".join(str(cell) for cell in cells.values())


def _three(sizes: Iterable[int]) -> str:
    """Median, ninetieth percentile and maximum, each a size that occurs."""
    ordered = sorted(sizes)
    if not ordered:
        return "–"
    return " / ".join(str(ordered[math.ceil(len(ordered) * share) - 1]) for share in (0.5, 0.9, 1))
