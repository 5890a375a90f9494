"""`moorage api`: settings, connection, reflectors, server; the composition root of the facade."""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

import uvloop
from aiohttp import http_parser, web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from moorage_api.access import Access
from moorage_api.app import create_app
from moorage_api.cache.catalog import Catalog, EnvironmentSink
from moorage_api.cache.freshness import Freshness
from moorage_api.calls import Facade
from moorage_api.config import ApiSettings
from moorage_api.handlers.service import Readiness
from moorage_api.metrics import Metrics
from moorage_api.protocol import EdgeServer
from moorage_api.tls import Certificate, CertificateError
from moorage_crds import names, settings
from moorage_crds.clock import Clock, SystemClock
from moorage_crds.kube.client import Client, KubernetesStore
from moorage_crds.kube.paths import FACADE_CALLS
from moorage_crds.kube.reflector import Reflector
from moorage_crds.kube.session import ClusterConfigError, connect
from moorage_crds.store import StoreError, TransientError
from moorage_crds.telemetry import configure_logging

_log = logging.getLogger(__name__)

PROG: Final = "moorage api"
COLLECTOR_THRESHOLDS: Final = (10_000, 20, 20)
#: How long the cluster may be out of reach at the start, in seconds.
PATIENCE_SECONDS: Final = 20.0
SAMPLE_SECONDS: Final = 0.25
TLS_HANDSHAKE_SECONDS: Final = 10.0
BACKLOG: Final = 1024
#: Rounds of the loop from an accepted connection to its waiting for a request.
ACCEPT_ROUNDS: Final = 3
#: Only namespaces that are workspaces are of interest; one that loses the labels arrives as deleted.
WORKSPACES: Final = f"{names.LABEL_ORG},{names.LABEL_WORKSPACE}"


class StartError(Exception):
    """The facade cannot start. The text is one sentence for the person who started it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the facade until it is told to stop; the exit code."""
    wanted = settings.load(ApiSettings, sys.argv[1:] if argv is None else argv, prog=PROG)
    configure_logging(wanted.log_level, "api")
    try:
        _require_c_parser()
        # Decoded JSON holds no cycles: by default the collector would walk through every page of a list several times.
        gc.set_threshold(*COLLECTOR_THRESHOLDS)
        uvloop.run(serve(wanted))
    except (StartError, ClusterConfigError, CertificateError) as error:
        sys.stderr.write(f"{PROG}: {error}\n")
        return 1
    except ExceptionGroup:
        _log.exception("a task ended that never should")
        return 1
    return 0


