"""The README of the chart, made from the comments in its values.yaml by `make generate`."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from moorage_dev.layout import ROOT

CHART = ROOT / "charts/moorage"
_HEAD = """\
# The Helm chart of Moorage

    helm install moorage charts/moorage --namespace moorage-system --create-namespace --set image.repository=…

docs/install.md says what to think of before that, docs/upgrade.md and docs/uninstall.md what comes after. This page is
generated from the comments in values.yaml; values.schema.json refuses everything that is not listed here.

| value | default | meaning |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Value:
    """A documented value.

    Attributes:
        path: keys from the top.
        text: what its comment says.
    """

    path: tuple[str, ...]
    text: str


def documented() -> Iterator[Value]:
    """The values with a comment that begins with `# --`, in the order of the file."""
    path: list[str] = []
    comment: list[str] = []
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = [stripped.removeprefix("# -- ")]
        elif stripped.startswith("# ") and comment:
            comment.append(stripped.removeprefix("# "))
        elif key := re.match(r"( *)([A-Za-z]+):", line):
            path[len(key[1]) // 2 :] = [key[2]]
            if comment:
                yield Value(tuple(path), " ".join(comment))
            comment = []


def default(value: Value) -> Any:
    """What values.yaml says."""
    found = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    for key in value.path:
        found = found[key]
    return found


def text() -> str:
    """The whole page."""
    rows = (f"| `{'.'.join(value.path)}` | `{json.dumps(default(value))}` | {value.text} |\n" for value in documented())
    return _HEAD + "".join(rows)
