"""A wire in front of a server that treats connections as bad networks and dying servers do, also in a TLS handshake."""

import asyncio
import random
import socket
import struct
import threading
from contextlib import suppress
from enum import Enum
from urllib.parse import urlsplit

from moorage_dev import patience

#: Bytes of an answer after which `CUT` resets the connection: nothing, in the handshake, in the head, in the body.
CUTS = (0, 1, 50, 500, 1500, 2500, 4000)
#: `SO_LINGER` without a time: the other side gets a reset instead of a farewell.
_RESET = struct.pack("ii", 1, 0)
_CLOSING_SECONDS = 5.0


class Weather(Enum):
    """What becomes of a new connection."""

    FAIR = "it is forwarded"
    RESET = "it is reset at once"
    HANG_UP = "it is closed at once"
    STALL = "it is accepted, and nothing more"
    CUT = "it is reset after some bytes of the answer"


class RoughWire:
    """Listens on a free port from its making until `close`.

    Args:
        server: address of the server, `https://127.0.0.1:6443`.
        dice: draws after how many bytes a connection is cut.

    Attributes:
        url: the same address with the port of this wire.
        treated: how many connections have met anything but fair weather.
    """

    def __init__(self, server: str, dice: random.Random) -> None:
        address = urlsplit(server)
        assert address.hostname is not None
        assert address.port is not None
        self._far = (address.hostname, address.port)
        self._dice = dice
        self._weather = Weather.FAIR
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.treated = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="RoughWire", daemon=True)
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        self.url = f"{address.scheme}://{address.hostname}:{port}"

    def turn(self, weather: Weather, *, drop: bool) -> None:
        """Treat new connections so from now on; `drop`: reset those that are open."""
        self._loop.call_soon_threadsafe(self._turn, weather, drop)

    def close(self) -> None:
        """Stop listening, end all connections and the thread."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(patience.scaled(30))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=512)
        return int(self._server.sockets[0].getsockname()[1])

    async def _stop(self) -> None:
        self._server.close()
        self._turn(Weather.RESET, drop=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # The loop must not end before its sockets; only its own one stays.
        deadline = self._loop.time() + _CLOSING_SECONDS
        while len(self._loop._selector.get_map()) > 1 and self._loop.time() < deadline:  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _turn(self, weather: Weather, drop: bool) -> None:
        self._weather = weather
        if drop:
            for connection in list(self._connections):
                _reset(connection)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._connections.add(writer)
        weather = self._weather
        self.treated += weather is not Weather.FAIR
        try:
            if weather is Weather.HANG_UP:
                writer.close()
            elif weather is Weather.RESET:
                _reset(writer)
            elif weather is Weather.STALL:
                await reader.read()
            else:
                await self._forward(reader, writer, self._dice.choice(CUTS) if weather is Weather.CUT else None)
        except OSError:
            pass
        finally:
            _reset(writer)
            self._connections.discard(writer)
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._far)
        self._connections.add(far_writer)
        try:
            both = (
                asyncio.ensure_future(_pump(reader, far_writer)),
                asyncio.ensure_future(_pump(far_reader, writer, limit)),
            )
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        finally:
            _reset(far_writer)
            self._connections.discard(far_writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None = None) -> None:
    """Pass on until the end, or until `limit` bytes."""
    passed = 0
    while data := await reader.read(65_536):
        piece = data if limit is None else data[: limit - passed]
        writer.write(piece)
        await writer.drain()
        passed += len(piece)
        if limit is not None and passed >= limit:
            return


def _reset(writer: asyncio.StreamWriter) -> None:
    connected: socket.socket | None = writer.get_extra_info("socket")
    if connected is not None:
        with suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
