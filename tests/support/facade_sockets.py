"""A facade in memory on a loopback socket, for what only bytes show."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from facade_world import BASE, World

from moorage_api.edge.server import EdgeServer
from moorage_dev import patience


@asynccontextmanager
async def listening(world: World, *, tls: ssl.SSLContext | None = None, connections: int = 10) -> AsyncIterator[int]:
    """Serve a world; the port."""
    server = EdgeServer(world.edge, max_connections=connections)
    listener = await server.listen("127.0.0.1", 0, tls=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await server.shutdown(0.1)


async def exchange(port: int, content: bytes, *, tls: ssl.SSLContext | None = None) -> bytes:
    """Send bytes and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(content)
    try:
        return await asyncio.wait_for(reader.read(), patience.scaled(5))
    finally:
        writer.close()


def get(*lines: str, path: str = BASE, version: str = "1.1") -> bytes:
    """A GET by alice, with further header lines."""
    head = [f"GET {path} HTTP/{version}", "Host: a", "Authorization: Bearer alice", "Connection: close", *lines]
    return "\r\n".join([*head, "", ""]).encode("latin-1")
