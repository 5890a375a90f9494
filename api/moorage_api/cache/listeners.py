"""Listeners to the changes of a Namespace as they happen. Bounded: a listener that falls behind is dropped."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from moorage_api.cache.line import Line

#: Lines that wait for one listener. A listener that is further behind is disconnected, and resumes from the history
#: when it is back.
MAX_WAITING: Final = 512
#: Streams that one replica holds, if it may have twice as many connections.
MAX_STREAMS: Final = 200
#: Streams that one user may have open: browser tabs, and a few programs.
MAX_OF_USER: Final = 20


class Listener:
    """One stream.

    Attributes:
        ended: it has to end: it did not keep up, or the process stops.
    """

    def __init__(self, namespace: str, user: str) -> None:
        self.namespace = namespace
        self.user = user
        self.ended = False
        self._lines: deque[Line] = deque()
        self._wake = asyncio.Event()

    def tell(self, line: Line | None) -> None:
        """A line is new or has changed; None: something else in the Namespace has."""
        if line is not None:
            self._lines.append(line)
            self.ended = self.ended or len(self._lines) > MAX_WAITING
        self._wake.set()

    def end(self) -> None:
        """Let it go."""
        self.ended = True
        self._wake.set()

    def taken(self) -> list[Line]:
        """The lines that have come since the last time, each deployment once, as it is now."""
        found = {(line.uid, line.sequence): line for line in self._lines}
        self._lines.clear()
        return list(found.values())

    async def wait(self, seconds: float) -> None:
        """Return when there is something to tell, or after that time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()


class Listeners:
    """All streams.

    Attributes:
        limit: how many there may be.
        stirs: differs after every `stirred`.
    """

    def __init__(self) -> None:
        self.limit = MAX_STREAMS
        self.stirs = 0
        self._known: dict[str, set[Listener]] = {}

    def __len__(self) -> int:
        """How many there are."""
        return sum(len(those) for those in self._known.values())

    def full(self, user: str) -> bool:
        """Whether that user cannot have another one."""
        own = sum(one.user == user for those in self._known.values() for one in those)
        return len(self) >= self.limit or own >= MAX_OF_USER

    @contextlib.contextmanager
    def join(self, namespace: str, user: str) -> Iterator[Listener]:
        """Listen."""
        listener = Listener(namespace, user)
        self._known.setdefault(namespace, set()).add(listener)
        try:
            yield listener
        finally:
            those = self._known[namespace]
            those.discard(listener)
            if not those:
                del self._known[namespace]

    def line(self, line: Line) -> None:
        """A line is new or has changed."""
        for one in self._known.get(line.namespace, ()):
            one.tell(line)

    def stirred(self, namespace: str) -> None:
        """Something else in a Namespace has changed; empty: in all of them."""
        self.stirs += 1
        those: Iterable[Listener] = self._known.get(namespace, ())
        if not namespace:
            those = [one for every in self._known.values() for one in every]
        for one in those:
            one.tell(None)

    def end(self) -> None:
        """Let all go: the process stops."""
        for those in self._known.values():
            for one in those:
                one.end()
