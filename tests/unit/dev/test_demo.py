"""The demo's story, without a cluster: what it says on each stage, and when it is coloured."""

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from moorage_dev.demo.images import GOOD
from moorage_dev.demo.story import Stage, story
from moorage_dev.layout import DEV

BAD = "2.6.0"
COLOURED = "\033[1mx\033[0m"


@pytest.mark.parametrize(
    ("today", "monday"),
    [
        (datetime(2026, 12, 4, 18, 30, 5, tzinfo=UTC), "2026-12-07T08:00:00Z"),
        (datetime(2026, 12, 6, 23, 59, tzinfo=UTC), "2026-12-07T08:00:00Z"),
        (datetime(2026, 12, 7, 7, 0, tzinfo=UTC), "2026-12-14T08:00:00Z"),
    ],
)
def test_production_is_frozen_until_the_next_monday(today: datetime, monday: str) -> None:
    assert any(f"--until {monday} " in step.command for step in story(Stage.PODS, today))


@pytest.mark.parametrize("stage", Stage)
def test_the_story_is_the_same_on_every_stage(stage: Stage) -> None:
    steps = story(stage, datetime(2026, 12, 4, tzinfo=UTC))
    text = "\n".join(step.command for step in steps)

    assert all(release in text for release in (*GOOD, BAD))
    assert BAD not in GOOD
    assert sum(step.refused for step in steps) == 2
    assert ("dev/demo/status.sh" in text) is (stage is Stage.BY_HAND)
    assert ("$PODS" in text) is (stage is Stage.PODS)
    assert ("apply --server-side -f" in text) is (stage is not Stage.BOOKS)


@pytest.mark.parametrize(
    ("variables", "shown"),
    [({"TERM": "xterm"}, COLOURED), ({"TERM": "xterm", "NO_COLOR": "1"}, "x"), ({"TERM": "dumb"}, "x")],
)
def test_colours_are_for_terminals_of_people_who_want_them(variables: dict[str, str], shown: str) -> None:
    program = "from moorage_dev.demo.play import _coloured; print(_coloured('x', '1'))"
    command = [sys.executable, "-c", program]
    ours, theirs = pty.openpty()
    subprocess.run(command, stdout=theirs, env={"PYTHONPATH": str(DEV), **variables}, check=True)
    os.close(theirs)

    assert os.read(ours, 100).decode().strip() == shown
    os.close(ours)
