"""Progress of long work: one line that is rewritten; without a terminal a line now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TextIO

#: Seconds between two lines where output is a file or a pipe, and between two updates on a terminal.
PIPE_SECONDS = 8.0
TERMINAL_SECONDS = 0.5


@contextmanager
def shown(title: str, detail: Callable[[], str], *, stream: TextIO | None = None) -> Iterator[None]:
    """Show `title`, the elapsed time and what `detail()` says until the block ends."""
    out = stream or sys.stderr
    done = Event()
    started = time.monotonic()
    thread = Thread(target=_tick, args=(out, title, detail, started, done), daemon=True)
    out.write(f"{title} …\n")
    out.flush()
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _clear(out)
        out.write(f"{title}: {elapsed(time.monotonic() - started)}\n")
        out.flush()


def elapsed(seconds: float) -> str:
    """A duration in words: `42 s`, `3 min 5 s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _tick(out: TextIO, title: str, detail: Callable[[], str], started: float, done: Event) -> None:
    terminal = out.isatty()
    while not done.wait(TERMINAL_SECONDS if terminal else PIPE_SECONDS):
        line = f"{title}: {elapsed(time.monotonic() - started)}, {detail()}"
        out.write(f"\r\033[K{line[:110]}" if terminal else f"{line}\n")
        out.flush()


def _clear(out: TextIO) -> None:
    if out.isatty():
        out.write("\r\033[K")
