"""The pages of docs/spec list every field that a kind has, and none that it has not."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from moorage_crds.kinds.kind import Kind
from moorage_crds.kinds.registry import KINDS
from moorage_crds.schema import open_api_schema
from moorage_dev.layout import ROOT

#: Each kind has its page, named like its file.
PAGES = {kind.read.__module__.rpartition(".")[2]: kind for kind in KINDS}

_ROW = re.compile(r"^\| (?P<fields>`[^|]+`) \|", re.MULTILINE)
_FIELD = re.compile(r"`([^`]+)`")
_BRACES = re.compile(r"(?P<stem>[^{]*)\{(?P<names>[^}]*)\}")


def of_the_kind(kind: Kind[Any]) -> set[str]:
    """Every field of the schema: `status.history.tipHash`, `status.conditions[].type`."""
    own = {name: part for name, part in open_api_schema(kind)["properties"].items() if "properties" in part}
    own.pop("metadata", None)
    return {path for name, part in own.items() for path in _leaves(name, part)}


def _leaves(path: str, part: dict[str, Any]) -> Iterator[str]:
    items = part.get("items", {})
    if "properties" in items:
        path, part = f"{path}[]", items
    if "properties" not in part:
        yield path
        return
    for name, inner in part["properties"].items():
        yield from _leaves(f"{path}.{name}", inner)


def of_the_page(page: str) -> list[str]:
    """Every field of the table of fields; `a.{b,c}` stands for two."""
    text = (ROOT / f"docs/spec/{page}.md").read_text(encoding="utf-8")
    # Tables of conditions have other columns.
    table = text.split("| field | meaning |")[1].split("\n\n")[0]
    cells = [row["fields"] for row in _ROW.finditer(table)]
    return [field for cell in cells for written in _FIELD.findall(cell) for field in _spelled_out(written)]


def _spelled_out(written: str) -> list[str]:
    found = _BRACES.fullmatch(written)
    return [written] if found is None else [found["stem"] + name.strip() for name in found["names"].split(",")]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_lists_the_fields_of_its_kind(page: str) -> None:
    listed = [field for field in of_the_page(page) if not field.startswith("metadata.")]
    assert len(listed) == len(set(listed))
    assert set(listed) == of_the_kind(PAGES[page])
