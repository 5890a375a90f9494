"""Two test runs side by side: which tests stay together, and what both leave for the look back at the whole run."""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

#: Folders whose tests want the machine's only node, image store, browser or ports: never two of them at once.
_OF_THE_MACHINE: Final = frozenset({"clients", "first_steps", "image", "node", "web"})
#: Folders whose tests share a cluster of their own.
_TOGETHER: Final = frozenset({"chart", "engines"})
_MACHINE: Final = "machine"


def assign(items: list[pytest.Item]) -> None:
    """Mark what stays together in one lane of `--dist loadgroup`, and put the longest group first.

    Everything else stays together by its file, so a fixture of a module is set up once.
    """
    groups = {item: _group(item.path) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: groups[item] != _MACHINE)


def _group(path: Path) -> str:
    folder = path.parent.name
    if folder in _OF_THE_MACHINE:
        return _MACHINE
    return folder if folder in _TOGETHER else f"{folder}/{path.stem}"


def keep(log: Path, folder: Path) -> None:
    """Put the audit log of a cluster that has ended where the next run finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.log"
    kept.unlink(missing_ok=True)
    shutil.move(log, kept)


def kept(folder: Path | None) -> list[Path]:
    """The audit logs that `keep` has put there."""
    return sorted(folder.glob("*.log")) if folder is not None else []
