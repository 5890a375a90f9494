"""Where no node can run, one sentence says why; and what a node is made of is known without one."""

import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from moorage_dev import __main__ as dev
from moorage_dev import modules, packages, running
from moorage_dev.node import addresses, cgroups, configuration, oci, requirements


def test_who_is_not_root_reads_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "needs root" in str(requirements.why_not(tmp_path))


@pytest.mark.parametrize("hidden", ["/run/moorage", "/var/lib/ci/checkout/dev/.run"])
def test_folder_that_the_node_would_hide_is_refused(hidden: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert hidden in str(requirements.why_not(Path(hidden)))


def test_missing_package_is_named_where_nothing_can_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = packages.why_not({"no-such-program": "its-package"})
    assert answer == "its-package are missing, and this system has no apt-get to install them"


def test_make_node_without_root_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert dev.main(["node", "--bare"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "needs root" in error


def _mountinfo(monkeypatch: pytest.MonkeyPatch, *mounts: cgroups.Hierarchy) -> None:
    monkeypatch.setattr(cgroups, "hierarchies", lambda: list(mounts))


def test_missing_hierarchy_of_version_1_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    present = cgroups.Hierarchy(tmp_path, 1, frozenset({"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer"}))
    _mountinfo(monkeypatch, present)
    assert cgroups.why_not() == "there is no cgroup hierarchy for blkio, pids"


def test_controllers_of_version_2_that_are_off_are_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids\n", encoding="ascii")
    _mountinfo(monkeypatch, cgroups.Hierarchy(tmp_path, 2, frozenset()))
    assert "'+cpuset'" in str(cgroups.why_not())


def test_no_cgroups_at_all_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    _mountinfo(monkeypatch)
    assert "no cgroups are mounted" in str(cgroups.why_not())


def test_image_of_a_program_is_complete_and_has_all_its_names(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    names = ["localhost/shop/web:1", "localhost/shop/web:2"]
    archive = oci.write_archive(tmp_path / "image.tar", program, names)
    with tarfile.open(archive) as tar:
        contents = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    for path, data in contents.items():
        if path.startswith("blobs/sha256/"):
            assert path.removeprefix("blobs/sha256/") == hashlib.sha256(data).hexdigest()
    manifests = json.loads(contents["index.json"])["manifests"]
    assert [entry["annotations"]["io.containerd.image.name"] for entry in manifests] == names
    assert {f"blobs/sha256/{entry['digest'].removeprefix('sha256:')}" for entry in manifests} <= set(contents)


def test_changed_program_of_our_own_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(modules.NODE.folder, tmp_path / "node")
    monkeypatch.setattr(modules, "DEV", tmp_path)
    before = modules.NODE.fingerprint
    with (tmp_path / "node/pause/main.go").open("a", encoding="utf-8") as file:
        file.write("// changed\n")
    assert modules.NODE.fingerprint != before


def test_pods_find_the_api_server_on_a_port_that_the_chart_lets_through() -> None:
    [endpoints] = [one for one in configuration.objects() if one["kind"] == "EndpointSlice"]
    assert endpoints["ports"][0]["port"] == addresses.API_PORT == 6443


def test_up_without_root_says_why_there_are_no_pods_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NODE", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not running._can_have_node(tmp_path)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "needs root" in said
