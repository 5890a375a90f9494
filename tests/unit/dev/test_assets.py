"""Pins come from what the projects publish beside their files, or from a build."""

import hashlib
import http.server
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from threading import Thread

import pytest

from moorage_dev import assets, golang, prebuilt
from moorage_dev.failures import DevError
from moorage_dev.modules import CONTROL_PLANE, Module

PROGRAMS = tuple(CONTROL_PLANE.programs)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the name of the base class
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that both official places serve."""
    folder = tmp_path / "site"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        for name in ("KUBERNETES_PLACE", "ETCD_PLACE"):
            monkeypatch.setattr(prebuilt, name, f"http://127.0.0.1:{server.server_port}")
        for name in ("OFFICIAL", "BUILT"):
            (tmp_path / name).touch()
            monkeypatch.setattr(prebuilt, name, tmp_path / name)
        monkeypatch.setattr(assets, "FOLDER", tmp_path / "dist")
        yield folder
        server.shutdown()
        thread.join()


def test_pins_are_the_sums_that_the_projects_publish(site: Path) -> None:
    wanted = _publish_sums(site)

    assets.pin()

    assert prebuilt.read_pins(prebuilt.OFFICIAL) == {path: frozenset({sum_}) for path, sum_ in wanted.items()}
    assert len(wanted) == len(PROGRAMS) * len(prebuilt.PLATFORMS)


def test_sum_that_is_not_published_is_named_and_nothing_is_pinned(site: Path) -> None:
    _publish_sums(site)
    path = prebuilt.official("kubectl", "linux-arm64").path
    (site / f"{path}.sha256").write_text("<html>moved</html>", encoding="utf-8")

    with pytest.raises(DevError, match=path):
        assets.pin()

    assert prebuilt.read_pins(prebuilt.OFFICIAL) == {}


def test_without_the_internet_pinning_says_so(site: Path) -> None:
    with pytest.raises(DevError, match="where the internet is"):
        assets.pin()


def test_what_is_built_here_can_be_served_as_a_mirror(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _build_small_files(monkeypatch)
    assets.publish()
    shutil.copytree(tmp_path / "dist", site, dirs_exist_ok=True)
    monkeypatch.setenv(prebuilt.VARIABLE, prebuilt.KUBERNETES_PLACE)
    into = tmp_path / "into"
    into.mkdir()

    taken = prebuilt.fetch(PROGRAMS, into)

    assert set(taken) == set(PROGRAMS)
    assert {path.name: path.read_text(encoding="utf-8") for path in into.iterdir()} == {
        name: f"built {name}" for name in PROGRAMS
    }


def test_pins_of_other_systems_stay_and_those_of_old_versions_go(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _build_small_files(monkeypatch)
    other = prebuilt.plain("kubectl", "linux-riscv64").path
    lines = [f"{'1' * 64}  {other}", f"{'2' * 64}  v1.2.3/bin/linux/amd64/kubectl"]
    prebuilt.BUILT.write_text("\n".join(lines), encoding="utf-8")

    assets.publish()

    pinned = prebuilt.read_pins(prebuilt.BUILT)
    here = {prebuilt.plain(name, prebuilt.this_system()).path for name in PROGRAMS}
    assert set(pinned) == {other, *here}


def _publish_sums(site: Path) -> dict[str, str]:
    wanted = {}
    for program, system in product(PROGRAMS, prebuilt.PLATFORMS):
        asset = prebuilt.official(program, system)
        wanted[asset.path] = sum_ = hashlib.sha256(asset.path.encode()).hexdigest()
        path = site / asset.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if asset.member:
            with (path.parent / "SHA256SUMS").open("a", encoding="utf-8") as file:
                file.write(f"{'0' * 64}  other-{path.name}\n{sum_}  {path.name}\n")
        else:
            path.with_name(f"{path.name}.sha256").write_text(sum_, encoding="utf-8")
    return wanted


def _build_small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(_module: Module, programs: Mapping[str, str], into: Path) -> None:
        for name in programs:
            (into / name).write_text(f"built {name}", encoding="utf-8")

    monkeypatch.setattr(golang, "build", build)
