"""What a promotion rule would have refused of the past; the table of docs/governance.md says it of 115,470 changes."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from past import REAL, made_up

from moorage_cli.replay import Rule, lines_of, replay
from moorage_crds.kinds.protection import to_duration
from moorage_dev.layout import ROOT

#: | `soak` | changes of production | back to an earlier release | refused | too early | not proven |
ROW = re.compile(r"^\| (\d+[smh]) \|" + r" ([\d,]+) \|" * 5 + "$", re.MULTILINE)
COUNT = 5_000


def _table() -> dict[str, tuple[int, ...]]:
    text = (ROOT / "docs/governance.md").read_text(encoding="utf-8")
    return {soak: tuple(int(one.replace(",", "")) for one in counts) for soak, *counts in ROW.findall(text)}


def _rule(soak: timedelta) -> Rule:
    return Rule("production", "staging", soak, "")


def test_a_longer_soak_refuses_more(tmp_path: Path) -> None:
    """Who passes after an hour passes after a minute; going back and the number of changes do not depend on it."""
    lines = list(lines_of(made_up(tmp_path / "past.csv", COUNT).path))
    assert len(lines) == COUNT
    found = [replay(lines, _rule(timedelta(minutes=minutes))) for minutes in (0, 1, 10, 60)]

    refused = [one.refused for one in found]
    assert refused == sorted(refused)
    assert 0 < refused[0] < refused[-1]
    assert len({(one.changes, one.back) for one in found}) == 1


@pytest.mark.campaign
def test_the_table_is_what_the_real_past_gives() -> None:
    if REAL is None:
        pytest.skip("NOT RUN: MOORAGE_REPLAY does not say where a real history is")
    lines, table = list(lines_of(REAL)), _table()
    assert (len(lines), len(table)) == (115_470, 5)

    for soak, expected in table.items():
        found = replay(lines, _rule(to_duration(soak)))
        assert (found.changes, found.back, found.refused, found.early, found.unproven) == expected, soak
