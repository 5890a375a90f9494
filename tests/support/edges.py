"""The facade behind a proxy: the ways through it, by Ingress and by Gateway, and the one past it."""

import http.client
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from door import door
from pods import Installation

from moorage_dev import patience
from moorage_dev.engines.traefik import PORTS
from moorage_dev.rest_client import Answer, RestClient

#: The name that Ingress and Gateway serve. Nobody can look it up: clients say it in `Host`.
HOST = "moorage.example.com"
#: The ways through: `web` and `websecure` are those of the Ingress.
WAYS = tuple(PORTS)
SECURE = tuple(way for way in WAYS if way.endswith("secure"))
#: The way past the proxy, to the facade's Service.
PAST = "past"


class Edge:
    """All ways to a facade.

    Args:
        release: the chart.
        ca: who signed the certificate of the proxy.
    """

    def __init__(self, release: Installation, ca: bytes) -> None:
        self.release = release
        self._ca = ca
        self._doors = ExitStack()
        self._ports: dict[tuple[str, int, str], int] = {}
        self._clients: dict[tuple[str, str], RestClient] = {}

    def close(self) -> None:
        """Close all ways."""
        for client in self._clients.values():
            client.close()
        self._doors.close()

    def ask(
        self,
        way: str,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: object = None,
        source: str = "",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request by a way, from an address of the node's own network if one is given."""
        key = (way, source)
        if key not in self._clients:
            scheme = "https" if way in SECURE else "http"
            address = f"{scheme}://localhost:{self._port(way, source)}"
            self._clients[key] = RestClient(address, self._ca if way in SECURE else None, timeout=patience.scaled(60))
        sent = {"Host": HOST, **(headers or {})}
        return self._clients[key].request(method, path, token=token, body=body, headers=sent)

    def answers(self, way: str, status: int = 200) -> bool:
        """Whether a page that everybody may read is answered with this status now."""
        try:
            return self.ask(way, "GET", "/openapi.json").status == status
        except (OSError, http.client.HTTPException):
            return False

    @contextmanager
    def stream(self, way: str, path: str, token: str) -> Iterator[http.client.HTTPResponse]:
        """An answer that is read piece by piece."""
        port, timeout = self._port(way, ""), patience.scaled(60)
        if way in SECURE:
            context = ssl.create_default_context(cadata=self._ca.decode())
            connection: Any = http.client.HTTPSConnection("localhost", port, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection("localhost", port, timeout=timeout)
        try:
            headers = {"Host": HOST, "Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
            connection.request("GET", path, headers=headers)
            yield connection.getresponse()
        finally:
            connection.close()

    def _port(self, way: str, source: str) -> int:
        host, port = "127.0.0.1", PORTS.get(way, 80)
        if way == PAST:
            host = self.release.service_url().removeprefix("http://")
        key = (host, port, source)
        if key not in self._ports:
            node = self.release.cluster.node
            self._ports[key] = self._doors.enter_context(door(node, host, port, source=source))
        return self._ports[key]
