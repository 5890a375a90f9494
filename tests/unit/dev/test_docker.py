"""A Docker engine that leaves its machine alone: what its containers may, and what is in the images made for it."""

import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from moorage_dev.docker import node_image, runtime
from moorage_dev.modules import CONTROL_PLANE, KIND, NODE
from moorage_dev.node import oci

#: Root of a machine that keeps CAP_SYS_RESOURCE (number 24) for itself.
_STATUS = "Name:\tsh\nCapEff:\t000001fffeffffff\nCapBnd:\t000001fffeffffff\n"


def test_a_container_gets_no_capability_that_root_lacks() -> None:
    held = runtime.capabilities(_STATUS)
    sets = {"bounding": ["CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"], "effective": ["CAP_CHECKPOINT_RESTORE"], "ambient": None}
    process = runtime.limited({"args": ["sh"], "capabilities": sets}, held)
    assert process["capabilities"] == {
        "bounding": ["CAP_SYS_ADMIN"],
        "effective": ["CAP_CHECKPOINT_RESTORE"],
        "ambient": [],
    }
    assert process["args"] == ["sh"]


def test_a_process_without_capabilities_stays_as_it_is() -> None:
    assert runtime.limited({"args": ["sh"]}, frozenset()) == {"args": ["sh"]}


def test_a_privileged_container_reads_the_settings_of_the_machine() -> None:
    container = {"process": {"args": ["sh"]}, "root": {"path": "rootfs"}, "linux": {"cgroupsPath": "/one"}}
    confined = runtime.confined(container, frozenset())
    assert confined["linux"] == {
        "cgroupsPath": "/one",
        "readonlyPaths": ["/proc/sys/fs", "/proc/sys/kernel", "/proc/sys/vm"],
    }
    assert confined["root"] == {"path": "rootfs"}


@pytest.mark.parametrize("flag", [["--bundle", "{}"], ["--bundle={}"]])
def test_what_the_engine_wants_is_changed_before_runc_reads_it(
    flag: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program under the name of runc stands at the end of the chain, and the rest is as it is in an engine."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"process": {"capabilities": {"bounding": ["CAP_UNKNOWN", "CAP_CHOWN"]}}}))
    runc = tmp_path / "runc"
    runc.write_text(f"#!{sys.executable}\n")
    runc.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    became: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, arguments: became.append(arguments))
    arguments = ["--log", "/log", "create", *(part.format(tmp_path) for part in flag), "name"]
    runtime.main(arguments)
    wanted: dict[str, Any] = json.loads(file.read_text())
    assert "CAP_UNKNOWN" not in wanted["process"]["capabilities"]["bounding"]
    assert "/proc/sys/kernel" in wanted["linux"]["readonlyPaths"]
    assert became == [[str(runc), *arguments]]


def test_an_image_of_a_program_can_have_other_files_and_root(tmp_path: Path) -> None:
    program, below = tmp_path / "kube-proxy", tmp_path / "below.tar"
    program.write_bytes(b"\x7fELF")
    with tarfile.open(below, "w") as tar:
        member = tarfile.TarInfo("usr/sbin/nft")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"nft"))
    setting = oci.Setting("usr/local/bin/", "0:0", below)
    archive = oci.write_archive(tmp_path / "image.tar", program, ["registry.k8s.io/kube-proxy:v1"], setting)
    blobs = _blobs(archive)
    manifest = json.loads(blobs[json.loads(_index(archive))["manifests"][0]["digest"]])
    configuration = json.loads(blobs[manifest["config"]["digest"]])["config"]
    assert configuration == {"Entrypoint": ["/usr/local/bin/kube-proxy"], "User": "0:0"}
    with tarfile.open(fileobj=io.BytesIO(blobs[manifest["layers"][0]["digest"]]), mode="r:gz") as layer:
        assert layer.getnames() == ["usr/sbin/nft", "usr/local/bin/kube-proxy"]


def test_node_image_has_the_version_of_the_control_plane() -> None:

    wanted = CONTROL_PLANE.versions["k8s.io/kubernetes"]
    assert {module.versions["k8s.io/kubernetes"] for module in (KIND, NODE)} == {wanted}
    assert node_image.tag() == f"moorage/kind-node:{wanted}"


def _index(archive: Path) -> bytes:
    with tarfile.open(archive) as tar:
        file = tar.extractfile("index.json")
        assert file is not None
        return file.read()


def _blobs(archive: Path) -> dict[str, bytes]:
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None and member.name.startswith("blobs/sha256/"):
                found[f"sha256:{member.name.removeprefix('blobs/sha256/')}"] = file.read()
    return found
