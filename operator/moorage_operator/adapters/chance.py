"""Everything that is random: jitter, request ids, the name of this replica."""

import random
import secrets
import socket


def jitter() -> float:
    """A factor between 0.5 and 1, so that retries spread."""
    return random.uniform(0.5, 1.0)  # noqa: S311 — spread, not secrecy


def request_id() -> str:
    """A new request id for a note of the operator."""
    return f"operator-{secrets.token_hex(12)}"


def replica_name() -> str:
    """A name that no other process has, readable in `kubectl get lease`."""
    return f"{socket.gethostname()}_{secrets.token_hex(4)}"
