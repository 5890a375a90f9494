"""The only file that reads the time. Everything else gets a `Clock`, or a moment as a fact."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from a clock that never jumps; only differences mean something."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from a clock that never jumps."""
        return time.monotonic()


def to_rfc3339(moment: datetime) -> str:
    """`2026-01-31T12:00:00Z`: whole seconds in UTC, as Kubernetes writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_rfc3339(text: str) -> datetime:
    """Parse a time with a zone.

    Raises:
        ValueError: not a time of RFC 3339, or without a zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        message = f"the time {text!r} has no time zone"
        raise ValueError(message)
    return moment.astimezone(UTC)
