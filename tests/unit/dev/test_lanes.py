"""What stays together in one lane of a test run, and the audit logs that the lanes leave."""

import signal
import threading
from pathlib import Path
from types import SimpleNamespace

import lanes
import pytest
from execnet.gateway_base import BaseGateway


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("tests/chart/test_values.py", "chart"),
        ("tests/chart/test_upgrade.py", "chart"),
        ("tests/cluster/test_freezes.py", "tests/cluster/test_freezes.py"),
        ("tests/node/test_chart.py", "machine"),
        ("tests/web/test_journeys.py", "machine"),
    ],
)
def test_what_shares_something_stays_together(path: str, group: str) -> None:
    assert lanes.group(f"{path}::test_it[a/b::c]") == group
    assert lanes.is_of_the_machine(f"{path}::test_it") == (group == "machine")


def test_what_takes_longest_begins_first() -> None:
    paths = ["contract/test_store.py", "history/test_storm.py", "cluster/test_events.py", "node/test_chart.py"]
    turns = [lanes.turn(f"tests/{path}::test_it[a/b]") for path in paths]
    assert turns == [2, 1, 2, 0]


def test_the_logs_of_all_lanes_are_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kept"
    assert lanes.kept(None) == lanes.kept(folder) == []
    for lane in ("gw1", "gw0", "gw1"):
        log = tmp_path / "audit.log"
        log.write_text(lane, encoding="utf-8")
        monkeypatch.setenv("PYTEST_XDIST_WORKER", lane)
        lanes.keep(log, folder)

    assert [path.read_text(encoding="utf-8") for path in lanes.kept(folder)] == ["gw0", "gw1"]


@pytest.mark.parametrize("before", [True, False])
def test_a_lane_has_time_to_end_and_is_not_interrupted_then(monkeypatch: pytest.MonkeyPatch, before: bool) -> None:
    done: list[object] = []
    pool = SimpleNamespace(trigger_shutdown=lambda: None, waitall=done.append)
    known = threading.Event()
    if before:
        known.set()
    monkeypatch.setattr(lanes, "ending", known)
    monkeypatch.setattr(lanes.os, "kill", lambda _pid, number: done.append(number))
    monkeypatch.setattr(lanes.os, "_exit", lambda code: done.append(f"exit {code}"))
    # What execnet calls when a run is over.
    assert "_terminate_execution" in BaseGateway._thread_receiver.__code__.co_names
    lanes.WorkerGateway._terminate_execution(SimpleNamespace(_execpool=pool))
    told = [] if before else [signal.SIGTERM]
    assert done == [lanes._BY_ITSELF, *told, lanes.EXIT_SECONDS, "exit 1"]
