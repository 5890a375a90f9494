"""How often an object's tool is asked to look again. Pure."""

from enum import Enum
from typing import Final

#: An object is asked for at most this often, however many releases come. Seconds.
SPACING_SECONDS: Final = 1.0
#: It is asked for once more so long after the last release: an answer may be as old as the facade lets it be (30 s).
REPEAT_SECONDS: Final = 31.0


class Stage(Enum):
    """What is to be done next for one object."""

    ASK = "ask"
    """A release has changed: ask its tool to look."""
    ASK_AGAIN = "ask again"
    """The tool may have looked too early."""
    REST = "rest"
    """Nothing; what comes now has to wait a moment."""


#: What follows when the tool was asked, and in how many seconds.
AFTER: Final = {Stage.ASK: (Stage.ASK_AGAIN, REPEAT_SECONDS), Stage.ASK_AGAIN: (Stage.REST, SPACING_SECONDS)}


def patience(stage: Stage | None) -> float:
    """Seconds that a new release has to wait; None: nothing was asked lately."""
    return 0.0 if stage is None else SPACING_SECONDS
