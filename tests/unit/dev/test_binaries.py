"""Where programs come from, and what a person reads when they cannot."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import eventually

from moorage_dev import binaries, children, patience
from moorage_dev.failures import DevError
from moorage_dev.modules import ARGOCD, CLI, CONTROL_PLANE, FLUX_OPERATOR, OLDEST_CONTROL_PLANE, PROMETHEUS, TRAEFIK

ROOT = Path(__file__).resolve().parents[3]


def _program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # What is published is the subject of test_prebuilt.py.
    monkeypatch.setenv("MOORAGE_ASSETS_URL", "off")
    for variable in ("KUBEBUILDER_ASSETS", *binaries._ASSET_VARIABLES.values()):
        monkeypatch.delenv(variable, raising=False)


def test_folder_of_envtest_is_used_without_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {name: _program(tmp_path, name) for name in CONTROL_PLANE.programs}
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert binaries.control_plane() == wanted


def test_single_program_wins_over_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CONTROL_PLANE.programs:
        _program(tmp_path, name)
    own = _program(tmp_path, "my-etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setenv("TEST_ASSET_ETCD", str(own))
    assert binaries.control_plane()["etcd"] == own


@pytest.mark.parametrize("variable", ["KUBEBUILDER_ASSETS", "TEST_ASSET_ETCD"])
def test_variable_that_points_nowhere_is_named(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "/nowhere")
    with pytest.raises(DevError, match=f"{variable} says /nowhere"):
        binaries.control_plane()


def test_finished_build_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    target = binaries.cache_dir() / f"controlplane-{CONTROL_PLANE.fingerprint}"
    target.mkdir()
    monkeypatch.setenv("PATH", "/nowhere")
    assert binaries.build(CONTROL_PLANE) == target


def test_versions_of_the_modules_are_linked_in() -> None:
    assert "component-base/version.gitVersion=v1.37." in CONTROL_PLANE.link_flags
    assert "component-base/version.gitVersion=v1.36." in OLDEST_CONTROL_PLANE.link_flags
    assert "helm/v4/internal/version.version=v4." in CLI.link_flags


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (["sh", "-c", "ls $KUBEBUILDER_ASSETS; exit 7"], 7, "kubectl"),
        (["/nowhere/to-be-found"], 1, "error: /nowhere/to-be-found: No such file or directory"),
        ([], 2, "say which command"),
    ],
    ids=["its code", "no program", "no command"],
)
def test_command_finds_the_oldest_control_plane(command: list[str], code: int, says: str) -> None:
    folder = binaries.cache_dir() / f"{OLDEST_CONTROL_PLANE.name}-{OLDEST_CONTROL_PLANE.fingerprint}"
    folder.mkdir()
    _program(folder, "kubectl")
    done = _run("oldest", *command, environment={**os.environ, "PYTHONPATH": str(ROOT / "dev")})
    assert (done.returncode, says in done.stdout + done.stderr) == (code, True), done


def test_no_go_and_no_way_to_get_it_is_one_sentence(tmp_path: Path) -> None:
    # No Go, no Docker and no kind on the path, and pip reaches no index.
    environment = {
        "PATH": str(tmp_path),
        "PYTHONPATH": str(ROOT / "dev"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "MOORAGE_ASSETS_URL": "off",
        "HOME": str(tmp_path),
    }
    done = _run("up", "--run", str(tmp_path / "run"), environment=environment)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "Go 1.26" in errors[0]
    assert "MOORAGE_KUBECONFIG" in errors[0]
    assert "Traceback" not in done.stderr


def test_failed_build_shows_what_go_said_and_leaves_nothing_finished(tmp_path: Path) -> None:
    go = _program(tmp_path, "go")
    go.write_text('#!/bin/sh\n[ "$1" = env ] && echo go1.26.8 && exit 0\necho "no route to the moon" >&2; exit 1\n')
    environment = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT / "dev")}
    done = _run("control-plane", environment=environment)
    assert done.returncode == 1
    assert "no route to the moon" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "cache/moorage").iterdir() if path.is_dir()] == []


def test_interrupted_build_takes_go_along(tmp_path: Path) -> None:
    go = _program(tmp_path, "go")
    go.write_text(f'#!/bin/sh\n[ "$1" = env ] && echo go1.26.8 && exit 0\necho $$ > {tmp_path}/pid; exec sleep 600\n')
    environment = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT / "dev")}
    command = [sys.executable, "-m", "moorage_dev", "control-plane"]
    builder = children.spawn("builder", command, log=tmp_path / "log", env=environment)
    pid = int(eventually(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text(encoding="utf-8")))
    children.stop(builder, grace=patience.scaled(60))
    assert children._start_time(pid) == ""
    assert [path.name for path in (tmp_path / "cache/moorage").iterdir() if path.is_dir()] == []


#: A go that says its version, builds every program as an empty file (and says how), and knows where modules lie.
_FAKE_GO = """#!/bin/sh
case "$1" in
env) echo go1.26.8 ;;
build) while [ "$1" != -o ]; do shift; done; for package in "$@"; do touch "$2/$(basename "$package")"; done ;;
mod) %s ;;
esac
"""


def test_files_of_a_module_are_kept_beside_its_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _, path in ARGOCD.files.values():
        (tmp_path / "sources" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sources" / path).write_text(path, encoding="utf-8")
    _program(tmp_path, "go").write_text(_FAKE_GO % f"""echo '{{"Dir": "{tmp_path}/sources"}}'""", encoding="utf-8")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    folder = binaries.build(ARGOCD)
    assert {path.name for path in folder.iterdir()} == {*ARGOCD.programs, *ARGOCD.files}
    assert {name: (folder / name).read_text(encoding="utf-8") for name in ARGOCD.files} == {
        name: path for name, (_, path) in ARGOCD.files.items()
    }


def test_file_that_a_module_lacks_is_an_empty_one_and_its_own_go_builds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "sources"
    for _, path in FLUX_OPERATOR.files.values():
        (sources / path).parent.mkdir(parents=True, exist_ok=True)
        (sources / path).touch()
    text = _FAKE_GO % f"""echo '{{"Dir": "{sources}"}}'"""
    said = f'build) echo "$GOTOOLCHAIN" > {tmp_path}/said; cp -r "$(dirname "${{6#-modfile=}}")" {tmp_path}/built; '
    _program(tmp_path, "go").write_text(text.replace("build) ", said), encoding="utf-8")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert (binaries.build(FLUX_OPERATOR) / "flux-operator").is_file()
    assert (tmp_path / "said").read_text(encoding="utf-8").strip() == FLUX_OPERATOR.toolchain
    [(module, blank)] = FLUX_OPERATOR.blanks.items()
    assert (tmp_path / "built/source-0" / blank).read_text(encoding="utf-8") == "\n"
    assert f"replace {module} => " in (tmp_path / "built/changed.mod").read_text(encoding="utf-8")
    assert not (sources / blank).exists()


def test_what_is_left_out_of_a_build_is_told_to_go_and_changes_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = f'build) echo "$@" > {tmp_path}/said; '
    _program(tmp_path, "go").write_text((_FAKE_GO % "").replace("build) ", said), encoding="utf-8")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert (binaries.build(PROMETHEUS) / "promtool").is_file()
    assert " -tags=remove_all_sd " in (tmp_path / "said").read_text(encoding="utf-8")
    assert replace(PROMETHEUS, tags=()).fingerprint != PROMETHEUS.fingerprint


def test_file_that_is_exchanged_is_that_of_this_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [(module, (path, ours))] = TRAEFIK.exchanged.items()
    sources = tmp_path / "sources"
    for kept in [path, *(path for _, path in TRAEFIK.files.values())]:
        (sources / kept).parent.mkdir(parents=True, exist_ok=True)
        (sources / kept).write_text("theirs", encoding="utf-8")
    text = _FAKE_GO % f"""echo '{{"Dir": "{sources}"}}'"""
    said = f'build) cp -r "$(dirname "${{6#-modfile=}}")" {tmp_path}/built; '
    _program(tmp_path, "go").write_text(text.replace("build) ", said), encoding="utf-8")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert (binaries.build(TRAEFIK) / "traefik").is_file()
    built = (tmp_path / "built/source-0" / path).read_text(encoding="utf-8")
    assert built == (TRAEFIK.folder / ours).read_text(encoding="utf-8")
    assert f"replace {module} => " in (tmp_path / "built/changed.mod").read_text(encoding="utf-8")
    assert (sources / path).read_text(encoding="utf-8") == "theirs"


def test_file_that_cannot_be_had_leaves_nothing_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, "go").write_text(_FAKE_GO % "echo no such module >&2; exit 1", encoding="utf-8")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DevError, match="no such module"):
        binaries.build(ARGOCD)
    assert [path.name for path in (tmp_path / "cache/moorage").iterdir() if path.is_dir()] == []


def _run(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "moorage_dev", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=patience.scaled(60)
    )