async def serve(wanted: ApiSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        StartError, ClusterConfigError, CertificateError: it cannot start.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _log.info("starting", extra={"fields": {"settings": settings.describe(wanted)}})
    clock = SystemClock()
    async with (
        connect(wanted.kubeconfig) as cluster,
        Client(cluster, calls=FACADE_CALLS, field_manager=names.MANAGER_FACADE, limit=128) as client,
    ):
        await _require_cluster(client.store, clock, stop)
        catalog = Catalog(wanted.gitops_managers)
        reflectors = _reflectors(client.store, catalog, clock)
        freshness = Freshness(reflectors, max_staleness=wanted.max_staleness_seconds, clock=clock)
        facade = Facade(catalog, Access(client.reviewer, clock), client.store, freshness, clock, wanted)
        metrics = Metrics(catalog, freshness, facade.access)
        readiness = Readiness()
        server = create_app(facade, metrics, readiness)
        certificate = _certificate(wanted)
        # Ports first: a port that is taken is a sentence, and nothing else has begun.
        async with (
            _metrics_port(wanted, metrics),
            _api_port(wanted, server, certificate) as finish,
            _running(reflectors, certificate, facade, metrics),
        ):
            await stop.wait()
            _log.info("stopping")
            readiness.stopping = server.edge.stopping = True
            # Load balancers need a moment to notice; until then requests still come.
            await asyncio.sleep(wanted.stop_delay_seconds)
            # Before the watches end: what still runs may wait for them.
            await finish()


def _reflectors(store: KubernetesStore, catalog: Catalog, clock: Clock) -> list[Reflector]:  # type: ignore[type-arg]
    # One list of reflectors of different views: what is asked of them does not depend on the view.
    read = catalog.read
    return [
        Reflector(
            store, names.NAMESPACES, read=read.namespace, sink=catalog.namespaces, clock=clock, selector=WORKSPACES
        ),
        Reflector(store, names.ENVIRONMENTS, read=read.environment, sink=EnvironmentSink(catalog), clock=clock),
        Reflector(store, names.LOCKS, read=read.lock, sink=catalog.locks, clock=clock),
        Reflector(store, names.DEPLOYMENTS, read=read.binding, sink=catalog.bindings, clock=clock),
        Reflector(store, names.RECORDS, read=read.line, sink=catalog.history, clock=clock),
    ]


@contextlib.asynccontextmanager
async def _running(
    reflectors: "list[Reflector]",  # type: ignore[type-arg]
    certificate: Certificate | None,
    facade: Facade,
    metrics: Metrics,
) -> AsyncIterator[None]:
    """The tasks in the background; if one of them ends, which none should, everything ends."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(reflector.run()) for reflector in reflectors]
        tasks.append(group.create_task(_sample(facade, metrics)))
        if certificate is not None:
            tasks.append(group.create_task(certificate.follow()))
        yield
        for task in tasks:
            task.cancel()


async def _sample(facade: Facade, metrics: Metrics) -> None:
    """A few times a second: look at the feeds and at how late the loop is, and let go of old tokens."""
    freshness = facade.freshness
    loop = asyncio.get_running_loop()
    settled = False
    while True:
        before = loop.time()
        await asyncio.sleep(SAMPLE_SECONDS)
        metrics.loop_stalls.observe(max(0.0, loop.time() - before - SAMPLE_SECONDS))
        freshness.sample()
        facade.access.drop_expired()
        if freshness.synced and not settled:
            settled = True
            # The filled cache is large and lives on: no later collection needs to walk through it.
            gc.collect()
            gc.freeze()
            _log.info("synced")


@contextlib.asynccontextmanager
async def _metrics_port(wanted: ApiSettings, metrics: Metrics) -> AsyncIterator[None]:
    """Metrics on a port of their own, so that they can be kept from the callers of the API."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    application = web.Application()
    application.router.add_get("/metrics", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, wanted.bind_host, wanted.metrics_port).start()
        except OSError as error:
            raise _cannot_listen(wanted.bind_host, wanted.metrics_port, "MOORAGE_METRICS_PORT", error) from error
        yield
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _api_port(
    wanted: ApiSettings, server: EdgeServer, certificate: Certificate | None
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Take connections. Yields what ends that: no new ones, and what runs is finished."""
    try:
        listening = await asyncio.get_running_loop().create_server(
            server,
            wanted.bind_host,
            wanted.port,
            ssl=certificate.context if certificate else None,
            ssl_handshake_timeout=TLS_HANDSHAKE_SECONDS if certificate else None,
            backlog=BACKLOG,
        )
    except OSError as error:
        raise _cannot_listen(wanted.bind_host, wanted.port, "MOORAGE_PORT", error) from error
    _log.info("listening", extra={"fields": {"host": wanted.bind_host, "port": wanted.port}})

    async def finish() -> None:
        listening.close()
        # Connections that were taken just now wait for their request only after the next round of the loop; before,
        # they would neither be closed nor answered.
        for _ in range(ACCEPT_ROUNDS):
            await asyncio.sleep(0)
        server.pre_shutdown()
        await server.shutdown(wanted.stop_seconds)

    try:
        yield finish
    finally:
        await finish()
        _log.info("stopped")


async def _require_cluster(store: KubernetesStore, clock: Clock, stop: asyncio.Event) -> None:
    """Wait a little for the API server, so that a wrong address is a sentence and not a silent retry."""
    deadline = clock.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await store.server_version()
        except StoreError as error:
            hopeless = not isinstance(error, TransientError)
            if hopeless or stop.is_set() or clock.monotonic() > deadline:
                message = f"the cluster cannot be reached: {error}"
                raise StartError(message) from error
            _log.warning("the cluster does not answer yet", extra={"fields": {"error": str(error)}})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)
        else:
            return


def _certificate(wanted: ApiSettings) -> Certificate | None:
    if wanted.tls_cert_file is None or wanted.tls_key_file is None:
        return None
    return Certificate(wanted.tls_cert_file, wanted.tls_key_file)


def _require_c_parser() -> None:
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        message = "aiohttp runs without its C parser here, which alone is safe enough; install a wheel of aiohttp"
        raise StartError(message)


def _cannot_listen(host: str, port: int, variable: str, error: OSError) -> StartError:
    return StartError(f"cannot listen on {host}:{port} ({error.strerror}); set {variable} to a free port")


if __name__ == "__main__":
    sys.exit(main())
