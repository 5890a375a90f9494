"""The manifest of the plugin keeps the rules by which krew takes one (krew: internal/index/validation)."""

import hashlib
import re
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from moorage_dev import krew
from moorage_dev.dist import Source
from moorage_dev.layout import ROOT

#: SemVer as krew reads it, after its `v`.
SEMANTIC = re.compile(
    r"v(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-(0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*))*)?"
    r"(\+[\dA-Za-z-]+(\.[\dA-Za-z-]+)*)?"
)
#: Of a short description in krew's index, in characters.
SHORT = 50
NOW = datetime(2026, 12, 1, tzinfo=UTC)
SYSTEMS = [{"os": system, "arch": arch} for system in ("linux", "darwin") for arch in ("amd64", "arm64")]


@pytest.fixture(params=["1.2.3", "1.2.3rc1", "1.2.3.dev0+g0123abcde"])
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """A release, a candidate, and what a commit without a tag is called."""
    made = Source(request.param, "c" * 40, "refs/heads/main", NOW, "")
    krew.write(
        made.version, tmp_path, semantic=made.chart_version, moment=NOW, license_file=ROOT / "LICENSE",
        address="https://releases.example.com/moorage",
    )  # fmt: skip
    return made


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "moorage.krew.yaml").read_text(encoding="utf-8"))
    return found


def test_krew_takes_the_manifest(built: Source, tmp_path: Path) -> None:
    plugin = manifest(tmp_path)
    assert (plugin["apiVersion"], plugin["kind"]) == ("krew.googlecontainertools.github.com/v1alpha2", "Plugin")
    assert re.fullmatch(r"[\w-]+", plugin["metadata"]["name"])
    spec = plugin["spec"]
    assert SEMANTIC.fullmatch(spec["version"]), spec["version"]
    assert 0 < len(spec["shortDescription"]) <= SHORT
    assert not set("\r\n") & set(spec["shortDescription"])
    assert spec["homepage"].startswith("https://")
    assert "&" not in (tmp_path / "moorage.krew.yaml").read_text(encoding="utf-8"), "a reference, which indexes refuse"


def test_every_system_has_exactly_one_platform(built: Source, tmp_path: Path) -> None:
    platforms = manifest(tmp_path)["spec"]["platforms"]
    chosen = [
        [one for one in platforms if one["selector"]["matchLabels"].items() <= system.items()] for system in SYSTEMS
    ]
    assert [len(one) for one in chosen] == [1] * len(SYSTEMS)
    assert all(set(one["selector"]["matchLabels"]) <= {"os", "arch"} for one in platforms)


def test_the_archive_has_what_is_installed_from_it(built: Source, tmp_path: Path) -> None:
    archive = tmp_path / f"kubectl-moorage-{built.version}.tar.gz"
    with tarfile.open(archive) as packed:
        inside = set(packed.getnames())
    for one in manifest(tmp_path)["spec"]["platforms"]:
        assert one["uri"].endswith(f"/v{built.version}/{archive.name}")
        assert re.fullmatch(r"[0-9a-f]{64}", one["sha256"])
        assert one["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
        assert one["files"]
        taken = {file["from"] for file in one["files"] if file["to"] == "."}
        assert {one["bin"], "LICENSE"} <= taken <= inside
