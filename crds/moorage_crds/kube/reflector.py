"""LIST and watch of one kind into a sink, without end: nobody else's list is trusted, and no error ends it.

The sink is replaced at every list, so that what was deleted during an outage goes (no ghosts). A 410 comes in two
forms, as an HTTP status and as an ERROR line in the stream; both mean: list again, at once the first time and after a
pause when it comes again soon, because lists are what a troubled API server can bear least. Silence longer than the
bookmarks' rhythm means that the connection is dead. Everything else is a reason to wait a little, with jitter, and
resume from the last version.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Generic, TypeVar

import orjson

from moorage_crds.clock import Clock
from moorage_crds.kube import paths
from moorage_crds.kube.answers import decode, error_for
from moorage_crds.kube.client import KubernetesStore
from moorage_crds.kube.connection import Connection
from moorage_crds.kube.libraries import aiohttp
from moorage_crds.kube.proofs import Proofs
from moorage_crds.objects import RawObject, metadata, version_of
from moorage_crds.reading import readable
from moorage_crds.store import GoneError, Sink, StoreError, TransientError, UnauthenticatedError, UnavailableError

#: The API server sends a bookmark about once a minute: this long without a byte and the stream is dead. Seconds.
SILENCE_SECONDS: Final = 75.0
#: A watch asks for an end of its own between these bounds, so that the watches of many replicas do not move together.
WATCH_SECONDS: Final = (240, 360)
SHORTEST_WATCH_SECONDS: Final = 1.0
#: Between attempts. The longest is what a cache is behind, at most, when a long outage ends.
BACKOFF_SECONDS: Final = (0.2, 3.0)
#: A version that is too old again within this many seconds is more than bad luck.
GONE_AGAIN_SECONDS: Final = 30.0
#: Between two lines of the log about interruptions of one watch, however often it is interrupted. Seconds.
SILENT_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)

ViewT = TypeVar("ViewT")


class _Interruptions:
    """What the log hears of interruptions: the first, then at most one line a minute, and that it is over."""

    def __init__(self, plural: str, clock: Clock) -> None:
        self._plural = plural
        self._clock = clock
        self._told_at = float("-inf")
        self._told = False
        self._count = 0

    def one_more(self, error: StoreError, delay: float) -> None:
        """The list or the watch was interrupted, and is retried after `delay` seconds."""
        self._count += 1
        now = self._clock.monotonic()
        if now - self._told_at < SILENT_SECONDS:
            return
        self._told_at, self._told = now, True
        fields = {
            "kind": self._plural,
            "error": str(error),
            "retry_in_seconds": round(delay, 3),
            "interruptions": self._count,
        }
        _log.warning("reflector interrupted", extra={"fields": fields})

    def over(self) -> None:
        """Something has arrived."""
        if self._told:
            _log.info("reflector resumed", extra={"fields": {"kind": self._plural, "interruptions": self._count}})
        self._told, self._count = False, 0


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
        self._lives, self._longest = _lives(None)
        self._store = store
        self._plural = plural
        self._read = read
        self._sink = sink
        self._clock = clock
        self._selector = selector
        self._synced = asyncio.Event()
        self._last_byte = clock.monotonic()
        self._proofs = Proofs(clock)
        self._failures = 0
        self._interruptions = _Interruptions(plural, clock)
        self._gone_in_a_row = 0
        self._gone_at = float("-inf")
        self.resource_version = ""
        self.connected = False
        self.relists = 0
        #: Namespace and name of the objects that are there and cannot be read.
        self.left_out: set[tuple[str, str]] = set()

    @property
    def plural(self) -> str:
        """The kind that is reflected."""
        return self._plural

    @property
    def synced(self) -> bool:
        """True from the first complete list on."""
        return self._synced.is_set()

    def age(self) -> float:
        """Seconds since the last byte from the API server. Up to a minute is normal while nothing happens."""
        return self._clock.monotonic() - self._last_byte

    def unproved(self) -> float:
        """Seconds since the cache was last known to have missed nothing, however the watch looks."""
        return self._proofs.seconds()

    def _touch(self) -> None:
        self._last_byte = self._clock.monotonic()

    def doubt(self, seconds: float) -> None:
        """Doubt an open watch, which may have died silently: after `seconds` it has started again, or counts as cut."""
        self._lives, self._longest = _lives(seconds)

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
        self._interruptions.one_more(error, delay)
        await asyncio.sleep(delay)

    async def _list(self) -> None:
        views: list[ViewT] = []
        left_out: set[tuple[str, str]] = set()
        version, began = "", self._clock.monotonic()

        def leave_out(raw: RawObject) -> None:
            left_out.add(_place(raw))

        async for page in self._store.pages(self._plural, selector=self._selector):
            self._touch()
            found = (readable(self._read, raw, self._plural, left_out=leave_out) for raw in page.items)
            views.extend(view for view in found if view is not None)
            version = page.resource_version
        self._sink.replace(views, version)
        self.left_out = left_out
        self.resource_version = version
        self.relists += 1
        self._proofs.listed(began)
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
                raise error_for("WATCH", self._plural, code, raw)
            if kind == "BOOKMARK":
                self._sink.progress(version_of(raw))
            else:
                self._apply(str(kind), raw)
            self.resource_version = version_of(raw) or self.resource_version
            self._failures = 0
            self._interruptions.over()
        if not seen and self._clock.monotonic() - started < SHORTEST_WATCH_SECONDS:
            # A server (or a proxy) that ends every watch at once must not be asked in a tight loop.
            raise UnavailableError(f"watch {self._plural}: ended at once")

    def _apply(self, kind: str, raw: RawObject) -> None:
        place = _place(raw)
        self.left_out.discard(place)

        def leave_out(_raw: RawObject) -> None:
            if kind != "DELETED":
                self.left_out.add(place)

        view = readable(self._read, raw, self._plural, left_out=leave_out)
        if view is not None:
            self._sink.apply(kind, view)

    async def _lines(self) -> AsyncIterator[bytes]:
        connection: Connection = self._store.connection
        path = paths.collection(self._plural)
        connection.calls.require("GET", path)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self.resource_version,
            "timeoutSeconds": str(random.randint(*self._lives)),  # noqa: S311 — spread, not secrecy
        }
        if self._selector:
            query["labelSelector"] = self._selector
        headers = await connection.headers(renew=self._failures > 0)
        timeout = aiohttp.ClientTimeout(total=self._longest, sock_connect=3, sock_read=SILENCE_SECONDS)
        try:
            async with connection.session.get(
                connection.url(path, query), headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status != 200:
                    decode("WATCH", path, response.status, response.headers.get("Retry-After"), await response.read())
                    raise UnavailableError(f"watch {self._plural}: status {response.status}")
                self.connected = True
                self._proofs.opened()
                async for line in _split(response.content.iter_any(), self._touch):
                    yield line
        except UnauthenticatedError as error:
            # The next attempt reads the credentials again.
            raise UnavailableError(str(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"watch {self._plural}: {type(error).__name__} {error}") from error


def _lives(believed: float | None) -> tuple[tuple[int, int], float | None]:
    """Between which bounds a watch asks for its end, and how long it is waited for, in seconds.

    A watch that starts again brings what it has missed, or fails: so nothing that an open one shows is older than its
    life. The API server ends it well before we do, and a cut shorter than 2.5 seconds is not looked at.
    """
    if believed is None:
        return WATCH_SECONDS, None
    longest = max(1, int(believed * 0.6))
    return (max(1, longest // 2), longest), max(longest + 0.5, believed - 2.5)


async def _split(chunks: AsyncIterator[bytes], touch: Callable[[], None]) -> AsyncIterator[bytes]:
    """Lines of any length out of chunks of any size; `touch` is called for every chunk."""
    touch()
    rest = b""
    async for chunk in chunks:
        touch()
        *lines, rest = (rest + chunk).split(b"\n")
        for line in filter(None, lines):
            yield line


def _place(raw: RawObject) -> tuple[str, str]:
    meta = metadata(raw)
    return str(meta.get("namespace", "")), str(meta.get("name", ""))


def _parse(line: bytes) -> dict[str, Any]:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UnavailableError("watch: a line that is not JSON") from error
    return event if isinstance(event, dict) else {}
