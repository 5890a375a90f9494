"""JSON logs, alike in both processes: one line per event on standard error, every value escaped.

A record carries its structured part in `extra={"fields": {...}}`. Nothing that is secret is ever put there: tokens do
not reach a log call (the access log names the user, not the credential).
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

import orjson

#: Where the operator keeps the records that retention removes. What is written there is the last copy of a part of the
#: history, not a message about the process: it is written whatever the level.
HISTORY_LOGGER: Final = "moorage.history"

#: Loggers of libraries that tell every call at INFO.
_CHATTY = ("kopf", "kopf.objects", "kopf.activities", "aiohttp.access", "asyncio")


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, process, message, and the fields."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": self._process,
            "message": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= {key: value for key, value in fields.items() if key not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def configure_logging(level: str, process: str) -> None:
    """Send all logs of this process to standard error as JSON lines.

    Args:
        level: a name of `logging`, such as INFO; `HISTORY_LOGGER` does not follow it.
        process: `operator` or `api`, put into every line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # A handler has no level of its own, so what this logger lets through is written.
    logging.getLogger(HISTORY_LOGGER).setLevel(logging.INFO)
