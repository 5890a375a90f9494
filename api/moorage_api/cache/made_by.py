"""Which line of history a user's request with an Idempotency-Key made."""

from moorage_api.cache.line import Line
from moorage_api.contract import idempotency


class MadeBy:
    """Lines by Namespace, user and hash of the key."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Line] = {}

    def __len__(self) -> int:
        """How many keys are known."""
        return len(self._known)

    def get(self, namespace: str, user: str, key: str) -> Line | None:
        """The line that the key made. `key`: its hash."""
        return self._known.get((namespace, user, key))

    def note(self, line: Line) -> None:
        """A line is there."""
        key = _key_of(line)
        if key is not None:
            self._known[key] = line

    def forget(self, line: Line) -> None:
        """A line was taken out."""
        key = _key_of(line)
        if key is not None and self._known.get(key) == line:
            del self._known[key]


def _key_of(line: Line) -> tuple[str, str, str] | None:
    """Whose Idempotency-Key made the line. Every writer can claim any request id, but never another user."""
    found = idempotency.split(line.request_id)
    return (line.namespace, line.by, found.key) if found is not None and line.by is not None else None
