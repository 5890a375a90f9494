"""A reverse proxy in front of the API server: it sees every request, and fails as networks and servers do.

A process gets a kubeconfig that points here (`settings`), with the token of its own service account, so nothing else
differs from one that speaks to the API server directly.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from cluster import LiveCluster
from proxy_server import HOP_HEADERS, ProxyServer
from typing_extensions import override
from yarl import URL

from moorage_dev.installation import FACADE
from moorage_dev.kubeconfigs import Endpoint

#: Limit of the wait for sockets to be closed at the end.
CLOSING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived here.

    Attributes:
        method: HTTP method.
        target: path and query as they were sent.
        body: its content.
        bearer: the token it carried.
    """

    method: str
    target: str
    body: bytes
    bearer: str

    @property
    def path(self) -> str:
        """The target without the query."""
        return self.target.partition("?")[0]

    @property
    def is_watch(self) -> bool:
        """Whether it asks for a stream of changes."""
        return "watch=true" in self.target


@dataclass(frozen=True, slots=True)
class Fault:
    """What is answered in the API server's place.

    Attributes:
        status: HTTP status; 0 closes the connection without an answer.
        body: content, as it is.
        headers: further headers.
        hang: instead of an answer, none until the proxy ends or the client goes.
        alter: forward, and change the content of the answer.
    """

    status: int = 500
    body: bytes = b'{"kind":"Status","apiVersion":"v1","status":"Failure","code":500,"message":"injected"}'
    headers: tuple[tuple[str, str], ...] = ()
    hang: bool = False
    alter: Callable[[bytes], bytes] | None = None


def no_fault(_seen: Seen) -> Fault | None:
    """Forward everything."""
    return None


class ApiServerProxy(ProxyServer):
    """Listens on a free port from its making until `close`.

    Attributes:
        seen: all requests, in the order of their arrival.
        fault: asked for every request; what it returns is answered instead of forwarding.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.seen: list[Seen] = []
        self.fault: Callable[[Seen], Fault | None] = no_fault
        self._is_cut = False
        self._connections: set[asyncio.BaseTransport] = set()
        self._streams: dict[web.StreamResponse, str] = {}
        self._frozen: set[web.StreamResponse] = set()
        super().__init__(endpoint)

    @override
    def settings(self, cluster: LiveCluster, account: str = FACADE) -> dict[str, str]:
        return super().settings(cluster, account)

    def cut(self) -> None:
        """Close all connections, and every new one at its first request, until `mend`."""
        self._run(self._cut())

    def mend(self) -> None:
        """Forward again."""
        self._is_cut = False

    def freeze(self, collection: str = "") -> None:
        """The streams that are open now stay open and say nothing more; new ones flow.

        Args:
            collection: the end of the path of those that are meant (`moorage.dev/v1/deployments`); default: all.
        """
        self._frozen.update(response for response, path in self._streams.items() if path.endswith(collection))

    def inject(self, plural: str, line: bytes) -> int:
        """Write one line into every open stream of a kind; into how many."""
        return self._run(self._inject(plural, line))

    def streams(self) -> list[str]:
        """Kinds of the open streams."""
        return sorted(map(_kind, self._streams.values()))

    @override
    async def _stop(self) -> None:
        await self._cut()
        await super()._stop()
        # Sockets close in later rounds of the loop, those with TLS after a farewell; only the loop's own one stays.
        deadline = self._loop.time() + CLOSING_SECONDS
        while len(self._loop._selector.get_map()) > 1 and self._loop.time() < deadline:  # noqa: ASYNC110 — nobody tells
            await asyncio.sleep(0.01)

    async def _cut(self) -> None:
        self._is_cut = True
        for transport in list(self._connections):
            _abort(transport)

    async def _inject(self, plural: str, line: bytes) -> int:
        chosen = [response for response, path in self._streams.items() if _kind(path) == plural]
        written = 0
        for response in chosen:
            # The other side may just have closed it.
            with suppress(OSError):
                await response.write(line + b"\n")
                written += 1
        return written

    @override
    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        seen = Seen(request.method, request.raw_path, body, bearer)
        self.seen.append(seen)
        transport = request.transport
        assert transport is not None
        if self._is_cut:
            return _hang_up(transport)
        fault = self.fault(seen)
        alter = fault.alter if fault is not None else None
        if fault is not None and alter is None:
            return await _fail(fault, transport)
        self._connections.add(transport)
        try:
            return await self._forward(request, seen, alter)
        except (aiohttp.ClientError, OSError):
            return _hang_up(transport)
        finally:
            self._connections.discard(transport)

    async def _forward(
        self, request: web.BaseRequest, seen: Seen, alter: Callable[[bytes], bytes] | None
    ) -> web.StreamResponse:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_HEADERS]
        if alter is not None:
            headers = [
                *(one for one in headers if one[0].lower() != "accept-encoding"),
                ("Accept-Encoding", "identity"),
            ]
        url = URL(self._endpoint.server + seen.target, encoded=True)
        async with self._session.request(
            seen.method, url, data=seen.body or None, headers=headers, allow_redirects=False
        ) as upstream:
            passed = [(name, value) for name, value in upstream.headers.items() if name.lower() not in HOP_HEADERS]
            if not (seen.is_watch and upstream.status == 200):
                content = await upstream.read()
                return _answer(upstream.status, alter(content) if alter is not None else content, passed)
            return await self._stream(request, seen, upstream, passed)

    async def _stream(
        self,
        request: web.BaseRequest,
        seen: Seen,
        upstream: aiohttp.ClientResponse,
        headers: list[tuple[str, str]],
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=200)
        response.headers.extend(headers)
        await response.prepare(request)
        self._streams[response] = seen.path
        try:
            # Line by line, so that an injected line never lands inside another one.
            async for line in upstream.content:
                if response not in self._frozen:
                    await response.write(line)
        finally:
            del self._streams[response]
        return response


def _kind(path: str) -> str:
    """The plural of what a path lists."""
    return path.rpartition("/")[2]


def _answer(status: int, body: bytes, headers: list[tuple[str, str]]) -> web.Response:
    response = web.Response(status=status, body=body)
    response.headers.clear()
    response.headers.extend(headers)
    return response


async def _fail(fault: Fault, transport: asyncio.BaseTransport) -> web.Response:
    if fault.hang:
        await asyncio.Event().wait()
    if fault.status == 0:
        return _hang_up(transport)
    return _answer(fault.status, fault.body, [("Content-Type", "application/json"), *fault.headers])


def _hang_up(transport: asyncio.BaseTransport) -> web.Response:
    """Close the connection; the answer goes nowhere."""
    _abort(transport)
    return web.Response(status=502)


def _abort(transport: asyncio.BaseTransport) -> None:
    with suppress(AttributeError):
        transport.abort()  # type: ignore[attr-defined]
