"""A plain HTTP client for API servers and for the facade: it sends a path exactly as it is given, as attackers do.

Synchronous, and safe to use from several threads; connections are kept alive.
"""

import json
import ssl
from collections import deque
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from select import select
from typing import Any
from urllib.parse import urlsplit
from weakref import finalize

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class RestClient:
    """Speaks to one server.

    Args:
        server: `https://127.0.0.1:6443` or `http://…`.
        ca: certificates to trust, PEM; None for plain HTTP.
        timeout: seconds that one read or connect may take.
        certificate: certificate and key files by which the server knows this client.
    """

    def __init__(
        self, server: str, ca: bytes | None, *, timeout: float = 30.0, certificate: tuple[Path, Path] | None = None
    ) -> None:
        self.server = server
        self._address = urlsplit(server)
        self._timeout = timeout
        self._tls = ssl.create_default_context(cadata=ca.decode()) if ca else None
        if self._tls is not None and certificate is not None:
            self._tls.load_cert_chain(*certificate)
        self._idle: deque[HTTPConnection] = deque()
        # A client that nobody closed takes its connections with it.
        finalize(self, _close_all, self._idle)

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: object = None,
        content_type: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request. A `body` that is not bytes is sent as JSON.

        Raises:
            OSError: no connection.
            HTTPException: the answer is no HTTP, or was cut off.
        """
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Accept": JSON, **({"Authorization": f"Bearer {token}"} if token else {})}
        if data is not None:
            sent["Content-Type"] = content_type or JSON
        return self._send(method, path, data, {**sent, **(headers or {})})

    def ready(self, path: str = "/readyz") -> bool:
        """Whether the server answers 200 there now."""
        try:
            return self.request("GET", path).status == 200
        except (OSError, HTTPException):
            return False

    def close(self) -> None:
        """Close the connections that are kept."""
        _close_all(self._idle)

    def _send(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        connection = self._kept_connection() or self._new_connection()
        answer: HTTPResponse | None = None
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            content = answer.read()
        except BaseException:
            # The socket of an answer that ends its connection belongs to the answer alone.
            if answer is not None:
                answer.close()
            connection.close()
            raise
        if answer.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)

    def _kept_connection(self) -> HTTPConnection | None:
        while self._idle:
            connection = self._idle.pop()
            # Readable although nothing was asked: the server has closed it. A write must not find out the hard way.
            if connection.sock is not None and not select([connection.sock], [], [], 0)[0]:
                return connection
            connection.close()
        return None

    def _new_connection(self) -> HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._tls is None:
            return HTTPConnection(host, port, timeout=self._timeout)
        return HTTPSConnection(host, port, timeout=self._timeout, context=self._tls)


def _close_all(connections: deque[HTTPConnection]) -> None:
    while connections:
        connections.pop().close()
