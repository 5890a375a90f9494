"""kopf's settings and its login. Every line of the settings has its reason: kopf shall watch, and write nothing."""

import asyncio
import base64
import binascii
import contextlib
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf
import orjson
from typing_extensions import override

from moorage_crds.clock import Clock
from moorage_crds.kube.session import Cluster

#: Connections of kopf's own session: one per stream, and headroom.
CONNECTIONS = 16
#: New credentials are fetched so long before the old ones end.
EARLY = timedelta(seconds=120)
#: Credentials count for so long at least, whatever they say of their end.
AT_LEAST = timedelta(seconds=30)
#: Seconds between two logins, at least.
LOGIN_SECONDS = 5.0
#: Seconds that a session has to close its connections.
CLOSE_SECONDS = 2.0


class NoDiff(kopf.DiffBaseStorage):
    """Keeps no last-handled copy of objects: it would double every spec in an annotation."""

    @override
    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    @override
    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    @override
    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        return


class NoProgress(kopf.ProgressStorage):
    """Keeps no progress of handlers: there is none, `on.event` is not repeated."""

    @override
    def fetch(self, *, key: Any, body: kopf.Body) -> None:
        return None

    @override
    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        return

    @override
    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        return

    @override
    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        return

    @override
    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def register(registry: kopf.OperatorRegistry, cluster: Cluster, clock: Clock, *, streaming: bool) -> "Logins":
    """Put start-up and login into a registry of our own; returns the logins, which the caller closes.

    Args:
        registry: kopf's handlers.
        cluster: where to log in.
        clock: the time.
        streaming: the API server can send what is there as events of the watch (Kubernetes 1.34 and later).
    """

    @kopf.on.startup(registry=registry)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        apply_settings(settings, streaming=streaming)

    logins = Logins(cluster, clock)

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return await logins.next()

    return logins


class Logins:
    """Gives kopf sessions with fresh credentials.

    kopf asks for the next one as soon as the last one has expired or was refused, without a pause of its own. A token
    that is about to end and is not replaced, or one that is refused, would keep it busy with nothing else.
    """

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._last = float("-inf")
        self._given: kopf.AiohttpSession | None = None

    async def next(self) -> kopf.AiohttpSession:
        """A new session, a while after the one before."""
        await asyncio.sleep(max(0.0, self._last + LOGIN_SECONDS - self._clock.monotonic()))
        self._last = self._clock.monotonic()
        session = self._cluster.new_session(limit=CONNECTIONS)
        header = await self._cluster.authorization(renew=True)
        if header:
            session.headers["Authorization"] = header
        expiration = _expiration(header, self._clock.now())
        self._given = kopf.AiohttpSession(server=self._cluster.server, aiohttp_session=session, expiration=expiration)
        return self._given

    async def close(self) -> None:
        """Close the last session. kopf closes those before it, and this one only where a run ends in good order."""
        if self._given is None:
            return
        # The next run must not wait for a connection that never says that it is closed.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._given.aiohttp_session.close()


def apply_settings(settings: kopf.OperatorSettings, *, streaming: bool) -> None:
    """Kopf as a shell for watches."""
    settings.peering.standalone = True  # no peering objects, no pauses
    settings.scanning.disabled = True  # no watches of CRDs and Namespaces: we check the CRDs ourselves
    settings.posting.enabled = False  # no Events
    settings.posting.level = logging.CRITICAL
    settings.persistence.diffbase_storage = NoDiff()
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.consistency_timeout = 0  # nothing waits for our own writes
    settings.queueing.idle_timeout = 0.1  # an idle worker keeps its last object: at a start that is most of the memory
    settings.queueing.worker_limit = None  # a limit caps the start at limit / idle_timeout objects a second
    settings.watching.server_timeout = 290  # regular reconnects from the last version
    settings.watching.inactivity_timeout = 100  # bookmarks come every minute: a stream without them is dead
    settings.watching.initial_streaming = streaming  # object by object: a list of 10,000 costs 100 MiB at its peak
    settings.watching.chunk_size = None  # a 410 on an expired page would end the process
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 3  # without it a connection to a server that dies hangs for 30 s
    settings.networking.error_backoffs = (0.2, 0.5, 1, 2, 2, 2, 2)  # after an outage the watches are back in 2 s
    settings.process.ultimate_exiting_timeout = None  # else a run that failed kills the process 20 seconds later


def _expiration(header: str | None, now: datetime) -> datetime | None:
    """A moment before the token ends, so that streams are not cut by a 401; None if it does not say when.

    Always in the future: a session that has expired already cannot be used, and while a token nears its end without
    being replaced it is still good.
    """
    parts = (header or "").removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        return None
    try:
        claims: Any = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        ends = datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return max(ends - EARLY, now + AT_LEAST)
