"""`moorage api`: settings, connection, reflectors, server; the composition root of the facade."""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

from aiohttp import http_parser

from moorage_api.access import Access
from moorage_api.app import create_app
from moorage_api.cache.catalog import Catalog
from moorage_api.cache.freshness import Freshness
from moorage_api.cache.recording import Recording
from moorage_api.config import ApiSettings
from moorage_api.edge import probes
from moorage_api.edge.metrics import Metrics
from moorage_api.edge.probes import Probes
from moorage_api.edge.server import LOOK_ROUNDS, EdgeServer
from moorage_api.edge.tls import Certificate
from moorage_api.handlers.service import Readiness
from moorage_api.operation import Facade
from moorage_api.reviews.heard import HeardReviewer
from moorage_api.reviews.keys import follow
from moorage_api.reviews.lanes import Lanes
from moorage_api.reviews.signatures import Keys
from moorage_api.session.seal import Seal, WeakSecretError
from moorage_api.session.sessions import Sessions
from moorage_crds import names
from moorage_crds.clock import Clock, SystemClock
from moorage_crds.identifiers import ClusterObjectName, NamespaceName
from moorage_crds.kube.client import Client, KubernetesStore
from moorage_crds.kube.paths import FACADE_CALLS
from moorage_crds.kube.reflector import Reflector
from moorage_crds.kube.session import ClusterConfigError, connect
from moorage_crds.process import listening, settings
from moorage_crds.process.start import StartError, take_files, tune_collector
from moorage_crds.process.telemetry import configure_logging
from moorage_crds.rights import LEASE_NAME
from moorage_crds.store import ObjectRef, StoreError, TransientError

_log = logging.getLogger(__name__)

PROG: Final = "moorage api"
#: How long the cluster may be out of reach at the start, in seconds.
PATIENCE_SECONDS: Final = 20.0
SAMPLE_SECONDS: Final = 0.25
TLS_HANDSHAKE_SECONDS: Final = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the facade until it is told to stop; the exit code."""
    wanted = settings.load(ApiSettings, sys.argv[1:] if argv is None else argv, prog=PROG)
    configure_logging(wanted.log_level, "api")
    try:
        _require_c_parser()
        take_files()
        tune_collector()
        asyncio.run(serve(wanted))
    except (StartError, ClusterConfigError) as error:
        sys.stderr.write(f"{PROG}: {error}\n")
        return 1
    except ExceptionGroup:
        _log.exception("a task ended that never should")
        return 1
    return 0


async def serve(wanted: ApiSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        StartError, ClusterConfigError: it cannot start.
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
        catalog = Catalog(wanted.gitops_managers, clock=clock)
        reflectors = _reflectors(client.store, catalog, clock, doubt=wanted.max_input_staleness_seconds)
        reviewer = HeardReviewer(client.reviewer, clock)
        recording = _recording(client.store, clock, wanted)
        freshness = Freshness(
            reflectors,
            max_staleness=wanted.max_staleness_seconds,
            clock=clock,
            silence=reviewer.silent_seconds,
            recording_stopped_at=recording.stopped_at,
        )
        keys, sessions = Keys(), Sessions(_seal(wanted), clock)
        lanes = Lanes(clock, rate=wanted.failed_rate_limit, burst=wanted.failed_rate_burst, keys=keys)
        facade = Facade(catalog, Access(reviewer, clock, lanes), client.store, freshness, clock, wanted, sessions)
        metrics, readiness = Metrics(catalog, freshness, facade.access), Readiness()
        server = create_app(facade, metrics, readiness)
        probing = Probes(facade, server.edge, metrics, readiness)
        certificate = _certificate(wanted)
        # Ports first: a port that is taken is a sentence, and nothing else has begun.
        async with (
            _metrics_port(wanted, server, probing),
            _api_port(wanted, server, certificate) as finish,
            _running(
                [
                    *(reflector.run() for reflector in reflectors),
                    *([certificate.follow()] if certificate is not None else []),
                    _sample(facade, metrics),
                    follow(keys, client.reviewer.signing_keys),
                    recording.run(),
                ]
            ),
        ):
            await stop.wait()
            _log.info("stopping")
            _stop(readiness, server)
            # Load balancers need a moment to notice; until then requests still come.
            await asyncio.sleep(wanted.stop_delay_seconds)
            # Before the watches end: what still runs may wait for them.
            await finish()


def _reflectors(store: KubernetesStore, catalog: Catalog, clock: Clock, *, doubt: float) -> list[Reflector]:  # type: ignore[type-arg]
    # One list of reflectors of different views: what is asked of them does not depend on the view.
    made = [
        Reflector(store, feed.plural, read=feed.read, sink=feed.sink, clock=clock, selector=feed.selector or None)
        for feed in catalog.feeds
    ]
    for reflector in made:
        reflector.doubt(doubt)
    return made


def _recording(store: KubernetesStore, clock: Clock, wanted: ApiSettings) -> Recording:
    """Operators run in the Namespace of the facade."""
    lease = ObjectRef(names.LEASES, NamespaceName.parse(wanted.namespace), ClusterObjectName.parse(LEASE_NAME))
    return Recording(lambda: store.get(lease), clock, wanted.operator_silence_seconds)


@contextlib.asynccontextmanager
async def _running(background: Sequence[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """The tasks in the background; if one of them ends, which none should, everything ends."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in background]
        yield
        for task in tasks:
            task.cancel()


