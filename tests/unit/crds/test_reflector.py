"""What the reflector does when versions are too old again and again."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
from fixed_clock import FixedClock
from waiting import eventually_async

from moorage_crds import names
from moorage_crds.clock import SystemClock
from moorage_crds.kube.paths import FACADE_CALLS
from moorage_crds.kube.reflector import Reflector
from moorage_crds.objects import RawObject
from moorage_crds.store import Page, UnavailableError


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
        await asyncio.sleep(0.001)
        yield self._answer

    async def pages(self, _plural: str, *, selector: str | None) -> AsyncIterator[Page]:
        self.listed.append(asyncio.get_running_loop().time())
        yield Page([], "1")


class SpoiledServer(TroubledServer):
    """Lists one good object and one whose status is a text, sends the same in events, then holds the watch open."""

    def __init__(self) -> None:
        super().__init__(200)
        good = {"metadata": {"name": "good", "resourceVersion": "2"}, "status": {"release": "v1"}}
        self._objects: list[RawObject] = [good | {"status": "odd"}, good]
        self.sent = asyncio.Event()

    async def pages(self, _plural: str, *, selector: str | None) -> AsyncIterator[Page]:
        yield Page(self._objects, "1")

    @asynccontextmanager
    async def get(self, *_arguments: Any, **_options: Any) -> AsyncIterator[Answered]:
        lines = [json.dumps({"type": "MODIFIED", "object": raw}).encode() for raw in self._objects]
        yield HeldOpen(b"\n".join([*lines, b""]), self.sent)


class HeldOpen(Answered):
    """A watch that does not end; `sent` when its lines have been taken."""

    def __init__(self, content: bytes, sent: asyncio.Event) -> None:
        super().__init__(200, content)
        self._sent = sent

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._content
        self._sent.set()
        await asyncio.Event().wait()


class Kept:
    """A sink that keeps all views."""

    def __init__(self) -> None:
        self.views: list[Any] = []

    def replace(self, views: Any, resource_version: str) -> None:
        self.views += views

    def apply(self, kind: str, view: Any) -> None:
        self.views.append(view)

    def progress(self, resource_version: str) -> None: ...


async def test_an_object_that_cannot_be_read_is_left_out_and_no_other() -> None:
    server, sink = SpoiledServer(), Kept()
    made: Any = Reflector(
        server,  # type: ignore[arg-type]
        names.DEPLOYMENTS,
        read=lambda raw: raw["status"].get("release"),
        sink=sink,
        clock=SystemClock(),
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(made.run())
        await server.sent.wait()
        task.cancel()
    assert sink.views == ["v1", "v1"]
    # Both stand for one object here; the good event came last.
    assert made.left_out == set()


async def test_a_list_and_a_watch_that_begins_prove_that_nothing_is_missing() -> None:
    server, clock = SpoiledServer(), FixedClock()
    made = Reflector(server, names.ENVIRONMENTS, read=lambda raw: raw, sink=Kept(), clock=clock)  # type: ignore[arg-type]
    clock.advance(50)
    assert made.unproved() == 50
    running = asyncio.create_task(made.run())
    try:
        await asyncio.wait_for(server.sent.wait(), 10)
        assert (made.connected, made.unproved()) == (True, 0)
        clock.advance(90)
        assert (made.connected, made.unproved()) == (True, 90)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_what_is_left_out_is_known_until_it_can_be_read_or_is_gone() -> None:
    made: Any = Reflector(
        TroubledServer(200),  # type: ignore[arg-type]
        names.DEPLOYMENTS,
        read=lambda raw: raw["status"]["release"],
        sink=Kept(),
        clock=SystemClock(),
    )
    odd = {"metadata": {"namespace": "shop", "name": "odd", "resourceVersion": "2"}}
    for kind, status, known in (
        ("MODIFIED", "odd", {("shop", "odd")}),
        ("MODIFIED", {"release": "v1"}, set()),
        ("ADDED", "odd", {("shop", "odd")}),
        ("DELETED", "odd", set()),
    ):
        made._apply(kind, {**odd, "status": status})
        assert made.left_out == known


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


class AwayServer(TroubledServer):
    """Nobody answers, until `back` is set; then a watch brings one bookmark and ends."""

    def __init__(self) -> None:
        super().__init__(200)
        bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "2"}}}
        self._answer = Answered(200, json.dumps(bookmark).encode() + b"\n")
        self.asked = 0
        self.back = False

    async def pages(self, _plural: str, *, selector: str | None) -> AsyncIterator[Page]:
        self.asked += 1
        if not self.back:
            raise UnavailableError("connection refused")
        yield Page([], "1")


async def test_outage_is_one_line_a_minute_and_a_last_one_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    def told() -> list[tuple[str, int]]:
        return [(one.message, getattr(one, "fields")["interruptions"]) for one in caplog.records]  # noqa: B009 — ours

    clock, server = FixedClock(), AwayServer()
    made: Any = Reflector(server, names.LOCKS, read=dict, sink=Nothing(), clock=clock)  # type: ignore[arg-type]
    with caplog.at_level("INFO", "moorage_crds.kube.reflector"):
        running = asyncio.create_task(made.run())
        await eventually_async(lambda: server.asked >= 3)
        assert told() == [("reflector interrupted", 1)]
        clock.advance(60)
        await eventually_async(lambda: len(told()) == 2)
        clock.advance(59)
        server.back = True
        await eventually_async(lambda: len(told()) == 3)
        running.cancel()
    count = server.asked - 1
    assert told()[1:] == [("reflector interrupted", count), ("reflector resumed", count)]


class SilentServer(TroubledServer):
    """Says nothing in a watch; remembers how long it was asked to keep it, and how long the client waits."""

    def __init__(self) -> None:
        super().__init__(200)
        self.asked = asyncio.Event()
        self.seconds = 0
        self.total = 0.0

    def url(self, *arguments: Any) -> str:
        self.seconds = int(arguments[1]["timeoutSeconds"])
        return ""

    @asynccontextmanager
    async def get(self, *_arguments: Any, **options: Any) -> AsyncIterator[Answered]:
        self.total = options["timeout"].total
        self.asked.set()
        yield HeldOpen(b"", asyncio.Event())


@pytest.mark.parametrize(("bound", "longest"), [(30.0, 27.5), (10.0, 7.5), (5.0, 3.5), (1.0, 1.5)])
async def test_an_open_watch_is_not_believed_for_longer_than_a_bound(bound: float, longest: float) -> None:
    server = SilentServer()
    made: Any = Reflector(server, names.LOCKS, read=dict, sink=Nothing(), clock=SystemClock())  # type: ignore[arg-type]
    made.doubt(bound)
    running = asyncio.create_task(made.run())
    await server.asked.wait()
    running.cancel()
    # The API server ends the watch before we have to.
    assert 1 <= server.seconds < server.total == longest
