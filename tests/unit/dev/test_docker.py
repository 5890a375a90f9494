"""A Docker engine that leaves its machine alone: what its containers may."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from moorage_dev.docker import runtime

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
