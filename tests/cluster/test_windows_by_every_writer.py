"""A Freeze that begins and ends while everybody writes, with no operator: its own seconds, for every way of writing."""

import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from identities import EDITOR, MEMBERS
from services import Facade, Operators
from waiting import eventually
from writers_of_releases import CREATE, FORGED, WRITERS, Writers

from moorage_crds.moments import to_text
from moorage_dev import patience
from moorage_dev.rest_client import Answer

#: Bindings of each writer. Who writes the same one twice in a second may leave no time, and is inside every window.
EACH = 8
BEFORE, LENGTH, AFTER = 2, 4, 2


@pytest.fixture
def shop(cluster: LiveCluster, operators: Operators) -> Iterator[Workspace]:
    operators.stop()
    made = Workspaces(cluster)
    yield made("production", members=MEMBERS)
    made.clean()


@dataclass(slots=True)
class Watch:
    """Judges writes by the clock around each of them."""

    begins: datetime
    ends: datetime
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[tuple[str, datetime, bytes]] = field(default_factory=list)

    def judge(self, way: str, before: datetime, answer: Answer, after: datetime) -> None:
        """Where both looks are on one side of both edges, the verdict is known."""
        inside = self.begins <= before < self.ends
        if any(before < edge <= after for edge in (self.begins, self.ends)):
            return
        taken, frozen = answer.status in {200, 201}, b"is frozen by freeze/short" in answer.body
        assert taken or frozen or way == FORGED, answer.body
        untimely = b"the write leaves no time" in answer.body
        if taken if inside else frozen and not untimely:
            self.wrong.append((way, before, answer.body))
        self.counts[way, f"{'inside' if inside else 'outside'}, {'taken' if taken else 'refused'}"] += 1


def test_every_writer_meets_a_window_at_its_second(shop: Workspace, facade: Facade, figures: Any) -> None:
    writers = Writers(shop, facade, random.Random(20261202))  # noqa: S311 — repeatable, no secret
    lanes = [(way, f"{way.lower().replace(' ', '-')}-{number}") for number in range(EACH) for way in WRITERS]
    for way, app in lanes:
        if way != CREATE:
            writers.prepare("production", app)
    # Everybody has to have a turn before, inside and after.
    slow = min(patience.factor(), 5)
    begins = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=math.ceil(BEFORE * slow) + 1)
    watch = Watch(begins, begins + timedelta(seconds=math.ceil(LENGTH * slow)))
    _freeze(shop, watch)
    turns = cycle(lanes)

    def is_over() -> bool:
        way, app = next(turns)
        before = datetime.now(UTC)
        answer = writers.write(way, "production", app)
        watch.judge(way, before, answer, datetime.now(UTC))
        return before > watch.ends + timedelta(seconds=AFTER)

    eventually(is_over, 90, interval=0.001)

    counts = watch.counts
    assert watch.wrong == []
    for way in WRITERS:
        assert counts[way, "inside, refused"] > 0, counts
        assert counts[way, "outside, taken"] > 0, counts
    figures(f"{counts.total()} writes around both edges of a window, 0 on the wrong side: {_told(counts)}")


def _freeze(shop: Workspace, watch: Watch) -> None:
    spec = {"reason": "short", "windows": [{"from": to_text(watch.begins), "until": to_text(watch.ends)}]}
    body = {"apiVersion": "moorage.dev/v1", "kind": "Freeze", "metadata": {"name": "short"}, "spec": spec}
    assert shop.cluster.raw("POST", shop.path("freezes"), user=EDITOR, body=body).status == 201


def _told(counts: Counter[tuple[str, str]]) -> str:
    sums = Counter({what: sum(number for (_, one), number in counts.items() if one == what) for _, what in counts})
    return ", ".join(f"{number} {what}" for what, number in sorted(sums.items()))
