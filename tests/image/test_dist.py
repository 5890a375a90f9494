"""`make dist`: a release is a commit, its files are known by their sums, and its wheel installs into nothing."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cluster import LiveCluster, Workspaces

from moorage_dev import dist
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT

VERSION = "9.8.7"
_ME = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com")


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    command = ["git", "-C", folder, *_ME, *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources as they are now, as a commit with a tag, whatever the state of this checkout is."""
    folder = tmp_path_factory.mktemp("commit")
    names = git(ROOT, "ls-files", "-z").split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Release")
    git(folder, "tag", f"v{VERSION}")
    return folder


@pytest.fixture(scope="module")
def release(commit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All but the image, which the other tests of this folder build."""
    folder = tmp_path_factory.mktemp("release") / "files"
    built = dist.make(folder, root=commit, with_image=False)
    assert (built.version, built.ref) == (VERSION, f"refs/tags/v{VERSION}")
    return folder


def test_every_file_has_the_version_of_the_tag_and_a_sum(release: Path) -> None:
    names = {path.name for path in release.iterdir()}
    assert names == {
        f"moorage-{VERSION}-py3-none-any.whl", f"moorage-{VERSION}.tar.gz", f"moorage-{VERSION}.tgz",
        f"kubectl-moorage-{VERSION}.tar.gz", "moorage.krew.yaml", f"moorage-{VERSION}.cdx.json",
        f"moorage-{VERSION}.intoto.json", "SHA256SUMS",
    }  # fmt: skip
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release, check=True, text=True,
                             capture_output=True)  # fmt: skip
    assert checked.stdout.count(": OK") == len(names) - 1
    with tarfile.open(release / f"moorage-{VERSION}.tgz") as chart:
        found = yaml.safe_load(chart.extractfile("moorage/Chart.yaml") or b"")
    assert (found["version"], found["appVersion"]) == (VERSION, VERSION)
    parts = json.loads((release / f"moorage-{VERSION}.cdx.json").read_text())
    assert parts["metadata"]["component"]["version"] == VERSION


def test_the_provenance_is_about_every_file_and_names_the_commit(release: Path, commit: Path) -> None:
    statement = json.loads((release / f"moorage-{VERSION}.intoto.json").read_text())
    about = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    others = [path for path in release.iterdir() if path.name not in {"SHA256SUMS", f"moorage-{VERSION}.intoto.json"}]
    assert about == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in others}
    definition = statement["predicate"]["buildDefinition"]
    head = git(commit, "rev-parse", "HEAD").strip()
    assert definition["resolvedDependencies"][0]["digest"] == {"gitCommit": head}
    assert definition["externalParameters"]["version"] == VERSION


def test_the_plugin_is_the_archive_that_its_manifest_names(release: Path) -> None:
    plugin = yaml.safe_load((release / "moorage.krew.yaml").read_text())
    archive = release / f"kubectl-moorage-{VERSION}.tar.gz"
    for one in plugin["spec"]["platforms"]:
        assert one["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
        assert one["uri"].endswith(f"/v{VERSION}/{archive.name}")
    with tarfile.open(archive) as packed:
        assert packed.getmember("kubectl-moorage").mode == 0o755


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel in an environment that has nothing else; `programs` is its folder of programs."""

    programs: Path

    def run(self, program: str | Path, *arguments: str | Path, **environ: str) -> str:
        """What a program of it prints; a plain name is found there first."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
        environment |= {"PATH": f"{self.programs}:{environment['PATH']}", **environ}
        done = subprocess.run([program, *arguments], cwd=self.programs, env=environment, capture_output=True,
                              text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """As a user has it."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "venv", "--quiet", f"--python={sys.executable}", folder], check=True)
    made = Installed(folder / "bin")
    index = [f"--index-url={os.environ['PIP_INDEX_URL']}"] if "PIP_INDEX_URL" in os.environ else []
    into = ["--quiet", "--only-binary=:all:", f"--python={made.programs / 'python'}"]
    made.run(uv, "pip", "install", *into, *index, release / f"moorage-{VERSION}-py3-none-any.whl")
    return made


@pytest.fixture
def plugin(release: Path, tmp_path: Path) -> Path:
    """The folder into which krew puts what is in the archive."""
    with tarfile.open(release / f"kubectl-moorage-{VERSION}.tar.gz") as packed:
        packed.extractall(tmp_path / "plugin", filter="data")
    return tmp_path / "plugin"


def test_the_wheel_installs_into_nothing_and_runs(installed: Installed, plugin: Path) -> None:
    assert installed.run("moorage", "--version") == f"moorage {VERSION}\n"
    assert installed.run("kubectl-moorage", "--version") == f"moorage {VERSION}\n"
    assert "--dry-run" in installed.run("moorage", "deploy", "--help")
    words = installed.run("kubectl_complete-moorage", "un").split()
    assert words == ["undeploy", "undo", "unlock", "unfreeze", ":4"]
    assert "kind: CustomResourceDefinition" in installed.run("moorage", "crds")
    assert installed.run(plugin / "kubectl-moorage", "--version") == f"moorage {VERSION}\n"


def test_kubectl_runs_the_plugin_of_the_archive(
    installed: Installed, plugin: Path, cluster: LiveCluster, workspace: Workspaces
) -> None:
    shop = workspace("staging", "production")
    shop.create_deployment("staging", "web", "2.4.1", user="alice")
    kubectl = cluster.underlying.kubectl("alice")
    # The plugin's folder stands before that of the wheel, which has a program of the same name.
    path = f"{plugin}:{installed.programs}:{os.environ['PATH']}"
    said = installed.run(
        kubectl.program,
        "moorage",
        "matrix",
        "--namespace",
        shop.namespace,
        KUBECONFIG=str(kubectl.kubeconfig),
        PATH=path,
    )
    assert [line.split() for line in said.splitlines()] == [["APP", "PRODUCTION", "STAGING"], ["web", "-", "2.4.1"]]


def test_the_same_commit_gives_the_same_bytes(release: Path, commit: Path, tmp_path: Path) -> None:
    dist.make(tmp_path / "again", root=commit, with_image=False)
    for name in (f"moorage-{VERSION}-py3-none-any.whl", f"moorage-{VERSION}.tar.gz", "moorage.krew.yaml"):
        assert (tmp_path / "again" / name).read_bytes() == (release / name).read_bytes(), name
    assert zipfile.ZipFile(tmp_path / "again" / f"moorage-{VERSION}-py3-none-any.whl").testzip() is None


def test_only_a_commit_is_released(commit: Path, tmp_path: Path) -> None:
    git(commit, "clone", "-q", commit, tmp_path / "clone")
    clone = tmp_path / "clone"
    git(clone, "commit", "-q", "--allow-empty", "-m", "One more")
    built = dist.source(clone)
    assert built.version == f"{dist.declared(clone)}.dev0+g{built.commit[:9]}"
    assert built.chart_version == f"{dist.declared(clone)}-dev.0+g{built.commit[:9]}"
    (clone / "README.md").write_text("changed")
    with pytest.raises(DevError, match="in no commit"):
        dist.source(clone)
