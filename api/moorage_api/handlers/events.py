"""Streams of events of a workspace."""

from moorage_api.cache.catalog import Catalog
from moorage_api.contract import errors, schemas
from moorage_api.handlers.matrix import matrix_sight
from moorage_api.operation import Call, Facade, Stream
from moorage_api.reads.events import Columns, WorkspaceEvents
from moorage_api.reads.matrix import Matrix, MatrixSight
from moorage_crds.names import ENVIRONMENTS
from moorage_crds.store import Right


class Events:
    """Handler of the streams."""

    def __init__(self, catalog: Catalog, matrix: Matrix) -> None:
        self._columns = Columns(catalog, matrix)

    async def stream(self, facade: Facade, call: Call) -> Stream:
        """A stream that resumes after `Last-Event-ID`. Raises ApiError 503 if too many are open."""
        query: schemas.EventsQuery = call.query
        sight = await matrix_sight(facade, call)
        listeners = facade.catalog.history.journal.listeners
        if listeners.full(call.caller.username):
            raise errors.busy("Too many streams of events are open; close one, or try again")
        events = WorkspaceEvents(
            facade.catalog, self._columns, call.workspace, lambda: _sight_now(facade, call), facade.clock
        )
        last = call.headers.get("Last-Event-ID") or query.last_event_id
        joined = listeners.join(call.workspace.namespace, call.caller.username)
        return Stream(events.chunks(joined, sight, last))


async def _sight_now(facade: Facade, call: Call) -> MatrixSight | None:
    """What the caller may see now; None: token or right is gone. Raises StoreError, ApiError: nobody can say."""
    caller = await facade.access.authenticate(call.caller.token, call.upstream, address=call.client)
    if caller is None:
        return None
    right = Right("list", ENVIRONMENTS, call.workspace.namespace)
    return await matrix_sight(facade, call) if await facade.access.allowed(caller, right) else None
