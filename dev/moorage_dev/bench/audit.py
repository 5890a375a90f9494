"""Writes as the API server's audit log tells them: who wrote what, and when."""

import json
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


def mark(log: Path) -> int:
    """A place in the log, for `writes_since`."""
    return log.stat().st_size if log.is_file() else 0


def writes_since(log: Path, start: int, *, user: str) -> list[Write]:
    """The writes of one account after that place, in the order of their answers."""
    with log.open("rb") as handle:
        handle.seek(start)
        lines = handle.read().splitlines(keepends=True)
    name = user.encode()
    # Most lines are others' reads: only those that can matter are parsed. The last one may still be growing.
    chosen = (line for line in lines if name in line and line.endswith(b"\n"))
    return [write for write in map(_write, chosen, [user] * len(lines)) if write is not None]


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


def densest(writes: Iterable[Write], *, window: float = 1.0) -> int:
    """The most writes of one object within any `window` seconds."""
    by_place: dict[tuple[str, str], list[float]] = {}
    for write in writes:
        by_place.setdefault(write.place, []).append(write.began)
    most = 0
    for times in by_place.values():
        times.sort()
        first = 0
        for index, moment in enumerate(times):
            while moment - times[first] >= window:
                first += 1
            most = max(most, index - first + 1)
    return most
