"""Rules of the tree that every new file must keep."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = ("crds", "operator", "api", "cli")


@pytest.mark.parametrize("folder", SOURCE_ROOTS)
def test_source_root_is_no_package(folder: str) -> None:
    # operator/__init__.py would hide the module `operator` of the standard library from Python itself.
    loose = sorted(path.name for path in (ROOT / folder).glob("*.py*"))
    assert loose == []


def test_standard_library_works_in_the_repository_root() -> None:
    code = "import collections, operator; print(operator.eq(1, 1))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr


def test_tests_are_no_packages() -> None:
    assert sorted((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements*.lock")), ids=lambda path: path.name)
def test_lock_has_hashes_and_names_no_index(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    pins = [line for line in text.splitlines() if line[:1].isalnum()]
    assert pins
    assert all("==" in line and line.endswith("\\") for line in pins)
    assert "://" not in text
    assert "index-url" not in text


def test_shipped_packages_do_not_import_dev_or_tests() -> None:
    sources = [path for folder in SOURCE_ROOTS for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in sources if "moorage_dev" in path.read_text(encoding="utf-8")] == []
