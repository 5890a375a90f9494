"""Server-Sent Events of a workspace: changes as they happen, and the state of its environments. No event is lost.

`change`        a line of history, new or recorded meanwhile; the same `deployment_id` may come again
`environment`   an environment without its cells, when anything of it has changed: name, lock, closed Freezes, what it
                asks of releases, and by what it decides that (evidence, Approvals)
`environment_gone`
`reset`         too much has happened since `Last-Event-ID`: read again what you show
`end`           the rights are gone, and asking again is of no use

The id of an event says how far the records and the Deployments had come, so any replica knows what came after it.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Set
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final

import orjson

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.line import Line
from moorage_api.cache.listeners import MAX_STREAMS, Listener
from moorage_api.contract.errors import ApiError
from moorage_api.reads.gates import freezes_of
from moorage_api.reads.matrix import Matrix, MatrixSight
from moorage_api.reads.owners import Owners
from moorage_crds.clock import Clock
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.store import StoreError

#: Seconds without news after which a comment is sent, so that proxies keep the connection.
HEARTBEAT_SECONDS: Final = 10.0
#: Seconds after which a stream ends and the client connects again with its id: no stream outlives its login by more.
MAX_SECONDS: Final = 3_600.0
#: Lines that are sent again after a break; beyond that the client has to read everything again.
MAX_MISSED: Final = 1_000
HEARTBEAT: Final = b": alive\n\n"

#: What is told of an environment: its column, its evidence, how often that of its bindings has changed, who unlocked it
#: last, and the uids of its Approvals.
_State = tuple[bytes, Mapping[str, Any], int, Mapping[str, Any], Set[str]]

_ID: Final = re.compile(r"([0-9]{1,20})\.([0-9]{1,20})")


class Columns:
    """The environments of workspaces as streams tell of them, made once for all streams that may see the same.

    Args:
        catalog: the cache.
        matrix: presents environments.
    """

    def __init__(self, catalog: Catalog, matrix: Matrix) -> None:
        self._catalog = catalog
        self._matrix = matrix
        self._kept: dict[tuple[str, MatrixSight], tuple[tuple[int, int], Mapping[str, _State]]] = {}

    def of(self, workspace: Workspace, sight: MatrixSight, now: datetime) -> Mapping[str, _State]:
        """Slug → state of an environment at that moment. The same objects for as long as nothing differs."""
        # Locks and Freezes begin and end with whole seconds; everything else stirs the listeners.
        state = (self._catalog.history.journal.listeners.stirs, int(now.timestamp()))
        key = (workspace.namespace, sight)
        before, told = self._kept.get(key, (None, {}))
        if before == state:
            return told
        if len(self._kept) > MAX_STREAMS:
            # Nobody listens there any more, or they have other rights; what is still asked for is made again.
            self._kept.clear()
        made = self._made(workspace, sight, now)
        if made == told:
            made = told
        self._kept[key] = (state, made)
        return made

    def _made(self, workspace: Workspace, sight: MatrixSight, now: datetime) -> Mapping[str, _State]:
        freezes = list(freezes_of(self._catalog, workspace)) if sight.closed else []
        found: dict[str, _State] = {}
        for view in self._catalog.environments_of(workspace.namespace):
            column = orjson.dumps(self._matrix.column(view, view.comes_after, freezes, sight, now))
            approvals = {one.uid for one in self._catalog.approvals_of(workspace.namespace, view.name)}
            evidence = (view.evidence, self._catalog.evidence_moves(view))
            found[view.name] = (column, *evidence, view.last_unlock if sight.lock else {}, approvals)
        return found


class WorkspaceEvents:
    """The events of one stream.

    Args:
        catalog: the cache.
        columns: what is told of environments.
        workspace: whose events.
        sight: says what the reader may see now; None: nothing any more. Raises StoreError or ApiError if nobody can
            say.
        clock: for the end of Freezes, and the end of the stream.
    """

    def __init__(
        self,
        catalog: Catalog,
        columns: Columns,
        workspace: Workspace,
        sight: Callable[[], Awaitable[MatrixSight | None]],
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._columns = columns
        self._workspace = workspace
        self._ask_sight = sight
        self._clock = clock
        #: By slug, as it was told last.
        self._shown: Mapping[str, _State] = {}

    async def chunks(
        self, joined: AbstractContextManager[Listener], sight: MatrixSight, last_id: str | None
    ) -> AsyncIterator[bytes]:
        """What is sent, piece by piece, until the stream has to end.

        Args:
            joined: listens; is left at the end.
            sight: what the reader may see at the beginning.
            last_id: the id of the last event that the client has seen, if it was here before.
        """
        with joined as listener:
            yield b"retry: 2000\n\n" + self._missed(sight, last_id) + self._environments(sight)
            began = self._clock.monotonic()
            seen: MatrixSight | None = sight
            while seen is not None and not listener.ended and self._clock.monotonic() - began < MAX_SECONDS:
                await listener.wait(HEARTBEAT_SECONDS)
                try:
                    # As for any other answer: what the reviews said a moment ago is not asked again.
                    seen = await self._ask_sight()
                except (StoreError, ApiError):
                    # Nobody can say. The client connects again with its id, and hears why not, or the rest.
                    return
                yield self._next(listener, seen)

    def _next(self, listener: Listener, sight: MatrixSight | None) -> bytes:
        if sight is None:
            return _event("end", {"reason": "Forbidden"})
        return self._changes(listener.taken(), sight) + self._environments(sight) or HEARTBEAT

    def _missed(self, sight: MatrixSight, last_id: str | None) -> bytes:
        """What came after the last event that the client has seen, or from when on it hears of everything."""
        found = _ID.fullmatch(last_id or "")
        lines: list[Line] = []
        if found is not None and sight.distance:
            lines = self._catalog.history.journal.newer(self._workspace.namespace, found[1], found[2])
        if (last_id and found is None) or len(lines) > MAX_MISSED:
            return _event("reset", {}, self._id())
        return self._changes(lines, sight) or _event("hello", {"hidden": sight.hidden}, self._id())

    def _changes(self, lines: list[Line], sight: MatrixSight) -> bytes:
        """The lines as events. The last one has the id: only then all of them have come."""
        if not lines or not sight.distance:
            return b""
        owners = Owners(self._catalog, self._workspace)
        shown = [owners.line(line) for line in lines]
        return b"".join(_event("change", one) for one in shown[:-1]) + _event("change", shown[-1], self._id())

    def _environments(self, sight: MatrixSight) -> bytes:
        """The environments that are not as they were sent last."""
        now, before = self._columns.of(self._workspace, sight, self._clock.now()), self._shown
        if now is before:
            return b""
        self._shown = now
        parts = [
            b"event: environment\ndata: " + state[0] + b"\n\n"
            for slug, state in now.items()
            if before.get(slug) != state
        ]
        parts += [_event("environment_gone", {"slug": slug}) for slug in before.keys() - now.keys()]
        return b"".join(parts)

    def _id(self) -> str:
        catalog = self._catalog
        return f"{catalog.history.versions.current or 0}.{catalog.bindings.versions.current or 0}"


def _event(name: str, data: dict[str, Any], id_: str = "") -> bytes:
    named = f"id: {id_}\n" if id_ else ""
    return f"event: {name}\n{named}data: ".encode() + orjson.dumps(data) + b"\n\n"
