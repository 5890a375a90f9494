"""Bugs that others had, or that we had, as patches: the tests that a patch names must fail with it.

The patches are applied to a copy of the checkout; a patch that no longer applies has to be remade. Bugs that unit
tests catch are tried in every run; those that need a cluster are a campaign.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

ROOT = Path(__file__).parents[2]
BUGS = sorted(Path(__file__).with_name("seeded_bugs").glob("*.patch"))
SOURCES = (
    "crds",
    "operator",
    "api",
    "cli",
    "dev",
    "tests",
    "charts",
    "docs",
    "pyproject.toml",
    "Makefile",
    "README.md",
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout, without what it ignores."""
    folder = tmp_path_factory.mktemp("copy")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".run"))
        else:
            shutil.copy(source, folder / name)
    return folder


def _patched(copy: Path, patch: Path, *options: str) -> None:
    command = ["git", "apply", "--whitespace=nowarn", *options, str(patch)]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{patch.name} has to be remade: {done.stderr}"


def _tests_of(patch: Path) -> list[str]:
    lines = patch.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("Caught by: ") for line in lines if line.startswith("Caught by: ")).split()


def _needs_cluster(patch: Path) -> bool:
    return any(not test.startswith("tests/unit/") for test in _tests_of(patch))


def _bug(patch: Path) -> ParameterSet:
    return pytest.param(patch, id=patch.stem, marks=[pytest.mark.campaign] if _needs_cluster(patch) else [])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("patch", [_bug(patch) for patch in BUGS])
def test_a_seeded_bug_is_caught(copy: Path, patch: Path) -> None:
    _patched(copy, patch)
    try:
        done = _run(copy, _tests_of(patch))
    finally:
        _patched(copy, patch, "--reverse")
    # 1: a test failed. Anything else means that the tests could not run.
    assert done.returncode == 1, done.stdout[-2000:]
    assert "FAILED" in done.stdout


@pytest.mark.parametrize("patch", BUGS, ids=lambda patch: patch.stem)
def test_a_seeded_bug_can_still_be_put_in(copy: Path, patch: Path) -> None:
    """Also those of the campaign, so that it does not find out years later."""
    _patched(copy, patch, "--check")


def test_without_a_bug_the_same_tests_pass(copy: Path) -> None:
    """Else they would catch whatever they are given."""
    quick = {test for patch in BUGS if not _needs_cluster(patch) for test in _tests_of(patch)}
    done = _run(copy, sorted(quick))
    assert done.returncode == 0, done.stdout[-2000:]


def _run(copy: Path, tests: list[str]) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(str(copy / root) for root in ("crds", "operator", "api", "cli", "dev"))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
