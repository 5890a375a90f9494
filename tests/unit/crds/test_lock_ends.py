"""Who unlocked: what a lock says of its end, and what that proves."""

from typing import Any

import pytest

from moorage_crds.kinds import lock

CREATED, STAMP = "2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z"


def stored(until: str | None, stamp: str | None) -> dict[str, Any]:
    """A lock that bob changed last."""
    return {
        "metadata": {
            "namespace": "shop",
            "name": "production",
            "uid": "u",
            "resourceVersion": "7",
            "creationTimestamp": CREATED,
        },
        "spec": {"reason": "audit", **({"until": until} if until else {})},
        "provenance": {"createdBy": "alice", "updatedBy": "bob", **({"updatedAt": stamp} if stamp else {})},
    }


@pytest.mark.parametrize(
    ("until", "stamp", "ended"),
    [
        (None, STAMP, False),
        (STAMP, STAMP, True),
        ("2026-01-31T13:00:01Z", STAMP, False),
        ("2026-01-31T14:00:00+01:00", STAMP, True),
        (CREATED, None, True),
        ("2000-01-01T00:00:00Z", None, True),
        # Between creation and a last write that left no time nobody knows which came first.
        ("2026-01-31T12:30:00Z", None, False),
    ],
)
def test_a_lock_was_ended_by_a_write_that_set_no_time_ahead(until: str | None, stamp: str | None, ended: bool) -> None:
    assert lock.from_object(stored(until, stamp)).ended_by == ("bob" if ended else None)
