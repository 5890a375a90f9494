"""What goes out is known: the same sources give the same wheel, and a bill of materials names every part."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from moorage_dev import page, sbom
from moorage_dev.layout import ROOT

SOURCES = (
    "pyproject.toml",
    "hatch_build.py",
    "README.md",
    "LICENSE",
    "crds",
    "operator",
    "api",
    "cli",
    "client",
    "web/dist",
)


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    """Two wheels, built in two places from copies of the sources with other times."""
    page.build()
    return [_wheel(tmp_path / name, moment) for name, moment in (("here", 1_000_000_000), ("elsewhere", 1_500_000_000))]


def _wheel(folder: Path, moment: int) -> Path:
    folder.mkdir()
    _copy(folder)
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))
    done = _hatchling(folder)
    assert done.returncode == 0, done.stderr
    [wheel] = (folder / "dist").glob("*.whl")
    return wheel


def _copy(folder: Path, *, without: str = "") -> None:
    for name in SOURCES:
        if name == without:
            continue
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)


def _hatchling(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target=wheel", f"--directory={folder / 'dist'}"],
        cwd=folder,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1735689600"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_two_builds_give_the_same_bytes(wheels: list[Path]) -> None:
    first, second = (hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels)
    assert first == second


def test_wheel_holds_the_packages_the_policies_and_the_page_and_nothing_else(wheels: list[Path]) -> None:
    names = zipfile.ZipFile(wheels[0]).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"moorage_crds", "moorage_operator", "moorage_api", "moorage_cli", "moorage_client"}
    assert "moorage_crds/policies/records.yaml" in names
    built = {f"moorage_api/page/{file.relative_to(page.DIST)}" for file in page.DIST.rglob("*") if file.is_file()}
    assert {name for name in names if name.startswith("moorage_api/page/")} == built
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_wheel_without_the_page_is_refused_with_what_to_do(tmp_path: Path) -> None:
    _copy(tmp_path, without="web/dist")
    done = _hatchling(tmp_path)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].endswith("run `make page` first")


def test_bill_of_materials_names_every_locked_package() -> None:
    document = json.loads(sbom.text())
    assert document["bomFormat"] == "CycloneDX"
    named = {(one["name"], one["version"]) for one in document["components"]}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert named == set(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock, re.MULTILINE))
    assert document["metadata"]["component"]["name"] == "moorage"


def test_locks_name_no_index_and_pin_by_hash() -> None:
    for path in ROOT.glob("requirements*.lock"):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text, path.name
        pinned = re.findall(r"^[A-Za-z0-9._-]+==", text, re.MULTILINE)
        assert len(pinned) == len(re.findall(r"^[A-Za-z0-9._-]+==.*\\\n +--hash=sha256:", text, re.MULTILINE)), (
            path.name
        )
