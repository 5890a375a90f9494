"""Moments as Kubernetes writes them. Pure: `clock` alone reads the time."""

from datetime import UTC, datetime


def to_text(moment: datetime) -> str:
    """A moment as Kubernetes writes it: `2026-01-31T12:00:00Z`, whole seconds."""
    # Not strftime, which writes the year 1 with one digit.
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def parse(text: str) -> datetime:
    """The moment that a text of RFC 3339 means, in UTC.

    Raises:
        ValueError: it is none, or has no zone.
        OverflowError: its zone moves it out of the years 1 to 9999.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        message = f"the time {text!r} has no time zone"
        raise ValueError(message)
    return moment.astimezone(UTC)


def to_moment(text: str | None) -> datetime | None:
    """The same of what may be no time at all; None if it is none."""
    if text is None:
        return None
    try:
        return parse(text)
    except (TypeError, ValueError, OverflowError):
        return None
