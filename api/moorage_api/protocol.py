"""aiohttp's server, taught to say in our words what goes wrong before there is a request."""

import asyncio
import logging
from http import HTTPStatus
from typing import Any, Final

from aiohttp import http_exceptions, web
from aiohttp.web_protocol import RequestHandler

from moorage_api import errors
from moorage_api.errors import ApiError
from moorage_api.middlewares import MAX_HEADERS, Edge

_log = logging.getLogger(__name__)

#: Idle connections, and half-sent request heads, are closed after so many seconds.
KEEPALIVE_SECONDS: Final = 15.0
#: How long what a client still sends after its answer is read and thrown away, in seconds.
LINGER_SECONDS: Final = 5.0
MAX_LINE: Final = 16 * 1024
MAX_HEADER_LINES: Final = 100


class EdgeProtocol(RequestHandler):
    """One connection."""

    __slots__ = ("_edge_server",)

    def __init__(self, server: "EdgeServer", *, loop: asyncio.AbstractEventLoop, **settings: Any) -> None:
        super().__init__(server, loop=loop, **settings)
        self._edge_server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected: too many are told so and closed."""
        super().connection_made(transport)
        if self._edge_server.full and self.transport is not None:
            peer = self.transport.get_extra_info("peername")
            refusal = errors.busy("Too many connections are open; try again")
            response = self._edge_server.edge.no_request(refusal, remote=peer[0] if peer else None)
            self.transport.write(_as_bytes(response))
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no request at all. The connection is closed after it."""
        if status >= 500:
            _log.error("unexpected error", exc_info=exc)
        return self._edge_server.edge.no_request(_error_of(status, exc), remote=request.remote)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Aiohttp's own complaints about a connection: they are not worth an error."""
        _log.debug(*args, **kw)


class EdgeServer(web.Server):
    """Makes a protocol for each connection.

    Args:
        edge: answers requests.
        max_connections: how many may be open at once.
    """

    def __init__(self, edge: Edge, *, max_connections: int) -> None:
        super().__init__(edge)
        self.edge = edge
        self._max_connections = max_connections

    @property
    def full(self) -> bool:
        """No connection more."""
        return len(self._connections) > self._max_connections

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
