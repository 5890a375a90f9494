"""The import contracts guard what nobody has named yet: new modules, and modules that call themselves pure."""

import ast
import fnmatch
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moorage_dev import patience

ROOT = Path(__file__).resolve().parents[2]
#: Source root → its package, for all packages with layers.
PACKAGES = {
    "crds": "moorage_crds",
    "operator": "moorage_operator",
    "api": "moorage_api",
    "cli": "moorage_cli",
    "client": "moorage_client",
}
#: Modules of the client have a contract of their own, which lets none of it know a server.
WITH_PURE_MODULES = ("crds", "operator", "api", "cli")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The packages and their contracts, to be spoiled."""
    for folder, package in PACKAGES.items():
        shutil.copytree(
            ROOT / folder / package, tmp_path / folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _lint(checkout: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    folders = ":".join(str(checkout / folder) for folder in PACKAGES)
    return subprocess.run(
        command,
        cwd=checkout,
        env={"PYTHONPATH": folders},
        capture_output=True,
        text=True,
        check=False,
        timeout=patience.scaled(60),
    )


@pytest.mark.parametrize("folder", PACKAGES)
def test_a_module_without_a_layer_fails_the_lint(checkout: Path, folder: str) -> None:
    package = PACKAGES[folder]
    (checkout / folder / package / "attic.py").write_text('"""Whatever found no other room."""\n', encoding="utf-8")

    done = _lint(checkout)

    assert done.returncode != 0
    assert f"{package}.attic" in done.stdout + done.stderr


def test_a_new_module_may_not_reach_the_cluster(checkout: Path) -> None:
    assert _lint(checkout).returncode == 0
    source = "from moorage_crds.kube.client import KubernetesStore\n\nSTORE = KubernetesStore\n"
    (checkout / "api/moorage_api/reads/attic.py").write_text(source, encoding="utf-8")

    done = _lint(checkout)

    assert done.returncode != 0
    assert "moorage_api.reads.attic -> moorage_crds.kube.client" in done.stdout


@pytest.mark.parametrize("folder", WITH_PURE_MODULES)
def test_a_module_that_calls_itself_pure_is_held_to_it(folder: str) -> None:
    guarded = _contract("decisions and words are pure")["source_modules"]

    loose = [name for name in _pure_modules(folder) if not any(_covers(pattern, name) for pattern in guarded)]

    assert loose == []


def _contract(name: str) -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return next(one for one in contracts if one["name"] == name)


def _pure_modules(folder: str) -> Iterator[str]:
    """Dotted names of the modules whose docstring says that they are pure."""
    for path in sorted((ROOT / folder / PACKAGES[folder]).rglob("*.py")):
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if re.search(r"\bPure[.;]", said):
            yield ".".join(path.relative_to(ROOT / folder).with_suffix("").parts)


def _covers(pattern: str, module: str) -> bool:
    return fnmatch.fnmatchcase(module, pattern) or module.startswith(f"{pattern}.")
