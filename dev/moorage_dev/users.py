"""The people of the demo and the tests, known to the API server by tokens that are new at every start."""

import csv
import secrets
from pathlib import Path

ADMIN = "admin"
#: Who the demo's story is about.
DEMO = ("alice", "bob", "carol", "ci-bot", "viewer")
#: Everybody else: tests need strangers, a name that is not ASCII, and many at once.
OTHERS = ("dave", "erin", "mallory", "élise", *(f"user-{number:02}" for number in range(1, 31)))
ALL = (ADMIN, *DEMO, *OTHERS)


def write_tokens(path: Path) -> dict[str, str]:
    """Write the API server's token file; user → token."""
    tokens = {user: secrets.token_urlsafe(24) for user in ALL}
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8", newline="") as handle:
        rows = csv.writer(handle)
        for user, token in tokens.items():
            groups = ["system:masters"] if user == ADMIN else []
            rows.writerow([token, user, f"uid-{user}", *groups])
    return tokens


def read_tokens(path: Path) -> dict[str, str]:
    """User → token, from a file that `write_tokens` made."""
    with path.open(encoding="utf-8", newline="") as handle:
        return {row[1]: row[0] for row in csv.reader(handle)}


def stem(user: str) -> str:
    """A file or object name for a user: users may have names that neither may have."""
    return user if user.isascii() else f"u-{user.encode().hex()}"
