"""`docker build` and `docker run` for real: Debian's Docker engine in namespaces of its own.

`python -m pytest -m engines tests/engines/test_docker.py` runs it.
"""

import json
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from moorage_dev.docker import base_image
from moorage_dev.docker.engine import Engine
from moorage_dev.layout import ROOT
from moorage_dev.node import cgroups
from moorage_dev.node.first_process import SYSCTLS

#: Settings of the whole machine that an engine, systemd or a kubelet would like to change.
_SETTINGS = (*SYSCTLS, "fs/file-max", "fs/nr_open", "kernel/pid_max", "kernel/core_pattern", "net/ipv4/ip_forward")
#: Kind of what the engine keeps → how many.
USAGE = "{{.Type}}={{.TotalCount}}"


@pytest.mark.parametrize("build_kit", [False, True], ids=["classic", "BuildKit"])
def test_docker_builds_the_image_and_runs_it_locked_down(docker: Engine, build_kit: bool) -> None:
    docker.docker("build", "--tag=moorage", ROOT, build_kit=build_kit)
    # Only the newer one keeps its steps as something of their own. It comes second here.
    usage = dict(line.split("=") for line in docker.docker("system", "df", f"--format={USAGE}").splitlines())
    assert (int(usage["Build Cache"]) > 0) == build_kit
    locked = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
    assert docker.docker("run", "--rm", *locked, "moorage", "--version").strip() == f"moorage {version('moorage')}"
    image = json.loads(docker.docker("image", "inspect", "moorage"))[0]["Config"]
    assert (image["User"], image["Entrypoint"]) == ("10001:10001", ["moorage"])
    docker.docker("image", "rm", "moorage")


def test_engine_changes_nothing_of_the_machine(tmp_path: Path, docker: Engine) -> None:
    """Also where a privileged container tries to; and nothing of it is left."""
    before = _machine(tmp_path)
    second = Engine(tmp_path / "engine")
    second.start()
    try:
        base = base_image.load(second)
        second.docker("run", "--detach", "--name=still-running", "--privileged", "--publish=1234", base, "sleep", "600")
        refused = "for file in vm/overcommit_memory kernel/panic fs/file-max; do ! echo 7 > /proc/sys/$file; done"
        second.docker("exec", "--privileged", "still-running", "sh", "-euc", refused)
        assert second.docker("ps", "--quiet").strip()
    finally:
        second.stop()
    assert _machine(tmp_path) == before
    assert not second.folder.exists()


def _machine(folder: Path) -> dict[str, object]:
    """What an engine with its files in `folder` could leave on this machine."""
    mounted = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {
        "mounts": [line for line in mounted if str(folder) in line or "/docker" in line],
        "devices": sorted(each.name for each in Path("/sys/class/net").iterdir()),
        "filters": subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout,
        "settings": {name: Path("/proc/sys", name).read_text(encoding="ascii") for name in _SETTINGS},
        "cgroups": cgroups.left(Engine(folder / "engine").cgroup),
        "modules": Path("/lib/modules").exists(),
    }
