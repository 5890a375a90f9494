"""The files of the page: read once at start, served with the policy that lets them load nothing from elsewhere."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from moorage_api.contract import errors
from moorage_api.operation import Answer, Facade, Visit

#: What the page may load and whom it may call: itself. No text can become a script (`require-trusted-types-for`).
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".json": "application/json",
}
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
#: Names of assets hold a hash of their content, so a file that was loaded once stays valid.
_IMMUTABLE: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
#: Below this a compressed file saves nothing, in bytes.
_WORTH: Final = 1_024
_NOT_BUILT: Final = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Moorage</title></head><body><h1>Moorage</h1>
<p>The page is not built here: <code>make page</code> builds it, then start the facade again.</p>
<p>The REST API works without it: <a href="/docs">reference</a>, <a href="/openapi.json">OpenAPI document</a>.</p>
</body></html>
"""


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    kind: str
    compressed: bytes | None


class PageFiles:
    """The built files of the page.

    Args:
        folder: where `make page` has put them; None: they are not built, and a short page says so.
    """

    def __init__(self, folder: Path | None) -> None:
        self._files: Mapping[str, _File] = _read(folder) if folder is not None else {}

    async def index(self, facade: Facade, visit: Visit) -> Answer:
        """The page, which shows what its address says."""
        index = self._files.get("index.html")
        return self._answer(visit, index if index is not None else _file(_NOT_BUILT, ".html"))

    async def asset(self, facade: Facade, visit: Visit) -> Answer:
        """One of its files."""
        found = self._files.get(f"assets/{visit.params['name']}")
        if found is None:
            raise errors.not_found("path", visit.params["name"])
        answer = self._answer(visit, found)
        answer.headers.update(_IMMUTABLE)
        return answer

    async def reference(self, facade: Facade, visit: Visit) -> Answer:
        """The reference of the API; without a built page the plain one."""
        found = self._files.get("reference.html")
        if found is not None:
            return self._answer(visit, found)
        plain = files("moorage_api").joinpath("docs.html").read_bytes()
        policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"
        return Answer(plain, content_type=_TYPES[".html"], headers={"Content-Security-Policy": policy})

    def _answer(self, visit: Visit, file: _File) -> Answer:
        headers = dict(_HEADERS)
        content = file.content
        if file.compressed is not None:
            headers["Vary"] = "Accept-Encoding"
            if _takes_gzip(visit.headers.get("Accept-Encoding", "")):
                headers["Content-Encoding"], content = "gzip", file.compressed
        return Answer(content, content_type=file.kind, headers=headers)


def built_page() -> Path | None:
    """Where the built page is: in the installed package, else in the checkout; None if it is not built."""
    here = Path(__file__).resolve()
    for folder in (here.parents[1] / "page", here.parents[3] / "web" / "dist"):
        if (folder / "index.html").is_file():
            return folder
    return None


def _takes_gzip(header: str) -> bool:
    codings = [part.partition(";q=") for part in header.lower().replace(" ", "").split(",")]
    return any(coding == "gzip" and (quality or "1").strip("0.") for coding, _, quality in codings)


def _file(content: bytes, suffix: str) -> _File:
    compressed = (
        gzip.compress(content, mtime=0) if len(content) >= _WORTH and suffix not in {".png", ".woff2"} else None
    )
    return _File(content, _TYPES[suffix], compressed)


def _read(folder: Path) -> dict[str, _File]:
    """Everything that a browser may ask for. Other files, such as maps of sources, stay inside."""
    return {
        path.relative_to(folder).as_posix(): _file(path.read_bytes(), path.suffix)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _TYPES
    }
