"""Processes are stopped by identity, never by a bare id."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from waiting import eventually

from moorage_dev import children, patience, ports
from moorage_dev.failures import DevError

_DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


def test_recycled_process_id_is_not_killed(tmp_path: Path) -> None:
    child = children.spawn("sleeper", ["sleep", "600"], log=tmp_path / "log")
    stranger = children.Child("stranger", child.pid, "another start time", tmp_path / "log")
    children.kill(stranger)
    children.stop(stranger)
    assert children.is_running(child)
    children.stop(child)
    assert not children.is_running(child)
    assert child._process is not None
    assert child._process.returncode == -signal.SIGTERM


def test_another_process_can_stop_it_from_the_file(tmp_path: Path) -> None:
    child = children.spawn("sleeper", ["sleep", "600"], log=tmp_path / "log")
    children.save({"sleeper": child}, tmp_path / "file")
    children.stop(children.load(tmp_path / "file")["sleeper"])
    assert not children.is_running(child)


def test_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = children.spawn("deaf", [sys.executable, "-c", _DEAF], log=tmp_path / "log")
    eventually(lambda: "deaf" in (tmp_path / "log").read_text(encoding="utf-8"))
    children.stop(child, grace=0.1)
    assert not children.is_running(child)


def test_paused_process_can_be_stopped(tmp_path: Path) -> None:
    child = children.spawn("sleeper", ["sleep", "600"], log=tmp_path / "log")
    children.pause(child)
    children.stop(child)
    assert not children.is_running(child)


def test_process_that_goes_while_it_is_stopped_is_gone(tmp_path: Path) -> None:
    for _ in range(100):
        process = subprocess.Popen(["sleep", "60"], start_new_session=True)
        child = children.adopt("going", process.pid, tmp_path / "log")
        # Takes the remains away at once, as the process does that forks operators and facades.
        reaper = threading.Thread(target=process.wait)
        process.kill()
        reaper.start()
        children.stop(child, grace=patience.scaled(10))
        reaper.join()
        assert not children.is_running(child)


def test_early_end_shows_the_log(tmp_path: Path) -> None:
    child = children.spawn("short", ["sh", "-c", "echo out of luck; exit 4"], log=tmp_path / "log")
    with pytest.raises(DevError, match=r"short ended before ready[\s\S]*out of luck"):
        children.wait_until(child, lambda: False, timeout=20, what="ready")


def test_program_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DevError, match="ghost could not be started"):
        children.spawn("ghost", ["/nowhere/ghost"], log=tmp_path / "log")


def test_free_ports_differ() -> None:
    found = ports.free(20)
    assert len(set(found)) == 20
