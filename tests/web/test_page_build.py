"""The page has the types of the API, its logic is tested, and what is built is small and has nothing inline."""

import gzip
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from moorage_dev import page
from moorage_dev.failures import DevError
from moorage_dev.node_js import Node

#: What a browser loads in all, compressed, at most.
LARGEST = 100_000


@pytest.fixture(scope="module")
def node() -> Node:
    """Node with the packages of the lock."""
    return page.tools()


@pytest.fixture(scope="module")
def built() -> Path:
    """The folder of the built page."""
    page.build()
    return page.DIST


def test_types_of_the_page_are_those_of_the_api(node: Node) -> None:
    node.run(["node_modules/typescript/bin/tsc", "--noEmit"], folder=page.WEB, what="tsc")


def test_logic_of_the_page(node: Node) -> None:
    said = node.run(["node_modules/vitest/vitest.mjs", "run"], folder=page.WEB, what="vitest")
    assert re.search(r"Tests .*\d+ passed", said)


def test_second_build_does_nothing(built: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    assert page.build() is False
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before


def test_all_that_a_browser_loads_is_small(built: Path) -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in built.rglob("*") if path.is_file()}
    assert sum(sizes.values()) <= LARGEST, sizes


class _Inline(HTMLParser):
    """Collects what a strict policy refuses: scripts and styles in the document, handlers, addresses of elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag
        names = dict(attrs)
        self.found += [f"{tag} {name}" for name in names if name.startswith("on") or name == "style"]
        self.found += [f"{tag} {value}" for value in (names.get("src"), names.get("href")) if value and "://" in value]

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in {"script", "style"} and data.strip():
            self.found.append(f"{self._open} {data.strip()[:40]}")


def _documents(folder: Path) -> Iterator[str]:
    return (path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.html")))


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(built: Path) -> None:
    documents = [*_documents(built)]
    assert len(documents) == 2
    for document in documents:
        parser = _Inline()
        parser.feed(document)
        assert parser.found == []


def test_scripts_and_styles_name_no_address_of_elsewhere(built: Path) -> None:
    # Names of XML languages look like addresses, and nothing is loaded from them.
    allowed = {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML", "http://www.w3.org/1999/xhtml"}
    text = "".join(path.read_text(encoding="utf-8") for path in built.glob("assets/*"))
    assert set(re.findall(r"https?://[\w./-]+", text)) <= allowed


def test_lock_pins_every_package_and_names_no_registry() -> None:
    text = (page.WEB / "package-lock.json").read_text(encoding="utf-8")
    packages = {name: one for name, one in json.loads(text)["packages"].items() if name}
    assert packages
    assert [name for name, one in packages.items() if not one.get("integrity") or "resolved" in one] == []
    assert "registry" not in text


def _checkout(folder: Path, *, program: str) -> Path:
    """A checkout whose page is that program; its folder `web`."""
    web = folder / "web"
    (web / "src").mkdir(parents=True)
    (web / "src/api").mkdir()
    (folder / "docs").mkdir()
    (folder / "docs/openapi.json").write_bytes((page.ROOT / "docs/openapi.json").read_bytes())
    for name in ("package.json", "package-lock.json", "vite.config.ts", "tsconfig.json"):
        (web / name).write_bytes((page.WEB / name).read_bytes())
    for name in ("index.html", "reference.html"):
        (web / name).write_text('<script type="module" src="/src/main.tsx"></script>', encoding="utf-8")
    (web / "src/main.tsx").write_text(program, encoding="utf-8")
    (web / "node_modules").symlink_to(page.WEB / "node_modules")
    return web


def test_build_follows_its_sources_and_the_document_of_the_api(node: Node, tmp_path: Path) -> None:
    web = _checkout(tmp_path, program="document.title = 'one';")
    assert [page.build(web), page.build(web)] == [True, False]
    (web / "src/main.tsx").write_text("document.title = 'two';", encoding="utf-8")
    assert [page.build(web), page.build(web)] == [True, False]
    (tmp_path / "docs/openapi.json").write_text('{"openapi": "3.1.0", "info": {}, "paths": {}}', encoding="utf-8")
    assert [page.build(web), page.build(web)] == [True, False]


def test_failed_build_says_why_and_is_tried_again(node: Node, tmp_path: Path) -> None:
    web = _checkout(tmp_path, program="this is not a program")
    for _attempt in range(2):
        with pytest.raises(DevError, match="the build of the page failed, it said last"):
            page.build(web)
