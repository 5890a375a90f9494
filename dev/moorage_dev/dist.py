"""`make dist`: everything that a release publishes, in one folder, from one commit.

Wheel and sdist, the chart, the image, a manifest for krew with its archive, a bill of materials (CycloneDX), a
provenance statement (in-toto, SLSA) and the SHA-256 sums of all of them. The version is that of the tag; without a tag
it says which commit it is. What is built is the commit, never what lies about in the checkout; the same commit gives
the same bytes of wheel, sdist and archive.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from moorage_crds.clock import SystemClock
from moorage_crds.moments import to_text
from moorage_dev import binaries, buildah, krew, page, provenance, sbom
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT

#: What a tag of a release looks like, and the version in it.
_TAG: Final = re.compile(r"v(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)")
SUMS: Final = "SHA256SUMS"
#: Where releases are published, for what names its own address.
ADDRESS: Final = os.environ.get("MOORAGE_RELEASES", "https://releases.example.com/moorage")


@dataclass(frozen=True, slots=True)
class Source:
    """The commit that is built.

    Attributes:
        version: as Python writes it.
        commit: its SHA-1.
        ref: the tag, or the commit itself.
        moment: when it was committed.
        remote: where the repository is; empty if that is not known.
    """

    version: str
    commit: str
    ref: str
    moment: datetime
    remote: str

    @property
    def chart_version(self) -> str:
        """The same as Helm writes it (SemVer)."""
        before, local, after = self.version.partition("+")
        spelled = re.sub(r"^(\d+\.\d+\.\d+)\.?(a|b|rc|dev)(\d+)$", r"\1-\2.\3", before)
        return spelled + local + after


def source(root: Path = ROOT) -> Source:
    """The commit of a checkout. Raises DevError: it is none, or has changes that are in no commit."""
    if _git(root, "status", "--porcelain", "--untracked-files=no"):
        raise DevError("there are changes that are in no commit: commit or remove them, because a release is a commit")
    commit = _git(root, "rev-parse", "HEAD")
    tags = [found for tag in _git(root, "tag", "--points-at", "HEAD").split() if (found := _TAG.fullmatch(tag))]
    if len(tags) > 1:
        raise DevError(f"this commit has several versions: {', '.join(one.string for one in tags)}")
    moment = datetime.fromtimestamp(int(_git(root, "log", "-1", "--format=%ct")), UTC)
    remote = subprocess.run(
        ["git", "-C", root, "remote", "get-url", "origin"], capture_output=True, text=True, check=False
    ).stdout.strip()
    if tags:
        return Source(tags[0][1], commit, f"refs/tags/{tags[0].string}", moment, remote)
    return Source(f"{declared(root)}.dev0+g{commit[:9]}", commit, commit, moment, remote)


def declared(root: Path) -> str:
    """The version that pyproject.toml names: the next one."""
    found = re.search(r'^version = "([^"]+)"$', (root / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise DevError("pyproject.toml names no version")
    return found[1]


def make(folder: Path, *, root: Path = ROOT, with_image: bool) -> Source:
    """Fill a folder. Raises DevError: something cannot be built."""
    began, built = SystemClock().now(), source(root)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="moorage-dist-") as name:
        stage = Path(name)
        _stage(built, root, stage)
        _python(built, stage, folder)
        _chart(built, stage, folder)
        (folder / f"moorage-{built.version}.cdx.json").write_text(sbom.text(stage), encoding="utf-8")
        krew.write(
            built.version,
            folder,
            semantic=built.chart_version,
            moment=built.moment,
            license_file=stage / "LICENSE",
            address=ADDRESS,
        )
        if with_image:
            _image(built, stage, folder)
    statement = provenance.text(
        built, sorted(folder.iterdir()), began=to_text(began), ended=to_text(SystemClock().now())
    )
    (folder / f"moorage-{built.version}.intoto.json").write_text(statement, encoding="utf-8")
    (folder / SUMS).write_text(sums(sorted(folder.iterdir())), encoding="utf-8")
    return built


def sums(files: Sequence[Path]) -> str:
    """What `sha256sum --check` reads."""
    return "".join(f"{digest(path)}  {path.name}\n" for path in files)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stage(built: Source, root: Path, stage: Path) -> None:
    """The files of the commit, with its version, and the page."""
    page.build()
    archive = stage.with_suffix(".tar")
    _git(root, "archive", f"--output={archive}", built.commit)
    with tarfile.open(archive) as packed:
        packed.extractall(stage, filter="data")
    archive.unlink()
    shutil.copytree(page.DIST, stage / "web/dist")
    project = stage / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(
        text.replace(f'version = "{declared(stage)}"', f'version = "{built.version}"', 1), encoding="utf-8"
    )


def _python(built: Source, stage: Path, folder: Path) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(int(built.moment.timestamp()))}
    command = [sys.executable, "-m", "hatchling", "build", "--target=wheel", "--target=sdist", f"--directory={folder}"]
    _run(command, cwd=stage, environment=environment)


def _chart(built: Source, stage: Path, folder: Path) -> None:
    versions = [f"--version={built.chart_version}", f"--app-version={built.chart_version}"]
    command = [
        str(binaries.cli("helm")),
        "package",
        str(stage / "charts/moorage"),
        f"--destination={folder}",
        *versions,
    ]
    _run(command, cwd=stage, environment={**os.environ, "HELM_CACHE_HOME": str(stage / "helm")})


def _image(built: Source, stage: Path, folder: Path) -> None:
    if reason := buildah.why_not():
        raise DevError(f"{reason}; IMAGE=0 leaves the image out")
    tag = f"localhost/moorage:{built.chart_version.replace('+', '-')}"
    arguments = {
        "VERSION": built.version,
        "REVISION": built.commit,
        "SOURCE_DATE_EPOCH": str(int(built.moment.timestamp())),
    }
    with buildah.kept() as builder:
        builder.build(tag, arguments=arguments, context=stage)
        builder.archive(tag, folder / f"moorage-{built.version}-image.tar")
        builder.remove(tag)


def _git(root: Path, *arguments: str) -> str:
    return _run(["git", "-C", str(root), *arguments], cwd=root, environment=dict(os.environ)).strip()


def _run(command: Sequence[str], *, cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n  ".join((done.stdout + done.stderr).splitlines()[-10:])
        raise DevError(f"{Path(command[0]).name} {' '.join(command[1:4])} failed:\n  {tail}")
    return done.stdout


def main(argv: list[str]) -> int:
    """Build, and say what is there."""
    parser = argparse.ArgumentParser(prog="python -m moorage_dev dist", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "dist/release", help="where to [default: dist/release]")
    parser.add_argument("--no-image", action="store_true", help="leave the image out, which needs root")
    chosen = parser.parse_args(argv)
    folder = chosen.folder.absolute()
    built = make(folder, with_image=not chosen.no_image)
    sys.stdout.write(f"moorage {built.version} of commit {built.commit[:12]}, in {folder}:\n")
    sys.stdout.write((folder / SUMS).read_text(encoding="utf-8"))
    return 0
