"""A port of this machine behind which the network of a node begins: what connects to it continues from there.

The listening socket belongs to the network in which it was made, also in the hands of a process of another one.
`door.py DESCRIPTOR HOST PORT [SOURCE]` is that process; it ends with its standard input.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from moorage_dev.layout import DEV
from moorage_dev.node.node import Node

_CHUNK = 65536


@contextmanager
def door(node: Node, host: str, port: int, *, source: str = "") -> Iterator[int]:
    """A port of 127.0.0.1 that leads to `host` and `port` as the node sees them.

    Args:
        node: whose network it is.
        host: an address there, of a pod, a Service or the node.
        port: of that address.
        source: the address there from which connections come; usually the one that the node chooses.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = (sys.executable, __file__, str(listener.fileno()), host, str(port), *([source] if source else []))
        environment = {**os.environ, "PYTHONPATH": str(DEV)}
        process = subprocess.Popen(
            node.in_network(*command), stdin=subprocess.PIPE, pass_fds=(listener.fileno(),), env=environment
        )
        opened = int(listener.getsockname()[1])
    try:
        yield opened
    finally:
        process.communicate()


async def _serve(descriptor: str, host: str, port: str, source: str = "") -> None:
    listener = socket.socket(fileno=int(descriptor))
    server = await asyncio.start_server(partial(_join, host, int(port), source), sock=listener)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    # Who is still inside is sent away with the end of the process; the loop would complain of each.
    os._exit(0)


async def _join(host: str, port: int, source: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        inner = await asyncio.open_connection(host, port, local_addr=(source, 0) if source else None)
    except OSError:
        writer.close()
        return
    with suppress(OSError):
        await asyncio.gather(_copy(reader, inner[1]), _copy(inner[0], writer))
    for end in (writer, inner[1]):
        end.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
