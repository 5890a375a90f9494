"""Bounds kopf's log: while the API server is away, each of its watches logs each attempt as an error."""

import logging
from typing import Final

from typing_extensions import override

#: Seconds between two log lines of the same place in kopf's code, at least.
PAUSE_SECONDS: Final = 10.0


class OnceInAWhile(logging.Filter):
    """Lets a line of kopf through if none of the same place was for a while; it says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[tuple[str, int], float] = {}
        self._left_out: dict[tuple[str, int], int] = {}

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.name != "kopf" and not record.name.startswith("kopf."):
            return True
        place = (record.pathname, record.lineno)
        if record.created - self._written.get(place, float("-inf")) < PAUSE_SECONDS:
            self._left_out[place] = self._left_out.get(place, 0) + 1
            return False
        self._written[place] = record.created
        left_out = self._left_out.pop(place, 0)
        if left_out:
            record.fields = {"similar_lines_left_out": left_out}
        return True


def bound_kopf_logs() -> None:
    """Put the filter before everything that writes logs in this process; call it after `configure_logging`."""
    lines = OnceInAWhile()
    for handler in logging.getLogger().handlers:
        handler.addFilter(lines)
