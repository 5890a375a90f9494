"""Answers as text: a table as kubectl writes them, or JSON, YAML, CSV, names. Pure."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

#: A cell that begins so is a formula to a spreadsheet; an apostrophe in front keeps it a text.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class Form(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"
    NAME = "name"


def written(rows: Sequence[Mapping[str, Any]], form: Form, *, narrow: Sequence[str] = (), name: str = "") -> str:
    """Rows as text.

    Args:
        rows: JSON values, all with the same keys.
        form: how.
        narrow: the columns of a table; empty: all. `wide` has all.
        name: the key that `name` writes.
    """
    match form:
        case Form.JSON:
            return json.dumps(list(rows), indent=2, ensure_ascii=False) + "\n"
        case Form.YAML:
            import yaml  # noqa: PLC0415 — only this form needs it

            return yaml.safe_dump([dict(row) for row in rows], sort_keys=False, allow_unicode=True)
        case Form.CSV:
            return _csv(rows)
        case Form.NAME:
            return "".join(f"{row[name]}\n" for row in rows)
        case Form.TABLE | Form.WIDE:
            columns = list(narrow) if form is Form.TABLE and narrow else list(rows[0]) if rows else []
            return table(rows, columns)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Columns as wide as their widest cell, nothing without rows; control characters cannot move the cursor."""
    if not rows:
        return ""
    lines = [[column.upper().replace("_", " ") for column in columns]]
    lines += [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(_cell, value)) or "-"
    if isinstance(value, Mapping):
        # Such as a window of a Freeze: `from 2026-01-31T12:00:00Z until 2026-02-01T12:00:00Z`.
        return " ".join(f"{key} {_cell(one)}" for key, one in value.items())
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow(["" if value is None else _safe(_text(value)) for value in row.values()])
    return out.getvalue()


def _text(value: Any) -> str:
    """One value of CSV: words and numbers as they are, everything else as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list | Mapping) else str(value)


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
