"""LIST and watch of one kind into a sink, for ever: nobody else's list is trusted, and no error ends it.

The sink is replaced at every list, so that what was deleted during an outage goes (no ghosts). A 410 comes in two
forms, as an HTTP status and as an ERROR line in the stream; both mean: list again, at once the first time and after a
pause when it comes again soon, because lists are what a troubled API server can bear least. Silence longer than the
bookmarks' rhythm means that the connection is dead. Everything else is a reason to wait a little, with jitter, and go
on from the last version.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Generic, TypeVar

import aiohttp
import orjson

from moorage_crds.clock import Clock
from moorage_crds.kube import paths
from moorage_crds.kube.client import Connection, KubernetesStore, decode, error_for
from moorage_crds.objects import RawObject, version_of
from moorage_crds.store import GoneError, Sink, StoreError, TransientError, UnauthenticatedError, UnavailableError

#: The API server sends a bookmark about once a minute: this long without a byte and the stream is dead. Seconds.
SILENCE_SECONDS: Final = 75.0
#: A watch asks for an end of its own between these bounds, so that the watches of many replicas do not move together.
WATCH_SECONDS: Final = (240, 360)
SHORTEST_WATCH_SECONDS: Final = 1.0
#: Between attempts. The longest is what a cache is behind, at most, when a long outage ends.
BACKOFF_SECONDS: Final = (0.2, 3.0)
#: A version that is too old within so many seconds after the last one was is more than bad luck.
GONE_AGAIN_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)

ViewT = TypeVar("ViewT")


class Reflector(Generic[ViewT]):
    """Keeps a sink equal to what the API server has of one kind.

    Args:
        store: where to list and watch.
        plural: the kind.
        read: raw object → view; None leaves the object out. It must not keep the raw object.
        sink: what is filled.
        clock: for ages.
        selector: label selector; an object that stops matching arrives as DELETED.
    """

    def __init__(
        self,
        store: KubernetesStore,
        plural: str,
        *,
        read: Callable[[RawObject], ViewT | None],
        sink: Sink[ViewT],
        clock: Clock,
        selector: str | None = None,
    ) -> None:
        self._store = store
        self._plural = plural
        self._read = read
        self._sink = sink
        self._clock = clock
        self._selector = selector
        self._synced = asyncio.Event()
        self._last_byte = clock.monotonic()
        self._failures = 0
        self._gone_in_a_row = 0
        self._gone_at = float("-inf")
        self.resource_version = ""
        self.connected = False
        self.relists = 0

    @property
    def plural(self) -> str:
        """The kind that is reflected."""
        return self._plural

    @property
    def synced(self) -> bool:
        """True from the first complete list on."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return when the first list is complete."""
        await self._synced.wait()

    def age(self) -> float:
        """Seconds since the last byte from the API server. Up to a minute is normal while nothing happens."""
        return self._clock.monotonic() - self._last_byte

    def _touch(self) -> None:
        self._last_byte = self._clock.monotonic()

    async def run(self) -> None:
        """List, watch, repair; until cancelled."""
        while True:
            try:
                if not self.resource_version:
                    await self._list()
                await self._watch()
            except GoneError as error:
                await self._begin_anew(error)
            except StoreError as error:
                self._failures += 1
                await self._pause(error, self._failures)
            finally:
                self.connected = False

    async def _begin_anew(self, error: GoneError) -> None:
        """Forget the version; from the second time in a row on with a pause before the next list."""
        self.resource_version = ""
        now = self._clock.monotonic()
        again = now - self._gone_at < GONE_AGAIN_SECONDS
        self._gone_at = now
        self._gone_in_a_row = self._gone_in_a_row + 1 if again else 0
        if again:
            await self._pause(error, self._gone_in_a_row)
        else:
            _log.info("version too old, listing again", extra={"fields": {"kind": self._plural}})

    async def _pause(self, error: StoreError, attempt: int) -> None:
        self.connected = False
        low, high = BACKOFF_SECONDS
        delay = min(high, low * 2 ** min(attempt - 1, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 — jitter
        if isinstance(error, TransientError) and error.retry_after:
            delay = max(delay, min(error.retry_after, 60.0))
        _log.warning(
            "reflector interrupted",
            extra={"fields": {"kind": self._plural, "error": str(error), "retry_in_seconds": round(delay, 3)}},
        )
        await asyncio.sleep(delay)

    async def _list(self) -> None:
        views: list[ViewT] = []
        version = ""
        async for page in self._store.pages(self._plural, selector=self._selector):
            self._touch()
            views.extend(view for view in map(self._readable, page.items) if view is not None)
            version = page.resource_version
        self._sink.replace(views, version)
        self.resource_version = version
        self.relists += 1
        self._failures = 0
        self._synced.set()

    async def _watch(self) -> None:
        started, seen = self._clock.monotonic(), False
        async for line in self._lines():
            seen = True
            event = _parse(line)
            kind, raw = event.get("type"), event.get("object")
            if not isinstance(raw, dict):
                raise UnavailableError(f"watch {self._plural}: an event without object")
            if kind == "ERROR":
                code = int(raw.get("code") or 500)
                raise error_for(f"watch {self._plural}", code, str(raw.get("message", "")), raw)
            if kind == "BOOKMARK":
                self._sink.progress(version_of(raw))
            else:
                view = self._readable(raw)
                if view is not None:
                    self._sink.apply(str(kind), view)
            self.resource_version = version_of(raw) or self.resource_version
            self._failures = 0
        if not seen and self._clock.monotonic() - started < SHORTEST_WATCH_SECONDS:
            # A server (or a proxy) that ends every watch at once must not be asked in a tight loop.
            raise UnavailableError(f"watch {self._plural}: ended at once")

    def _readable(self, raw: RawObject) -> ViewT | None:
        """One object that cannot be read must not stop all others: it is left out, loudly."""
        try:
            return self._read(raw)
        except (KeyError, TypeError, ValueError):
            _log.exception("object left out", extra={"fields": {"kind": self._plural, "version": version_of(raw)}})
            return None

    async def _lines(self) -> AsyncIterator[bytes]:
        connection: Connection = self._store.connection
        path = paths.collection(self._plural)
        connection.calls.require("GET", path)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self.resource_version,
            "timeoutSeconds": str(random.randint(*WATCH_SECONDS)),  # noqa: S311 — spread, not secrecy
        }
        if self._selector:
            query["labelSelector"] = self._selector
        headers = await connection.headers(renew=self._failures > 0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=3, sock_read=SILENCE_SECONDS)
        try:
            async with connection.session.get(
                connection.url(path, query), headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status != 200:
                    decode("WATCH", path, response.status, response.headers.get("Retry-After"), await response.read())
                    raise UnavailableError(f"watch {self._plural}: status {response.status}")
                self.connected = True
                async for line in _split(response.content.iter_any(), self._touch):
                    yield line
        except UnauthenticatedError as error:
            # The next attempt reads the credentials again.
            raise UnavailableError(str(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError, RuntimeError) as error:
            # RuntimeError: uvloop refuses a new socket whose number a dying connection still has.
            raise UnavailableError(f"watch {self._plural}: {type(error).__name__} {error}") from error


async def _split(chunks: AsyncIterator[bytes], touch: Callable[[], None]) -> AsyncIterator[bytes]:
    """Lines of any length out of chunks of any size; `touch` is called for every chunk."""
    touch()
    rest = b""
    async for chunk in chunks:
        touch()
        *lines, rest = (rest + chunk).split(b"\n")
        for line in filter(None, lines):
            yield line


def _parse(line: bytes) -> dict[str, Any]:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UnavailableError("watch: a line that is no JSON") from error
    return event if isinstance(event, dict) else {}
