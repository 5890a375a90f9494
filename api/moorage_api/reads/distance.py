"""How far the release of an app in one environment is from its release in another: in changes and since when. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from moorage_api.cache.chains import ChainLines
from moorage_api.cache.line import Line

#: How many lines of a chain are looked through for a release: what is further away is only said to be different.
MAX_LOOKED: Final = 200


class Relation(StrEnum):
    """What an app's release here is to its release there."""

    SAME = "same"
    BEHIND = "behind"
    """It was active there before, and that environment has moved on."""
    AHEAD = "ahead"
    """The release there was active here before, and this environment has moved on."""
    DIFFERENT = "different"
    """Neither environment has had the release of the other within its newest lines."""
    MISSING = "missing"
    """It runs there and not here."""
    ONLY_HERE = "only_here"
    """It runs here and not there."""


@dataclass(frozen=True, slots=True)
class State:
    """An app in an environment at a moment: the line that made it so, and the history that it stands in."""

    line: Line
    chain: ChainLines

    @property
    def release(self) -> str | None:
        """The release that was active then."""
        return self.line.release

    def moved_past(self, release: str) -> tuple[int, Line] | None:
        """How many changes were made since that release was active, and the first of them; None: it never was."""
        after = self.line
        earlier = (line for line in self.chain.descending() if line.sequence < self.line.sequence)
        for count, line in enumerate(islice(earlier, MAX_LOOKED), 1):
            if line.release == release:
                return count, after
            after = line
        return None


@dataclass(frozen=True, slots=True)
class Distance:
    """The answer.

    Attributes:
        changes: how many changes one environment is ahead of the other; None unless it is ahead or behind.
        since: time of the first of them.
    """

    relation: Relation
    changes: int | None = None
    since: str | None = None

    def body(self) -> dict[str, Any]:
        """As REST shows it."""
        return {"relation": self.relation.value, "changes": self.changes, "since": self.since}


def distance(here: State | None, there: State | None) -> Distance | None:
    """How `here` stands to `there`; None if the app has no release in either."""
    own = here.release if here is not None else None
    other = there.release if there is not None else None
    if own is None or other is None or here is None or there is None:
        return _one_sided(own, other)
    if own == other:
        return Distance(Relation.SAME)
    behind = there.moved_past(own)
    if behind is not None:
        return Distance(Relation.BEHIND, behind[0], behind[1].at)
    ahead = here.moved_past(other)
    if ahead is not None:
        return Distance(Relation.AHEAD, ahead[0], ahead[1].at)
    return Distance(Relation.DIFFERENT)


def _one_sided(own: str | None, other: str | None) -> Distance | None:
    if own is None and other is None:
        return None
    return Distance(Relation.MISSING if own is None else Relation.ONLY_HERE)
