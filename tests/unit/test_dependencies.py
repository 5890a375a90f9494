"""What is imported is declared, so that nothing of it goes when a library changes what it needs itself."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator

import pytest

from moorage_dev.layout import ROOT

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_DECLARED = _PROJECT["project"]["dependencies"]
_FOR_DEVELOPERS = [*_DECLARED, *_PROJECT["dependency-groups"]["dev"]]
#: Packages that bring a module along that others import by its own name.
_PARTS = {"_pytest": "pytest"}
_OURS = re.compile(r"moorage_\w+")


def _imported(room: str) -> Iterator[tuple[str, str]]:
    """Every file of a room, with the first part of each name that it imports and that is not Python's own."""
    for file in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in {one.split(".")[0] for one in names} - sys.stdlib_module_names:
                yield str(file.relative_to(ROOT)), name


def _normal(requirement: str) -> str:
    """The name of a distribution in a requirement, as PyPI compares it (PEP 503)."""
    [name] = re.findall(r"^[A-Za-z0-9._-]*[A-Za-z0-9]", requirement)
    return re.sub(r"[-_.]+", "-", str(name)).lower()


def _undeclared(room: str, declared: list[str]) -> set[str]:
    distributions = importlib.metadata.packages_distributions()
    known = set(map(_normal, declared))
    return {
        f"{file}: {name}"
        for file, name in _imported(room)
        if not _OURS.fullmatch(name)
        and (found := distributions.get(_PARTS.get(name, name), []))
        and not known & set(map(_normal, found))
    }


@pytest.mark.parametrize("room", ["crds", "operator", "api", "cli", "client"])
def test_what_the_product_imports_is_a_dependency_of_it(room: str) -> None:
    assert _undeclared(room, _DECLARED) == set()


@pytest.mark.parametrize("room", ["dev", "tests"])
def test_what_tools_and_tests_import_is_declared(room: str) -> None:
    assert _undeclared(room, _FOR_DEVELOPERS) == set()


def test_an_undeclared_import_is_seen() -> None:
    without = [one for one in _DECLARED if not one.startswith("orjson")]
    assert any(line.endswith(": orjson") for line in _undeclared("crds", without))
