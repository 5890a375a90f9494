"""The table of docs/governance.md: what a promotion rule would have refused of 115,470 changes that were made."""

import re
from datetime import timedelta
from itertools import islice

import pytest
from past import REAL

from moorage_cli.replay import Rule, lines_of, replay
from moorage_crds.kinds.protection import to_duration
from moorage_dev.layout import ROOT

#: | `soak` | changes of production | back to an earlier release | refused | too early | not proven |
ROW = re.compile(r"^\| (\d+[smh]) \|" + r" ([\d,]+) \|" * 5 + "$", re.MULTILINE)
SLICE = 5_000


def _table() -> dict[str, tuple[int, ...]]:
    text = (ROOT / "docs/governance.md").read_text(encoding="utf-8")
    return {soak: tuple(int(one.replace(",", "")) for one in counts) for soak, *counts in ROW.findall(text)}


@pytest.fixture(autouse=True)
def _there() -> None:
    if not REAL.is_file():
        pytest.skip(f"NOT RUN: {REAL} is not there; MOORAGE_REPLAY names the file")


def _rule(soak: timedelta) -> Rule:
    return Rule("production", "staging", soak, "")


def test_a_longer_soak_refuses_more_of_a_slice() -> None:
    """Who passes after an hour passes after a minute; going back and the number of changes do not depend on it."""
    lines = list(islice(lines_of(REAL), SLICE))
    found = [replay(lines, _rule(timedelta(minutes=minutes))) for minutes in (0, 1, 10, 60)]

    refused = [one.refused for one in found]
    assert refused == sorted(refused)
    assert 0 < refused[0] < refused[-1]
    assert len({(one.changes, one.back) for one in found}) == 1


@pytest.mark.campaign
def test_the_table_is_what_the_real_past_gives() -> None:
    lines, table = list(lines_of(REAL)), _table()
    assert (len(lines), len(table)) == (115_470, 5)

    for soak, expected in table.items():
        found = replay(lines, _rule(to_duration(soak)))
        assert (found.changes, found.back, found.refused, found.early, found.unproven) == expected, soak
