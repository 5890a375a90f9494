"""Releases, controllers and watches that are late: no release is called healthy that is not."""

import random
from typing import Any

import pytest
from builders import at
from controllers import KINDS, Controlled, step

from moorage_crds.names import record_name
from moorage_operator.delivery import decisions
from moorage_operator.delivery.reading import target_of
from moorage_operator.facts import RolloutFacts

UID = "8d1f7f0e-2a64-4f7c-8a0e-6c1b9d3e5a27"
#: Of each kind, by each way to say what is carried: 1,120 in all.
STORIES = 80


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("named", [True, False], ids=["the change is named", "the value alone"])
def test_no_release_is_called_healthy_that_is_not(kind: type[Controlled], named: bool) -> None:
    """Orders of what can happen; the pods that ran decide whether an answer was right.

    Where the value alone is declared, no release comes twice: a view from before could not be told from one after.
    """
    chance = random.Random(f"rollout {kind.__name__} {named}")  # noqa: S311 — a test's dice
    stories = [Story(chance, kind, named=named) for _ in range(STORIES)]
    for story in stories:
        for _ in range(80):
            story.go_on()
    # Not by silence.
    assert sum(story.arrived for story in stories) > STORIES / 2


class Story:
    """A binding, its workload, and a view of it that may be late."""

    def __init__(self, chance: random.Random, kind: type[Controlled], *, named: bool) -> None:
        self.chance = chance
        self.named = named
        self.releases = ["v0"]
        self.controlled = kind("v0", self._id(0))
        self.delivered = self.controlled.snapshot()
        self.known: dict[str, Any] = {}
        self.arrived = 0

    def _id(self, number: int) -> str | None:
        return record_name(UID, number) if self.named else None

    def go_on(self) -> None:
        steps = [self.change, self.write, self.write, self.write_late, self.watch, self.watch]
        self.chance.choice([*steps, *[lambda: step(self.controlled, self.chance)] * 6])()
        self.look()

    def change(self) -> None:
        again = self.chance.choice(self.releases) if self.named else self.releases[-1]
        self.releases.append(again if again != self.releases[-1] else f"v{len(self.releases)}")

    def write(self) -> None:
        self.controlled.write(self.releases[-1], self._id(len(self.releases) - 1))

    def write_late(self) -> None:
        number = self.chance.randrange(len(self.releases))
        self.controlled.write(self.releases[number], self._id(number))

    def watch(self) -> None:
        self.delivered = self.controlled.snapshot()

    def look(self) -> None:
        sequence, release = len(self.releases) - 1, self.releases[-1]
        read = target_of(self.controlled.resource, self.delivered)
        facts = RolloutFacts(sequence, release, record_name(UID, sequence), (read,), self.known, (), at(5))
        found = decisions.rollout(facts)
        assert found is not None
        before = self.known.get("healthySince") if self.known.get("sequence") == sequence else None
        if found.get("healthySince") and not before:
            self.arrived += 1
            ran = self.controlled.seen[self.delivered["metadata"]["resourceVersion"]]
            assert set(ran) == {release}, (ran, self.delivered)
        self.known = found
