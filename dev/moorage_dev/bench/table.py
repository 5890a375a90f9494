"""Figures as a table for people and as JSON for machines."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from moorage_dev.bench.figures import Figure, Samples

_HEAD = ("figure", "median (range)", "baseline, median (range)", "ratio", "aim", "")


def text(figures: Sequence[Figure]) -> str:
    """A table per suite, columns aligned; notes below."""
    parts: list[str] = []
    for suite in dict.fromkeys(figure.suite for figure in figures):
        chosen = [figure for figure in figures if figure.suite == suite]
        rows = [_HEAD, *(_row(figure) for figure in chosen)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines.insert(1, "  ".join("-" * width for width in widths))
        parts.append("\n".join([f"\n{suite}", *lines, *_notes(chosen)]))
    return "\n".join(parts)


def markdown(figures: Sequence[Figure]) -> str:
    """The same as Markdown."""
    parts: list[str] = []
    for suite in dict.fromkeys(figure.suite for figure in figures):
        chosen = [figure for figure in figures if figure.suite == suite]
        rows = [_HEAD, tuple("---" for _ in _HEAD), *(_row(figure) for figure in chosen)]
        lines = [f"| {' | '.join(row)} |" for row in rows]
        parts.append("\n".join([f"### {suite}", "", *lines, "", *_notes(chosen)]).rstrip())
    return "\n\n".join(parts)


#: Where the tables begin in docs/benchmarks.md; everything from here on is written by `write_document`.
HEADING = "## The last run"


def write_document(path: Path, figures: Sequence[Figure], found: Mapping[str, Any]) -> None:
    """Replace the tables of a page that people wrote."""
    prose = path.read_text(encoding="utf-8").partition(HEADING)[0]
    machine = f"{found['cores']} cores, {found['memory_gib']:g} GiB, Python {found['python']}"
    size = f"{found['rounds']} rounds, scale {found['scale']:g}"
    when = f"{found['date']}, {machine}; {size}; load average before the run {found['load_average_before']:g}."
    path.write_text(f"{prose}{HEADING}\n\n{when}\n\n{markdown(figures)}\n", encoding="utf-8")


def write_json(path: Path, figures: Sequence[Figure], context: Mapping[str, Any]) -> None:
    """Write everything that was measured, round by round."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {**context, "figures": [_plain(figure) for figure in figures]}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def context(*, rounds: int, scale: float) -> dict[str, Any]:
    """When, on what, and how."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "machine": platform.machine(),
        "load_average_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "moorage": metadata.version("moorage"),
        "rounds": rounds,
        "scale": scale,
    }


def _row(figure: Figure) -> tuple[str, ...]:
    baseline = figure.baseline
    verdict = ""
    if figure.aims:
        verdict = "reached" if all(figure.reached(aim) for aim in figure.aims) else "MISSED"
    return (
        f"{figure.name}{f' [{figure.unit}]' if figure.unit else ''}",
        _shown(figure.samples),
        f"{baseline.name}: {_shown(baseline.samples)}" if baseline else "–",
        f"{figure.ratio:.2f}×" if figure.ratio is not None else "–",
        ", ".join(map(str, figure.aims)) or "–",
        verdict,
    )


def _shown(samples: Samples) -> str:
    if samples.low == samples.high:
        return _number(samples.median)
    return f"{_number(samples.median)} ({_number(samples.low)}–{_number(samples.high)})"


def _number(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _notes(figures: Sequence[Figure]) -> list[str]:
    return [f"- {note}" for note in dict.fromkeys(figure.note for figure in figures if figure.note)]


def _plain(figure: Figure) -> dict[str, Any]:
    baseline = figure.baseline
    return {
        "suite": figure.suite,
        "name": figure.name,
        "unit": figure.unit,
        **_spread(figure.samples),
        "baseline": {"name": baseline.name, **_spread(baseline.samples)} if baseline else None,
        "ratio": figure.ratio,
        "aims": [{"aim": str(aim), "reached": figure.reached(aim)} for aim in figure.aims],
        "note": figure.note,
    }


def _spread(samples: Samples) -> dict[str, Any]:
    return {"median": samples.median, "low": samples.low, "high": samples.high, "rounds": list(samples.values)}
