"""aiohttp's server, taught to make room for honest clients and to say in our words what goes wrong before a request."""

import asyncio
import logging
import os
import socket
import ssl
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
#: Rounds of the loop from a connection that is taken to the request that it had sent by then: asyncio makes it, tells
#: of it, reads from it, and aiohttp wakes its task, each in a round of its own. One more, for the round that has begun.
LOOK_ROUNDS: Final = 5
#: How many connections wait to be taken.
BACKLOG: Final = 1024
#: How many are taken in one round of the loop. While `LOOK_ROUNDS` pass, that many a round come on top of the limit.
TAKEN_PER_ROUND: Final = 64

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
        self._room_timer: asyncio.TimerHandle | None = None
        self._looking = False

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

    async def listen(
        self, host: str, port: int, *, tls: ssl.SSLContext | None = None, handshake_seconds: float | None = None
    ) -> asyncio.Server:
        """Take connections.

        Args:
            host: the address.
            port: the port.
            tls: for connections by TLS.
            handshake_seconds: how long the handshake may take; default: asyncio's.

        Raises:
            OSError: something else listens there, or the address is not ours.
        """
        listener = await self._loop.create_server(
            self, host, port, ssl=tls, ssl_handshake_timeout=handshake_seconds, backlog=TAKEN_PER_ROUND
        )
        for one in listener.sockets:
            # asyncio has one number for those that wait and for those that it takes in a round.
            with socket.socket(fileno=os.dup(one.fileno())) as same:
                same.listen(BACKLOG)
        return listener

    def opened(self, protocol: EdgeProtocol) -> bool:
        """A connection is there; False if it has to go because all others are busy."""
        connection = protocol.connection
        if self.known.refuses(connection):
            return False
        self.known.opened(connection)
        self._protocols[connection] = protocol
        if self.known.flooded:
            self._look()
        elif self.known.crowded_by(connection):
            self._look_later()
        return True

    def closed(self, protocol: EdgeProtocol) -> None:
        """A connection is gone."""
        self.known.closed(protocol.connection)
        self._protocols.pop(protocol.connection, None)

    def _look_later(self) -> None:
        if self._room_timer is None and not self._looking:
            self._room_timer = self._loop.call_later(ROOM_SECONDS, self._look)

    def _look(self) -> None:
        """Make room as soon as what the connections of this moment have sent was looked at."""
        if self._room_timer is not None:
            self._room_timer.cancel()
            self._room_timer = None
        if not self._looking:
            self._looking = True
            self._look_for(LOOK_ROUNDS, self._loop.time())

    def _look_for(self, rounds: int, seen_until: float) -> None:
        if rounds:
            self._loop.call_soon(self._look_for, rounds - 1, seen_until)
            return
        self._looking = False
        self._make_room(seen_until)
        if self.known.still_crowded(seen_until):
            self._look_later()

    def _make_room(self, seen_until: float) -> None:
        for connection in self.known.surplus(seen_until):
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
