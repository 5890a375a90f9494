"""Large answers come in gzip to who takes it, and each state is packed once."""

import gzip
from typing import Any

import orjson
import pytest
from facade_world import BASE, World

from moorage_api.reads.packing import MAX_KEPT, Packed, takes_gzip

MATRIX = BASE.removesuffix("/environments") + "/matrix"


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("*;q=0, gzip", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("br", False),
        ("", False),
        (None, False),
    ],
)
def test_gzip_is_sent_to_who_takes_it(accepted: str | None, *, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


def test_what_is_kept_is_bounded() -> None:
    packed = Packed()
    noise = [bytes(range(256)) * 4_000 + bytes([number]) for number in range(4)]

    for number in range(2_000):
        packed.of(str(number % 700), noise[number % 4])

    assert packed._bytes <= MAX_KEPT
    assert packed._bytes == sum(map(len, packed._kept.values()))


async def _matrix(world: World, **headers: str) -> Any:
    return await world.call("GET", MATRIX, headers=headers)


async def test_a_large_matrix_is_packed_and_has_its_own_tag() -> None:
    world = World()
    world.environment("staging")
    small = await _matrix(world, **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers
    for number in range(60):
        await world.deploy(f"app-{number}", "v1")

    plain = await _matrix(world)
    packed = await _matrix(world, **{"Accept-Encoding": "gzip"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert orjson.loads(gzip.decompress(packed.content)) == plain.json
    assert len(packed.content) * 5 < len(plain.content)
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    again = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}
    assert (await _matrix(world, **again)).status == 304
    assert (await _matrix(world, **{"If-None-Match": packed.headers["ETag"]})).status == 200
