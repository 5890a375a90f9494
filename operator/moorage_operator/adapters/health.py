"""Probes and metrics over HTTP: `/healthz` (the process works), `/readyz` (it has the whole picture), `/metrics`."""

from collections.abc import Callable

from aiohttp import web

from moorage_crds.process import listening
from moorage_crds.process.listening import ListenError


class HealthServer:
    """Answers probes and scrapes.

    Args:
        alive: why the process should be restarted; None if it is well.
        ready: why the process does not work yet; None if it does.
        metrics: the text of `/metrics`.
    """

    def __init__(
        self, *, alive: Callable[[], str | None], ready: Callable[[], str | None], metrics: Callable[[], bytes]
    ) -> None:
        self._alive = alive
        self._ready = ready
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            ListenError: something else does already, or the address is not ours.
        """
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._scrape)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=5.0)
        await runner.setup()
        try:
            with listening.on(host, port, setting="metrics_port"):
                await web.TCPSite(runner, host, port).start()
        except ListenError:
            await runner.cleanup()
            raise
        self._runner = runner

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _probe(self._alive())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _probe(self._ready())

    async def _scrape(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def _probe(problem: str | None) -> web.Response:
    return web.json_response({"status": problem or "ok"}, status=503 if problem else 200)
