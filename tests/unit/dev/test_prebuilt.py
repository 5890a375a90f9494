"""Published programs spare the build, and nothing is kept that is not the pinned file.

The server is real and local; what it sends are small files in the place of the programs.
"""

import hashlib
import io
import tarfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from download_places import Place, begun, cut, endless, trickling, until, whole

from moorage_dev import binaries, download, golang, prebuilt
from moorage_dev.failures import DevError
from moorage_dev.modules import CONTROL_PLANE, Module

SYSTEM = "linux-amd64"
PROGRAMS = tuple(CONTROL_PLANE.programs)


@pytest.fixture
def place() -> Iterator[Place]:
    found = Place()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            answer = found.answers.get(self.path)
            if answer is None:
                self.send_error(404)
            else:
                answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the name of the base class
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield found
        found.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "cache" / "new"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(autouse=True)
def _known_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(prebuilt, "this_system", lambda: SYSTEM)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def mirror(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """All four programs, pinned and served under `MOORAGE_ASSETS_URL`."""
    official = {prebuilt.official(name, SYSTEM): _file(name) for name in PROGRAMS}
    _pin(monkeypatch, tmp_path, {asset.path: place.carries(asset, content) for asset, content in official.items()})
    monkeypatch.setenv(prebuilt.VARIABLE, f"{place.url}/")
    return place


def test_published_programs_spare_the_build(
    mirror: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(golang, "find_go", lambda _oldest: pytest.fail("nothing has to be built"))

    folder = binaries.build(CONTROL_PLANE)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {name: _content(name) for name in PROGRAMS}
    assert all(path.stat().st_mode & 0o777 == 0o755 for path in folder.iterdir())
    assert "fetching published programs" in capfd.readouterr().err
    assert len(mirror.asked) == 4


def test_second_time_nothing_is_asked_for(mirror: Place) -> None:
    binaries.build(CONTROL_PLANE)
    mirror.asked.clear()

    binaries.build(CONTROL_PLANE)

    assert mirror.asked == []


def test_program_that_is_absent_is_built_and_the_others_are_taken(
    mirror: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    del mirror.answers[f"/{prebuilt.official('kubectl', SYSTEM).path}"]
    built = _record_builds(monkeypatch)

    folder = binaries.build(CONTROL_PLANE)

    assert built == ["kubectl"]
    assert {path.name for path in folder.iterdir()} == set(PROGRAMS)
    assert (folder / "etcd").read_bytes() == _content("etcd")
    assert "kubectl has to be built: " in capfd.readouterr().err


def test_file_with_another_sum_is_refused(mirror: Place, into: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mirror.carries(prebuilt.official("kube-apiserver", SYSTEM), b"something else")

    taken = prebuilt.fetch(PROGRAMS, into)

    assert set(taken) == {"etcd", "kube-controller-manager", "kubectl"}
    assert {path.name for path in into.iterdir()} == set(taken)
    (said,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("kube-apiserver has to be")]
    assert "was refused" in said
    assert hashlib.sha256(b"something else").hexdigest() in said


def test_file_that_ends_early_is_not_kept(mirror: Place, into: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mirror.answers[f"/{prebuilt.official('kubectl', SYSTEM).path}"] = cut(_file("kubectl"))

    taken = prebuilt.fetch(PROGRAMS, into)

    assert "kubectl" not in taken
    assert not (into / "kubectl").exists()
    assert "kubectl has to be built: " in capfd.readouterr().err


@pytest.mark.parametrize("silent", [PROGRAMS, ("kubectl",)], ids=["all", "one"])
def test_server_that_does_not_answer_is_left_when_the_time_to_decide_is_over(
    silent: tuple[str, ...],
    mirror: Place,
    into: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(download, "DECIDE_SECONDS", 1.0)
    for name in silent:
        mirror.answers[f"/{prebuilt.official(name, SYSTEM).path}"] = lambda _request: until(mirror.over)
    began = time.monotonic()

    taken = prebuilt.fetch(PROGRAMS, into)

    # All of them share one second; the default of a single read alone would be ten.
    assert time.monotonic() - began < 8
    assert set(taken) == set(PROGRAMS) - set(silent)
    assert "no answer within 1 s" in capfd.readouterr().err


def test_download_that_stops_is_given_up(
    mirror: Place, into: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(download, "WINDOW_SECONDS", 0.5)
    mirror.answers[f"/{prebuilt.official('kubectl', SYSTEM).path}"] = begun(mirror.over)

    taken = prebuilt.fetch(PROGRAMS, into)

    assert "kubectl" not in taken
    assert "stopped sending" in capfd.readouterr().err


def test_download_that_trickles_is_given_up(
    mirror: Place, into: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(download, "WINDOW_SECONDS", 0.5)
    mirror.answers[f"/{prebuilt.official('kubectl', SYSTEM).path}"] = trickling(mirror.over)

    taken = prebuilt.fetch(PROGRAMS, into)

    assert "kubectl" not in taken
    assert "slower than a build" in capfd.readouterr().err


def test_endless_file_is_given_up(
    mirror: Place, into: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(download, "LARGEST_BYTES", 1 << 20)
    mirror.answers[f"/{prebuilt.official('kubectl', SYSTEM).path}"] = endless(mirror.over)

    taken = prebuilt.fetch(PROGRAMS, into)

    assert "kubectl" not in taken
    assert "larger than 1 MiB" in capfd.readouterr().err


def test_place_that_nobody_listens_at_is_left_for_the_build(
    mirror: Place, into: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(prebuilt.VARIABLE, "http://127.0.0.1:9")

    assert prebuilt.fetch(PROGRAMS, into) == {}
    assert capfd.readouterr().err.count("has to be built: http://127.0.0.1:9/") == 4


def test_file_without_a_pin_is_not_even_asked_for(
    mirror: Place,
    into: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    _pin(monkeypatch, tmp_path, {})

    assert prebuilt.fetch(PROGRAMS, into) == {}
    assert mirror.asked == []
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1
    assert "pins none for linux-amd64: etcd, kube-apiserver, kube-controller-manager, kubectl" in said[0]


def test_machine_that_nothing_is_published_for_builds(
    mirror: Place, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prebuilt, "this_system", lambda: "darwin-arm64")

    assert prebuilt.fetch(PROGRAMS, into) == {}
    assert mirror.asked == []


def test_without_a_mirror_the_projects_own_places_are_asked(
    place: Place, into: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(prebuilt.VARIABLE, raising=False)
    monkeypatch.setattr(prebuilt, "KUBERNETES_PLACE", f"{place.url}/kubernetes")
    monkeypatch.setattr(prebuilt, "ETCD_PLACE", f"{place.url}/etcd")
    sums = {}
    for name in PROGRAMS:
        asset = prebuilt.official(name, SYSTEM)
        place.answers[asset.place.removeprefix(place.url) + f"/{asset.path}"] = whole(_file(name))
        sums[asset.path] = hashlib.sha256(_file(name)).hexdigest()
    _pin(monkeypatch, tmp_path, sums)

    assert set(prebuilt.fetch(PROGRAMS, into)) == set(PROGRAMS)


def test_mirror_may_carry_what_was_built_from_the_modules(
    place: Place, into: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(prebuilt.VARIABLE, place.url)
    own = {prebuilt.plain(name, SYSTEM): f"built {name}".encode() for name in PROGRAMS}
    sums = {asset.path: place.carries(asset, content) for asset, content in own.items()}
    _pin(monkeypatch, tmp_path, {}, built=sums)

    taken = prebuilt.fetch(PROGRAMS, into)

    assert set(taken) == set(PROGRAMS)
    assert (into / "etcd").read_bytes() == b"built etcd"


def test_own_builds_are_not_looked_for_at_the_projects_places(
    place: Place, into: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(prebuilt.VARIABLE, raising=False)
    monkeypatch.setattr(prebuilt, "KUBERNETES_PLACE", place.url)
    _pin(monkeypatch, tmp_path, {}, built={prebuilt.plain("kubectl", SYSTEM).path: "0" * 64})

    assert prebuilt.fetch(PROGRAMS, into) == {}
    assert place.asked == []


def test_off_asks_nobody(mirror: Place, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(prebuilt.VARIABLE, "off")

    assert prebuilt.fetch(PROGRAMS, into) == {}
    assert mirror.asked == []


@pytest.mark.parametrize("value", ["ftp://example.com", "example.com", "https://", "https://x/?a=b", "file:///etc"])
def test_address_that_is_none_is_named(value: str, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(prebuilt.VARIABLE, value)

    with pytest.raises(DevError, match="MOORAGE_ASSETS_URL"):
        prebuilt.fetch(PROGRAMS, into)


@pytest.mark.parametrize("line", ["abc  path", f"{'0' * 64} one-space", f"{'G' * 64}  path", f"{'0' * 64}  a b"])
def test_line_that_is_no_pin_is_named(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pins.sha256"
    path.write_text(f"# comment\n\n{line}\n", encoding="utf-8")

    with pytest.raises(DevError, match="line 3"):
        prebuilt.read_pins(path)


def test_pins_of_the_checkout_are_of_the_versions_that_go_mod_names() -> None:
    versions = CONTROL_PLANE.versions
    known = {versions["k8s.io/kubernetes"], versions["go.etcd.io/etcd/server/v3"]}

    pinned = {*prebuilt.read_pins(prebuilt.OFFICIAL), *prebuilt.read_pins(prebuilt.BUILT)}

    assert {path.partition("/")[0] for path in pinned} <= known


def test_what_is_interrupted_leaves_nothing_behind(
    mirror: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(_wanted: object, _title: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "fetch", interrupted)

    with pytest.raises(KeyboardInterrupt):
        binaries.build(CONTROL_PLANE)

    assert [path for path in (tmp_path / "xdg/moorage").iterdir() if path.is_dir()] == []


def _content(program: str) -> bytes:
    return f"the program {program}\n".encode() * 40_000


def _file(program: str) -> bytes:
    """What the project publishes: etcd in an archive, the others as they are."""
    member = prebuilt.official(program, SYSTEM).member
    if not member:
        return _content(program)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo(member)
        entry.size = len(_content(program))
        archive.addfile(entry, io.BytesIO(_content(program)))
    return buffer.getvalue()


def _pin(
    monkeypatch: pytest.MonkeyPatch, folder: Path, official: dict[str, str], *, built: dict[str, str] | None = None
) -> None:
    for name, sums in (("OFFICIAL", official), ("BUILT", built or {})):
        path = folder / f"{name}.sha256"
        path.write_text("".join(f"{sum_}  {file}\n" for file, sum_ in sums.items()), encoding="utf-8")
        monkeypatch.setattr(prebuilt, name, path)


def _record_builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    built: list[str] = []

    def build(_module: Module, programs: dict[str, str], into: Path) -> None:
        for name in programs:
            built.append(name)
            (into / name).touch()

    monkeypatch.setattr(golang, "build", build)
    return built
