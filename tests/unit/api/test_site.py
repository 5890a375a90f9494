"""The files of the page: what is served where, with which headers, and what is not shadowed."""

import gzip
from pathlib import Path

import pytest
from facade_world import World

from moorage_api.handlers.pages import POLICY, PageFiles

SCRIPT = b"console.log(1);" * 200


@pytest.fixture
def world(tmp_path: Path) -> World:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(b"<!doctype html>page")
    (folder / "reference.html").write_bytes(b"<!doctype html>reference")
    (folder / "assets" / "main-1a2b.js").write_bytes(SCRIPT)
    (folder / "assets" / "main-1a2b.js.map").write_bytes(b"secret source")
    (tmp_path / "outside.js").write_bytes(b"outside")
    return World(page=PageFiles(folder))


@pytest.mark.parametrize("path", ["/", "/w/acme/shop", "/w/acme/shop/env/a/b/c", "/w/%2e%2e/x", "/w/acme/shop?at=1"])
async def test_every_address_of_the_page_is_the_page(world: World, path: str) -> None:
    reply = await world.call("GET", path, user=None)

    assert (reply.status, reply.content) == (200, b"<!doctype html>page")
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert reply.headers["Content-Security-Policy"] == POLICY
    assert reply.headers["Cache-Control"] == "private, no-cache"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


async def test_assets_are_kept_for_ever(world: World) -> None:
    plain = await world.call("GET", "/assets/main-1a2b.js", user=None)
    small = await world.call("GET", "/assets/main-1a2b.js", user=None, headers={"Accept-Encoding": "br, gzip;q=0.8"})
    never = await world.call("GET", "/assets/main-1a2b.js", user=None, headers={"Accept-Encoding": "gzip;q=0"})

    assert plain.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert plain.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert plain.headers["Vary"] == "Accept-Encoding"
    assert plain.content == never.content == SCRIPT
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.content) == SCRIPT


@pytest.mark.parametrize(
    "path",
    ["/assets/x.js", "/assets/main-1a2b.js.map", "/assets/..%2f..%2foutside.js", "/assets/%2e%2e", "/assets/a/b",
     "/assets", "/w", "/index.html", "/v1/none", "/v1", "/wrong/acme"],
)  # fmt: skip
async def test_nothing_else_is_served(world: World, path: str) -> None:
    reply = await world.call("GET", path, user=None)

    assert reply.status == 404
    assert reply.json["error"] == "RESOURCE_NOT_FOUND"


async def test_the_page_shadows_nothing(world: World) -> None:
    for path in ("/healthz", "/readyz", "/version", "/openapi.json"):
        reply = await world.call("GET", path, user=None)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert (await world.call("GET", "/v1/me", user=None)).status == 401
    assert (await world.call("POST", "/w/acme/shop", {}, user=None)).status == 405
    assert (await world.call("GET", "/docs", user=None)).content == b"<!doctype html>reference"


async def test_without_a_built_page_a_short_one_says_how_to_build_it() -> None:
    reply = await World().call("GET", "/", user=None)

    assert reply.status == 200
    assert b"make page" in reply.content
    assert b"<h1>" in (await World().call("GET", "/docs", user=None)).content
