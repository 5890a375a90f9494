"""aiohttp's server, taught to make room for honest clients and to say in our words what goes wrong before a request."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from aiohttp import http_exceptions, web
from aiohttp.web_protocol import RequestHandler

from moorage_api.contract import errors
from moorage_api.contract.errors import ApiError
from moorage_api.edge.addresses import Proxies, group
from moorage_api.edge.connections import ClientConnection, Connections
from moorage_api.edge.heads import AUTHENTICATED, MAX_HEADERS
from moorage_api.edge.pipeline import Edge

_log = logging.getLogger(__name__)

#: Seconds after which idle connections and half-sent request heads are closed.
KEEPALIVE_SECONDS: Final = 15.0
#: How long what a client still sends after its answer is read and thrown away, in seconds.
LINGER_SECONDS: Final = 5.0
MAX_LINE: Final = 16 * 1024
MAX_HEADER_LINES: Final = 100
#: Before connections beyond the limit are closed, in seconds: what a new one has sent already is looked at first.
ROOM_SECONDS: Final = 0.05

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class EdgeProtocol(RequestHandler):
    """One connection."""

    __slots__ = ("_edge_server", "connection")

    def __init__(self, server: "EdgeServer", *, loop: asyncio.AbstractEventLoop, **settings: Any) -> None:
        super().__init__(server, loop=loop, **settings)
        self._edge_server = server
        self.connection = ClientConnection("", exempt=False, since=loop.time())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected. Only where all others have requests to answer, it is told so and closed."""
        super().connection_made(transport)
        address = _address(transport)
        self.connection.client, self.connection.exempt = group(address), self._edge_server.proxies.trusts(address)
        if not self._edge_server.opened(self) and self.transport is not None:
            refusal = errors.busy("Too many connections are open; try again")
            self.transport.write(_as_bytes(self._edge_server.edge.no_request(refusal, remote=address or None)))
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""
        self._edge_server.closed(self)
        super().connection_lost(exc)

    def give_way(self) -> None:
        """Close this idle connection. One that never authenticated is not waited for."""
        if self.connection.authenticated or self.transport is None:
            self.force_close()
        else:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to bytes that are not a request. The connection is closed after it."""
        if status >= 500:
            _log.error("unexpected error", exc_info=exc)
        return self._edge_server.edge.no_request(_error_of(status, exc), remote=request.remote)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Aiohttp's own complaints about a connection: they are not worth an error."""
        _log.debug(*args, **kw)


class EdgeServer(web.Server):
    """Makes a protocol for each connection.

    Args:
        edge: words its refusals.
        answer: answers requests; default: the edge.
        max_connections: how many may be open at once.
        share: how many of them one client may have; default: all.
        proxies: whose connections have no share.
    """

    def __init__(
        self,
        edge: Edge,
        *,
        max_connections: int,
        share: int | None = None,
        proxies: Proxies | None = None,
        answer: Answering | None = None,
    ) -> None:
        super().__init__(self._answer)
        self.edge = edge
        self.proxies = proxies if proxies is not None else Proxies()
        self.known = Connections(total=max_connections, share=max_connections if share is None else share)
        self._answering: Answering = answer if answer is not None else edge
        self._protocols: dict[ClientConnection, EdgeProtocol] = {}
        self._making_room: asyncio.TimerHandle | None = None

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        protocol = request.protocol
        connection = protocol.connection if isinstance(protocol, EdgeProtocol) else None
        if connection is None:
            return await self._answering(request)
        self.known.began(connection)
        try:
            return await self._answering(request)
        finally:
            connection.authenticated = connection.authenticated or bool(request.get(AUTHENTICATED))
            self.known.finished(connection, self._loop.time())

    def opened(self, protocol: EdgeProtocol) -> bool:
        """A connection is there; False if it has to go because all others are busy."""
        connection = protocol.connection
        if self.known.refuses(connection):
            return False
        self.known.opened(connection)
        self._protocols[connection] = protocol
        if self.known.flooded:
            self._make_room()
        elif self.known.crowded_by(connection) and self._making_room is None:
            self._making_room = self._loop.call_later(ROOM_SECONDS, self._make_room)
        return True

    def closed(self, protocol: EdgeProtocol) -> None:
        """A connection is gone."""
        self.known.closed(protocol.connection)
        self._protocols.pop(protocol.connection, None)

    def _make_room(self) -> None:
        if self._making_room is not None:
            self._making_room.cancel()
            self._making_room = None
        for connection in self.known.surplus():
            protocol = self._protocols.pop(connection)
            # Its end is told a moment later; by then others may have come, for whom it must not count any more.
            self.known.closed(connection)
            protocol.give_way()

    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        return EdgeProtocol(
            self,
            loop=self._loop,
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGER_SECONDS,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADER_LINES,
            read_bufsize=MAX_HEADERS,
            auto_decompress=False,
        )


def _address(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


def _as_bytes(response: web.Response) -> bytes:
    """An answer that goes out before there is a request which aiohttp could answer."""
    body = bytes(response.body) if isinstance(response.body, bytes) else b""
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in response.headers.items() if name != "Content-Length"]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def _error_of(status: int, error: BaseException | None) -> ApiError:
    if isinstance(error, http_exceptions.LineTooLong):
        return errors.headers_too_large()
    if isinstance(error, http_exceptions.HttpProcessingError):
        if "too many headers" in str(error.message).lower():
            return errors.headers_too_large()
        return errors.bad_request("The request is not valid HTTP")
    if status >= 500:
        return errors.internal()
    return errors.bad_request("The request is not valid HTTP")
