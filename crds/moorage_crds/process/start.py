"""How a process starts and ends: what it tells the person who started it, and how it treats its memory."""

import gc
import resource
from contextlib import suppress
from typing import Final

#: New objects between two runs of the collector, and runs of one generation between two of the next.
COLLECTOR_THRESHOLDS: Final = (10_000, 20, 20)
#: The same of a command: its imports make half as many, and none of them is garbage.
COMMAND_THRESHOLDS: Final = (200_000, 20, 20)


class StartError(Exception):
    """The process cannot start. The text is one sentence for the person who started it."""


def take_files() -> None:
    """Take as many open files as the system gives: the usual 1,024 are fewer than the connections that may come."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def tune_collector() -> None:
    """Let the garbage collector run rarely.

    Decoded JSON holds no cycles: by default the collector would walk through every page of a list several times.
    """
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def start_quickly() -> None:
    """Let a command import what it needs before the garbage collector runs first."""
    gc.set_threshold(*COMMAND_THRESHOLDS)


def end_quickly() -> None:
    """Let Python end without its last search for cycles, a tenth of a short command: the memory goes as a whole."""
    gc.freeze()
