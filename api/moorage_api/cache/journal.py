"""All lines of a Namespace in their order, those of environments that are gone too, and who wants to hear of new ones.

It is walked through and filtered on the way: an index for every filter would cost more memory than it saves time, as
long as what one request looks at is bounded.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from moorage_api.cache.line import Line
from moorage_api.cache.lines import Filters, LineIndex, Position, Work, only_all
from moorage_api.cache.listeners import Listeners
from moorage_api.cache.versions import Versions
from moorage_crds.objects import is_newer

#: How many lines one request looks at. A page may then hold fewer lines than were asked for, and names the place to
#: continue from.
MAX_LOOKED: Final = 20_000


@dataclass(frozen=True, slots=True)
class JournalQuery:
    """Which lines of a Namespace are wanted.

    Attributes:
        times: since when and until when; nothing else of it counts.
        is_one: whether one of these lines is.
    """

    times: Filters
    is_one: Callable[[Line], bool]


@dataclass(frozen=True, slots=True)
class JournalPage:
    """A page of the lines of a Namespace, newest first.

    Attributes:
        last: the line to continue after; None if this is the last page.
    """

    lines: list[Line]
    last: Position | None


class Journal:
    """The lines of all Namespaces.

    Args:
        work: counts the lines that are looked at.
        versions: how far the records have come.
    """

    def __init__(self, work: Work, versions: Versions) -> None:
        self._work = work
        self._versions = versions
        self._known: dict[str, LineIndex] = {}
        self.listeners = Listeners()

    def add(self, line: Line) -> None:
        """A line is there."""
        self._of(line.namespace).add(line)
        # Imported lines are not news.
        if line.claim is None:
            self.listeners.line(line)

    def extend(self, lines: Iterable[Line]) -> None:
        """Many lines are there."""
        sorted_out: dict[str, list[Line]] = {}
        for line in lines:
            sorted_out.setdefault(line.namespace, []).append(line)
        for namespace, those in sorted_out.items():
            self._of(namespace).extend(those)

    def remove(self, line: Line) -> None:
        """A line was taken out."""
        index = self._known[line.namespace]
        index.remove(line)
        if not index:
            del self._known[line.namespace]

    def newer(self, namespace: str, records: str, deployments: str) -> list[Line]:
        """The lines of a Namespace that came or changed after these versions, oldest first.

        Args:
            namespace: of which Namespace.
            records: a resourceVersion of the records, for lines that are recorded.
            deployments: one of the Deployments, for those that are not.
        """
        index = self._known.get(namespace)
        if index is None:
            return []
        every = (line for line in index.walk(Filters(), None, self._versions.current) if line.claim is None)
        found = [line for line in every if is_newer(line.version, records if line.recorded else deployments)]
        return found[::-1]

    def count(self, namespace: str) -> int:
        """How many lines a Namespace has."""
        return len(self._known.get(namespace, ()))

    def page(self, namespace: str, wanted: JournalQuery, *, after: Position | None, limit: int) -> JournalPage:
        """Wanted lines of a Namespace, newest first, from the top or from where an earlier page ended.

        Args:
            namespace: of which Namespace.
            wanted: which of its lines.
            after: where an earlier page ended.
            limit: the most lines.
        """
        index = self._known.get(namespace)
        if index is None:
            return JournalPage([], None)
        as_of = after.as_of if after is not None else self._versions.current
        found: list[Line] = []
        last: Line | None = None
        for looked, line in enumerate(index.walk(wanted.times, after, as_of)):
            if last is not None and (len(found) == limit or looked == MAX_LOOKED):
                return JournalPage(found, Position(index.place(last, as_of), as_of))
            if wanted.is_one(line):
                found.append(line)
            last = line
        return JournalPage(found, None)

    def _of(self, namespace: str) -> LineIndex:
        index = self._known.get(namespace)
        if index is None:
            index = self._known[namespace] = LineIndex(self._work, only_all)
        return index
