"""What the reflector does when versions are too old again and again."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest

from moorage_crds import names
from moorage_crds.clock import SystemClock
from moorage_crds.kube.paths import FACADE_CALLS
from moorage_crds.kube.reflector import Reflector
from moorage_crds.store import Page


class Answered:
    """An answer to a watch: a status, or a 200 with lines."""

    def __init__(self, status: int, content: bytes) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {}
        self._content = content
        self.content = self

    async def read(self) -> bytes:
        return self._content

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._content


class TroubledServer:
    """Lists always, and says of every version that it is too old, by one of the two ways; remembers when it listed."""

    def __init__(self, status: int) -> None:
        code = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
        line = json.dumps({"type": "ERROR", "object": code}).encode() + b"\n"
        self._answer = Answered(status, json.dumps(code).encode() if status == 410 else line)
        self.connection = self
        self.session = self
        self.calls = FACADE_CALLS
        self.listed: list[float] = []
        self.connected: list[bool] = []

    async def headers(self, *, renew: bool = False) -> dict[str, str]:
        return {}

    def url(self, *_arguments: Any) -> str:
        return ""

    @asynccontextmanager
    async def get(self, *_arguments: Any, **_options: Any) -> AsyncIterator[Answered]:
        yield self._answer

    async def pages(self, _plural: str, *, selector: str | None) -> AsyncIterator[Page]:
        self.listed.append(asyncio.get_running_loop().time())
        yield Page([], "1")


class Nothing:
    """A sink that keeps nothing."""

    def replace(self, views: Any, resource_version: str) -> None: ...
    def apply(self, kind: str, view: Any) -> None: ...
    def progress(self, resource_version: str) -> None: ...


@pytest.mark.parametrize("status", [410, 200])
async def test_lists_again_at_once_and_then_with_growing_pauses(status: int) -> None:
    server = TroubledServer(status)
    made: Any = Reflector(server, names.LOCKS, read=dict, sink=Nothing(), clock=SystemClock())  # type: ignore[arg-type]
    with suppress(TimeoutError):
        async with asyncio.timeout(0.9):
            await made.run()

    assert not made.connected
    first, *pauses = _pauses(server.listed)
    assert first < 0.1
    # 0.1 to 0.2 s, then twice as long each time.
    assert 2 <= len(pauses) <= 4
    assert all(pause >= 0.1 * 2**number for number, pause in enumerate(pauses))


def _pauses(moments: list[float]) -> Iterator[float]:
    return (after - before for before, after in pairwise(moments))
