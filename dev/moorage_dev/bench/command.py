"""The command: which suites, in which labs, and what becomes of their figures."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from moorage_dev.bench import population, table
from moorage_dev.bench.figures import Figure
from moorage_dev.bench.lab import Lab, opened
from moorage_dev.bench.plan import Plan
from moorage_dev.bench.population import World
from moorage_dev.bench.suites import (
    commanding,
    delivering,
    deploying,
    draining,
    governing,
    growing,
    guarding,
    lagging,
    reading,
    showing,
    starting,
    syncing,
    writing,
)
from moorage_dev.layout import RUN

#: Suites in a world of 10,000 Deployments, in this order: the last one changes it.
_POPULATED: dict[str, Callable[[Lab, Plan, World], list[Figure]]] = {
    starting.NAME: starting.measure,
    syncing.NAME: syncing.measure,
    reading.NAME: reading.measure,
    commanding.NAME: commanding.measure,
    delivering.NAME: delivering.measure,
    deploying.NAME: deploying.measure,
}
#: Suites that make what they need.
_EMPTY: dict[str, Callable[[Lab, Plan], list[Figure]]] = {
    writing.NAME: writing.measure,
    draining.NAME: draining.measure,
    lagging.NAME: lagging.measure,
    guarding.NAME: guarding.measure,
    governing.NAME: governing.measure,
    showing.NAME: showing.measure,
}
NAMES = (*_POPULATED, *_EMPTY, growing.NAME)


def main(argv: Sequence[str]) -> int:
    """Measure; 0 when everything could be measured, whether or not the aims are reached."""
    wanted = _parser().parse_args(argv)
    plan = Plan(rounds=wanted.rounds, scale=wanted.scale)
    chosen = wanted.only or list(NAMES)
    report = _Report(wanted.json, plan)
    folder = Path(tempfile.mkdtemp(prefix="moorage-bench-"))
    try:
        _run(folder, plan, chosen, report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report.end(wanted.document)
    return 0


class _Report:
    """Prints every suite when it is done, and keeps the JSON file complete so far."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self._path = path
        self._context = table.context(rounds=plan.rounds, scale=plan.scale)
        self.figures: list[Figure] = []

    def add(self, figures: list[Figure]) -> None:
        """Take in what a suite found."""
        self.figures += figures
        sys.stdout.write(f"{table.text(figures)}\n\n")
        sys.stdout.flush()
        table.write_json(self._path, self.figures, self._context)

    def end(self, document: Path | None) -> None:
        """Say where the file is, and write the tables into a page if there is one."""
        if document is not None:
            table.write_document(document, self.figures, self._context)
        missed = sum(not figure.reached(aim) for figure in self.figures for aim in figure.aims)
        sys.stdout.write(f"{len(self.figures)} figures, {missed} aims missed; all rounds are in {self._path}\n")


def _run(folder: Path, plan: Plan, chosen: Sequence[str], report: _Report) -> None:
    if populated := [name for name in _POPULATED if name in chosen]:
        world = World(plan.deployments, population.whole_second())
        with opened(folder / "populated") as lab:
            lab.populate(world)
            for name in populated:
                report.add(_POPULATED[name](lab, plan, world))
    for name, measure in _EMPTY.items():
        if name in chosen:
            with opened(folder / name) as lab:
                report.add(measure(lab, plan))
    if growing.NAME in chosen:
        report.add(growing.measure(folder / growing.NAME, plan))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m moorage_dev bench",
        description="Measure Moorage on a control plane of its own, every figure beside a baseline of the same run.",
    )
    parser.add_argument(
        "--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}; may be repeated"
    )
    parser.add_argument("--rounds", type=_count, default=5, help="how often everything is measured (default 5)")
    parser.add_argument(
        "--scale", type=_share, default=1.0, help="share of the full sizes, for a quick look: 0.05 (default 1)"
    )
    parser.add_argument("--json", type=Path, default=RUN / "bench.json", help="where the figures go")
    parser.add_argument("--document", type=_page, help="page whose last part becomes the tables: docs/benchmarks.md")
    return parser


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= 100):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rounds: give 1 to 100")
    return int(text)


def _page(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no page {text!r}: give one that exists, such as docs/benchmarks.md")
    return path


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a scale: give a number above 0, at most 1")
    return share
