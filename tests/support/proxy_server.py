"""The base of proxies in front of the API server: a thread with an event loop, a port, and a way to the server."""

import asyncio
import secrets
import ssl
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import aiohttp
from aiohttp import web
from cluster import LiveCluster

from moorage_dev import kubeconfigs, patience
from moorage_dev.installation import NAMESPACE
from moorage_dev.kubeconfigs import Endpoint

ResultT = TypeVar("ResultT")

#: Headers of one hop, which a proxy does not pass on.
HOP_HEADERS = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding", "upgrade"})
#: Bytes of the longest line of a watch that is passed on.
LONGEST_LINE = 16 * 1024 * 1024
#: Seconds that one call into the loop may take on an idle machine.
_CALL_SECONDS = 30.0
#: Seconds that connections may take to be gone; then their other end does not listen any more.
_GONE_SECONDS = 5.0


class ProxyServer:
    """Listens on a free port from its making until `close`. Subclasses answer requests in `_handle`.

    Args:
        endpoint: the API server.

    Attributes:
        url: address of the proxy.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=type(self).__name__, daemon=True)
        self._thread.start()
        self.url = self._run(self._start())

    def settings(self, cluster: LiveCluster, account: str) -> dict[str, str]:
        """Settings of a process that goes through this proxy, under a service account of the chart."""
        token = cluster.service_account_token(NAMESPACE, account)
        path = cluster.folder / f"proxied-{secrets.token_hex(4)}.kubeconfig"
        kubeconfigs.with_token(path, Endpoint(self.url, self._endpoint.ca), user=account, token=token)
        return {"MOORAGE_KUBECONFIG": str(path)}

    def close(self) -> None:
        """Stop listening and end the thread."""
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raise NotImplementedError

    def _run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(patience.scaled(_CALL_SECONDS))

    async def _start(self) -> str:
        trust = ssl.create_default_context(cadata=self._endpoint.ca.decode())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=trust),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=3),
            auto_decompress=False,
            read_bufsize=LONGEST_LINE,
        )
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=512)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def _stop(self) -> None:
        """End answers that hang or whose client went away, then the way to the server."""
        await self._runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        connector = self._session.connector
        assert connector is not None
        await connector.close(abort_ssl=True)
        await self._session.close()
        # The loop must not end before its transports: the garbage collector would complain in somebody else's test.
        began = time.monotonic()
        while self._is_connected() and not patience.is_over(began, _GONE_SECONDS):  # noqa: ASYNC110 — nothing tells
            await asyncio.sleep(0.01)

    def _is_connected(self) -> bool:
        """Whether the loop has anything but the pipe by which it wakes itself."""
        return len(self._loop._selector.get_map()) > 1  # type: ignore[attr-defined]
