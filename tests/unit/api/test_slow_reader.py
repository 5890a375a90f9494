"""A client that does not read its stream is disconnected, and nothing is kept for it without bound."""

import asyncio
import socket
from collections.abc import AsyncIterator

from aiohttp import web

from moorage_api.edge import streams
from moorage_api.operation import Stream
from moorage_dev import patience

PIECE = b": x\n\n" * 20_000


async def test_a_reader_that_does_not_read_is_cut_off() -> None:
    made: list[int] = []
    ended = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            while True:
                made.append(len(PIECE))
                yield PIECE
        finally:
            ended.set()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await streams.send(request, Stream(chunks()), "r-1", slow_seconds=0.2)

    server = web.Server(answer)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.connect(("127.0.0.1", port))
        deaf.sendall(b"GET / HTTP/1.1\r\nHost: facade\r\n\r\n")
        async with asyncio.timeout(patience.scaled(10)):
            await ended.wait()

        # What the kernel's buffers took, and not more.
        assert sum(made) < 50_000_000
    await runner.cleanup()
