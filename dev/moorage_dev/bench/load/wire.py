"""HTTP/1.1 at the lowest cost that Python allows: prepared requests, answers cut out of the stream and not opened.

A load generator on the same two cores takes from what it measures, so it must be cheap: about 20 µs a request.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

import orjson

_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"


class BrokenAnswerError(Exception):
    """The server closed the connection, or sent something that is not an answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server.

    Attributes:
        url: without a path.
        ca: PEM; empty for plain HTTP.
        token: bearer token of all requests.
    """

    url: str
    ca: str
    token: str

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """A complete request; `headers` are further ones."""
        host = urlsplit(self.url).netloc
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {host}",
            f"Authorization: Bearer {self.token}",
            "Accept: application/json",
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        content = b"" if body is None else orjson.dumps(body)
        if content:
            lines += [f"Content-Type: {content_type}", f"Content-Length: {len(content)}"]
        return "\r\n".join(lines).encode() + _END + content


class Wire(asyncio.Protocol):
    """One connection with one request at a time.

    Args:
        answered: called with status and body for every answer.
        lost: called when the connection ends.
    """

    def __init__(self, answered: Callable[[int, bytes], None], lost: Callable[[], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes, but do what those do.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()

    def send(self, request: bytes) -> None:
        """Send a request; the one before must have been answered."""
        assert self._transport is not None
        self._transport.write(request)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        answer = _complete(self._buffer)
        if answer is not None:
            self._buffer = b""
            self._answered(*answer)


def _complete(buffer: bytes) -> tuple[int, bytes] | None:
    """Status and body, if the buffer holds the whole answer."""
    head_end = buffer.find(_END)
    if head_end < 0:
        return None
    head = buffer[:head_end].lower()
    start = head_end + 4
    status = int(head[9:12])
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        length = int(head[at + 17 :].split(b"\r\n", 1)[0])
        return (status, buffer[start:]) if len(buffer) >= start + length else None
    if b"\r\ntransfer-encoding: chunked" in head:
        return (status, _joined(buffer[start:])) if buffer.endswith(_LAST_CHUNK) else None
    return (status, b"") if status in {204, 304} else None


def _joined(chunked: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while True:
        line_end = chunked.index(b"\r\n", at)
        size = int(chunked[at:line_end], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(chunked[line_end + 2 : line_end + 2 + size])
        at = line_end + 4 + size


async def connect(
    target: Target, answered: Callable[[int, bytes], None], lost: Callable[[], None] = lambda: None
) -> Wire:
    """A connection to a server."""
    address = urlsplit(target.url)
    context = ssl.create_default_context(cadata=target.ca) if target.ca else None
    _, wire = await asyncio.get_running_loop().create_connection(
        lambda: Wire(answered, lost), address.hostname or "", address.port or 443, ssl=context
    )
    return wire


class Caller:
    """A connection with `await`: dearer than callbacks, fit for writes."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._wire: Wire | None = None
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None

    async def call(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; status and body of its answer.

        Raises:
            BrokenAnswerError: the connection ended.
        """
        if self._wire is None:
            self._wire = await connect(self.target, self._answered, self._lost)
        self._waiting = asyncio.get_running_loop().create_future()
        self._wire.send(request)
        return await self._waiting

    def close(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.close()

    def _answered(self, status: int, body: bytes) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result((status, body))

    def _lost(self) -> None:
        self._wire = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(BrokenAnswerError("the server closed the connection"))


def target(job: Mapping[str, str]) -> Target:
    """The server of a job."""
    return Target(job["url"], job["ca"], job["token"])
