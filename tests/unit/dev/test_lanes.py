"""What stays together in one lane of a test run, and the audit logs that the lanes leave."""

from pathlib import Path

import lanes
import pytest

SUITES = {
    "tests/chart/test_values.py": "chart",
    "tests/chart/test_upgrade.py": "chart",
    "tests/cluster/test_freezes.py": "cluster/test_freezes",
    "tests/cluster/test_events.py": "cluster/test_events",
    "tests/node/test_chart.py": "machine",
    "tests/web/test_journeys.py": "machine",
}


class _Item:
    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.marks: list[pytest.MarkDecorator] = []

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.marks.append(mark)


def test_what_wants_the_machine_comes_first_and_stays_together() -> None:
    items = [_Item(path) for path in SUITES]

    lanes.assign(items)  # type: ignore[arg-type]

    assert {item.path.as_posix(): item.marks[0].args[0] for item in items} == SUITES
    assert [item.path.parent.name for item in items] == ["node", "web", "chart", "chart", "cluster", "cluster"]


def test_the_logs_of_all_lanes_are_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kept"
    assert lanes.kept(None) == lanes.kept(folder) == []
    for lane in ("gw1", "gw0", "gw1"):
        log = tmp_path / "audit.log"
        log.write_text(lane, encoding="utf-8")
        monkeypatch.setenv("PYTEST_XDIST_WORKER", lane)
        lanes.keep(log, folder)

    assert [path.read_text(encoding="utf-8") for path in lanes.kept(folder)] == ["gw0", "gw1"]
