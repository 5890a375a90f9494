"""The documented envelope of errors, as tests read it."""

import re
from typing import Any

from moorage_dev.rest_client import Answer

MICROSECOND = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}")


def error_of(answer: Answer) -> dict[str, Any]:
    """Status and body of an error in the documented envelope."""
    body = answer.json()
    assert list(body) == ["error", "message", "details", "timestamp", "status_code"]
    assert MICROSECOND.fullmatch(body["timestamp"])
    assert body["status_code"] == answer.status
    return dict(body)
