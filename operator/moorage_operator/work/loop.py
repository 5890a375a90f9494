"""A loop as the rest of the operator sees it: a row of the table that wiring, dispatch and the tests use."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from moorage_crds.kinds.environment import Environment
from moorage_operator.memory.chain import Chain
from moorage_operator.work.queue import KeyedQueue

Step = Callable[[Any], Awaitable[float | None]]


class News(Enum):
    """What has become of an Environment."""

    CHANGED = "it is there, or has changed"
    REVIEWED = "a sweep looks at it as a whole"
    GONE = "it is not there any more"


def nothing(_chain: Chain) -> None:
    """For loops that bindings do not concern: what wakes them comes from elsewhere."""


def nothing_of(_environment: Environment, _news: News) -> None:
    """For loops that Environments do not concern."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop.

    Attributes:
        name: for logs and metrics.
        queue: keys of what is to be looked at.
        step: what is done for a key; returns None, or seconds after which to look again.
        workers: steps at once. Python has no rate limit of its own: this is what spares the API server.
        hears: told of every binding that has changed; puts what concerns the loop into the queue.
        hears_environment: told of every Environment that has changed.
        of_targets: is told, too, when what follows a binding has changed.
        always: a replica that does not act hears of bindings, too.
        drained: a stop waits until its queue is settled.
    """

    name: str
    queue: KeyedQueue[Any]
    step: Step
    workers: int
    hears: Callable[[Chain], None] = nothing
    hears_environment: Callable[[Environment, News], None] = nothing_of
    of_targets: bool = False
    always: bool = False
    drained: bool = False
