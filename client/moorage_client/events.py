"""Server-sent events: bytes of a stream → events. Pure; made after the rules of the HTML standard, section 9.2.6."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        name: its type, `message` if it has none.
        data: its text, lines joined by line feeds.
        id: of the last event that had one; send it as `Last-Event-ID` to resume from there.
    """

    name: str
    data: str
    id: str


@dataclass(slots=True)
class Parser:
    """Takes lines without their ends, gives events."""

    _name: str = ""
    _data: list[str] = field(default_factory=list)
    _id: str = ""

    def feed(self, line: str) -> Event | None:
        """Take one line; an empty one ends an event, which is returned if it has data."""
        if not line:
            return self._finished()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case _:  # a comment keeps the connection alive; other fields are not for us
                pass
        return None

    def _finished(self) -> Event | None:
        found = Event(self._name or "message", "\n".join(self._data), self._id) if self._data else None
        self._name, self._data = "", []
        return found