async def _sample(facade: Facade, metrics: Metrics) -> None:
    """A few times a second: look at the feeds and at how late the loop is, and forget old tokens."""
    freshness = facade.freshness
    loop = asyncio.get_running_loop()
    settled = False
    while True:
        before = loop.time()
        await asyncio.sleep(SAMPLE_SECONDS)
        metrics.loop_stalls.observe(max(0.0, loop.time() - before - SAMPLE_SECONDS))
        freshness.sample()
        facade.access.drop_expired()
        facade.sessions.drop_links()
        facade.catalog.history.drop_lost()
        if freshness.synced and not settled:
            settled = True
            # The filled cache is large and lives on: no later collection needs to walk through it.
            gc.collect()
            gc.freeze()
            _log.info("synced")


@contextlib.asynccontextmanager
async def _metrics_port(wanted: ApiSettings, server: EdgeServer, answer: Probes) -> AsyncIterator[None]:
    """Metrics and probes on a port of their own, so that they can be kept from the callers of the API."""
    probing = EdgeServer(server.edge, max_connections=probes.MAX_CONNECTIONS, share=probes.SHARE, answer=answer)
    with listening.on(wanted.bind_host, wanted.metrics_port, setting="metrics_port"):
        listener = await probing.listen(wanted.bind_host, wanted.metrics_port)
    try:
        yield
    finally:
        listener.close()
        await probing.shutdown(1.0)


@contextlib.asynccontextmanager
async def _api_port(
    wanted: ApiSettings, server: EdgeServer, certificate: Certificate | None
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Take connections. Yields what ends that: no new ones, and what runs is finished."""
    with listening.on(wanted.bind_host, wanted.port, setting="port"):
        listener = await server.listen(
            wanted.bind_host,
            wanted.port,
            tls=certificate.context if certificate else None,
            handshake_seconds=TLS_HANDSHAKE_SECONDS if certificate else None,
        )
    _log.info("listening", extra={"fields": {"host": wanted.bind_host, "port": wanted.port}})

    async def finish() -> None:
        listener.close()
        # Connections that were taken just now wait for their request only some rounds of the loop later; before, they
        # would neither be closed nor answered.
        for _ in range(LOOK_ROUNDS):
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
            asked = error.retry_after if isinstance(error, TransientError) else None
            if hopeless or stop.is_set() or clock.monotonic() > deadline:
                message = f"the cluster cannot be reached: {error}"
                raise StartError(message) from error
            _log.warning("the cluster does not answer yet", extra={"fields": {"error": str(error)}})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(max(1.0, asked or 0.0), PATIENCE_SECONDS))
        else:
            return


def _certificate(wanted: ApiSettings) -> Certificate | None:
    if wanted.tls_cert_file is None or wanted.tls_key_file is None:
        return None
    return Certificate(wanted.tls_cert_file, wanted.tls_key_file)


def _stop(readiness: Readiness, server: EdgeServer) -> None:
    """Ask for no more requests, and end the streams, which would last as long as somebody reads."""
    readiness.stopping = True
    server.edge.stop()


def _seal(wanted: ApiSettings) -> Seal:
    """What seals the logins of the page. Raises StartError."""
    if wanted.session_key_file is None:
        return Seal.fresh()
    try:
        return Seal.of(wanted.session_key_file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, WeakSecretError) as error:
        message = f"session_key_file: {wanted.session_key_file} must hold secrets of at least 32 characters, one a line"
        raise StartError(message) from error


def _require_c_parser() -> None:
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        message = "aiohttp runs without its C parser here, which alone is safe enough; install a wheel of aiohttp"
        raise StartError(message)


if __name__ == "__main__":
    sys.exit(main())
