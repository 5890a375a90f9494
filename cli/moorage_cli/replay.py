"""Finds the past changes that a promotion rule would have refused, by a replay in the engine. Pure but for reading.

`moorage explain --replay FILE` prints it. A file has the columns time, app, environment and release, oldest first; an
empty release takes the app out. Files that end in .xz are unpacked. Where the evidence of an Environment keeps the
releases of an app that soaked last, a replay keeps all of them.
"""

import csv
import lzma
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TextIO

from moorage_crds.gates import engine
from moorage_crds.gates.promotion import PromotionGate
from moorage_crds.gates.verdict import AskedChange
from moorage_crds.moments import parse

COLUMNS: Final = ("time", "app", "environment", "release")


class ReplayError(Exception):
    """The file is none that can be replayed. The message names it, the line where there is one, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Line:
    """One change of the past.

    Attributes:
        release: None takes the app out.
        by: whom the file names, in a column of that name.
        reason: the same of a column `reason`.
    """

    at: datetime
    app: str
    environment: str
    release: str | None
    by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Into `environment` goes only what has run in `origin` for `soak`."""

    environment: str
    origin: str
    soak: timedelta
    soak_text: str


@dataclass(slots=True)
class Report:
    """How the changes of the protected environment would have fared.

    Attributes:
        changes: all of them that changed a release.
        back: how many went back to a release that was there before.
        unproven: how many are refused because the release has not run there, or left before it had soaked.
        early: how many are refused because the release has not soaked yet.
    """

    changes: int = 0
    back: int = 0
    unproven: int = 0
    early: int = 0

    @property
    def refused(self) -> int:
        """How many the rule would have refused, for one reason or the other."""
        return self.unproven + self.early


def lines_of(path: Path) -> Iterator[Line]:
    """The lines of a file, in its order.

    Raises:
        ReplayError: it cannot be read, a column is missing, a time is none, or a line is older than the one before.
    """
    try:
        with _opened(path) as text:
            yield from _in_order(path, csv.DictReader(text, strict=True))
    except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        message = f"cannot read {path}: {why}"
        raise ReplayError(message) from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _in_order(path: Path, reader: "csv.DictReader[str]") -> Iterator[Line]:
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        message = f"{path}, line 1: the columns {', '.join(missing)} are missing"
        raise ReplayError(message)
    newest: datetime | None = None
    for row in reader:
        place = f"{path}, line {reader.line_num}"
        line = _line(row, place)
        if newest is not None and line.at < newest:
            message = f"{place}: it is older than the line before; sort the lines by time"
            raise ReplayError(message)
        newest = line.at
        yield line


def _line(row: Mapping[str, str | None], place: str) -> Line:
    absent = [name for name in COLUMNS if row[name] is None or (name != "release" and not row[name])]
    if absent:
        message = f"{place}: {', '.join(absent)} must have a value"
        raise ReplayError(message)
    try:
        at = parse(row["time"] or "")
    except (ValueError, OverflowError) as error:
        message = f"{place}: time must be RFC 3339 with a zone: {error}"
        raise ReplayError(message) from error
    return Line(
        at, row["app"] or "", row["environment"] or "", row["release"] or None, row.get("by"), row.get("reason")
    )


def replay(lines: Iterable[Line], rule: Rule) -> Report:
    """Ask the engine of every change into the protected environment, at its own time."""
    report = Report()
    active: dict[tuple[str, str], str | None] = {}
    since: dict[str, dict[str, datetime]] = defaultdict(dict)
    known: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        key = (line.environment, line.app)
        present = active.get(key)
        if line.release == present:
            continue
        if line.environment == rule.origin:
            _leave(since[line.app], present, line, rule)
        if line.environment == rule.environment:
            _judge(report, line, present, rule, since[line.app], frozenset(known[line.app]))
            known[line.app] |= {release for release in (present, line.release) if release is not None}
        active[key] = line.release
    return report


def _leave(since: dict[str, datetime], present: str | None, line: Line, rule: Rule) -> None:
    """Before there: the release that leaves counts only if it had soaked; the one that comes begins now."""
    if present is not None and since[present] + rule.soak > line.at:
        del since[present]
    if line.release is not None:
        since.setdefault(line.release, line.at)


def _judge(
    report: Report, line: Line, present: str | None, rule: Rule, since: dict[str, datetime], known: frozenset[str]
) -> None:
    moment = since.get(line.release or "")
    proven = {line.release: moment + rule.soak} if line.release and moment else {}
    gate = PromotionGate(rule.environment, rule.origin, rule.soak_text, proven=proven, known=known & {line.release})
    (verdict,) = engine.verdicts([gate], AskedChange(rule.environment, line.app, line.release, present), line.at)
    report.changes += 1
    report.back += line.release in known
    report.early += verdict.refuses and verdict.opens_at is not None
    report.unproven += verdict.refuses and verdict.opens_at is None
