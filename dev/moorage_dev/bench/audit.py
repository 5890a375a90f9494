"""Writes as the API server's audit log tells them: who wrote what, and when."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Write:
    """One write that was answered 2xx.

    Attributes:
        resource: plural, with the subresource if there is one.
        place: namespace and name (empty in most creates).
        began, ended: when the API server got it and answered, seconds since the epoch.
    """

    resource: str
    verb: str
    place: tuple[str, str]
    began: float
    ended: float


class Follower:
    """Collects the writes of one account from now on.

    Reads only what is new: who counts while he measures must not use the processor that is measured.

    Args:
        log: the audit log.
        user: full name of the account.
    """

    def __init__(self, log: Path, user: str) -> None:
        self._log = log
        self._user = user
        self._offset = log.stat().st_size if log.is_file() else 0
        self._writes: list[Write] = []

    def writes(self) -> list[Write]:
        """All writes so far, in the order of their answers; the Lease is left out."""
        with self._log.open("rb") as handle:
            handle.seek(self._offset)
            content = handle.read()
        # The last line may still be growing.
        complete = content[: content.rfind(b"\n") + 1]
        self._offset += len(complete)
        name = self._user.encode()
        # Most lines are others' reads: only those that can matter are parsed.
        lines = (line for line in complete.splitlines() if name in line)
        found = (_write(line, self._user) for line in lines)
        self._writes += [write for write in found if write is not None and write.resource != "leases"]
        return self._writes


def _write(line: bytes, user: str) -> Write | None:
    event = json.loads(line)
    if event["stage"] != "ResponseComplete" or event["user"]["username"] != user or event["verb"] not in _WRITES:
        return None
    if (event.get("responseStatus") or {}).get("code", 0) >= 300:
        return None
    target = event.get("objectRef") or {}
    subresource = f"/{target['subresource']}" if target.get("subresource") else ""
    return Write(
        resource=f"{target.get('resource', '')}{subresource}",
        verb=event["verb"],
        place=(target.get("namespace", ""), target.get("name", "")),
        began=datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
        ended=datetime.fromisoformat(event["stageTimestamp"]).timestamp(),
    )


def of(writes: Iterable[Write], resource: str) -> list[Write]:
    """Only the writes of that resource."""
    return [write for write in writes if write.resource == resource]


def shortest_gap(writes: Iterable[Write]) -> float:
    """The shortest time between two writes of the same object, in seconds; infinite if no object has two."""
    last: dict[tuple[str, str], float] = {}
    shortest = math.inf
    for write in sorted(writes, key=lambda one: one.began):
        if write.place in last:
            shortest = min(shortest, write.began - last[write.place])
        last[write.place] = write.began
    return shortest
