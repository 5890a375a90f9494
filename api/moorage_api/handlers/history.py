"""The history of an environment, and of all environments of a workspace."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.journal import JournalQuery
from moorage_api.cache.line import NO_TIME, Line
from moorage_api.cache.lines import Filters, Position
from moorage_api.cache.views import BindingView, EnvironmentView
from moorage_api.contract import errors, pages, schemas
from moorage_api.handlers.environments import damaged_cursor, environment_of
from moorage_api.operation import Answer, Call, Facade
from moorage_api.reads import translate
from moorage_api.reads.owners import Owners
from moorage_crds.identifiers import Uid


async def history(facade: Facade, call: Call) -> Answer:
    """A page of lines, newest first."""
    query: schemas.HistoryQuery = call.query
    view = environment_of(facade, call)
    scope = ["history", view.uid, query.app_id, query.action, query.since, query.until]
    found = facade.catalog.history.page(
        view,
        facade.catalog.birth(view),
        filters=_filters(query),
        after=_position_in(scope, query.cursor),
        limit=query.limit,
    )
    return Answer(
        {
            "deployments": [
                translate.history_line(view.uid, line, _live(facade.catalog, line.uid)) for line in found.lines
            ],
            "total": found.total,
            "matching": found.matching,
            "has_more": found.last is not None,
            "next_cursor": _cursor(scope, found.last) if found.last is not None else None,
        }
    )


def _live(catalog: Catalog, uid: str) -> BindingView | None:
    chain = catalog.history.chain(uid)
    return chain.live if chain is not None else None


def _filters(query: schemas.HistoryQuery) -> Filters:
    return Filters(query.app_id, query.action, *_bounds(query))


def _bounds(query: schemas.Period) -> tuple[str | None, str | None]:
    """Lines have whole seconds: a bound between two of them is moved to the next one inside."""
    since = until = None
    if query.since is not None:
        since = _next_second(schemas.moment(query.since))
    if query.until is not None:
        until = schemas.whole_second(schemas.moment(query.until))
    return since, until


async def workspace_history(facade: Facade, call: Call) -> Answer:
    """A page of the lines of all environments of a workspace, newest first, with what deleted ones left."""
    query: schemas.WorkspaceHistoryQuery = call.query
    owners = Owners(facade.catalog, call.workspace)
    # Without an outcome the scope is what it was before there was that filter, so older cursors still work.
    asked = query.model_dump(exclude={"limit", "cursor"} if query.outcome else {"limit", "cursor", "outcome"})
    scope = ["journal", call.workspace.uid, *asked.values()]
    # Before an environment is looked for: a cursor that is none is a 422, whatever there is.
    after = _position_in(scope, query.cursor)
    found = facade.catalog.history.journal.page(
        call.workspace.namespace,
        JournalQuery(Filters(None, None, *_bounds(query)), _wanted(query, owners)),
        after=after,
        limit=query.limit,
    )
    return Answer(
        {
            "deployments": [owners.line(line) for line in found.lines],
            "has_more": found.last is not None,
            "next_cursor": _cursor(scope, found.last) if found.last is not None else None,
        }
    )


def _wanted(query: schemas.WorkspaceHistoryQuery, owners: Owners) -> Callable[[Line], bool]:
    """The filters that no index knows. Raises ApiError 404 for an id that no environment has."""
    fields = {"app": query.app_id, "action": query.action, "by": query.user}
    ended = query.outcome
    owner: EnvironmentView | None = None
    text = query.environment_id
    if text is not None:
        found = owners.environment(text)
        if Uid.pattern.fullmatch(text):
            if found is None:
                raise errors.not_found("environment", text)
            owner = found
        fields["environment"] = found.name if found is not None else text
    equal = [(name, value) for name, value in fields.items() if value is not None]

    def wanted(line: Line) -> bool:
        if any(getattr(line, name) != value for name, value in equal):
            return False
        if ended is not None and owners.outcome(line) != ended:
            return False
        return owner is None or owners.owner(line) is owner

    return wanted


def _next_second(moment: datetime) -> str:
    """The moment, or the next whole second after it; after the last one there is, lines without a time alone remain."""
    if not moment.microsecond:
        return schemas.whole_second(moment)
    if moment > datetime.max.replace(microsecond=0, tzinfo=UTC):
        return NO_TIME
    return schemas.whole_second(moment + timedelta(seconds=1))


def _cursor(scope: list[Any], position: Position) -> str:
    return pages.encode(scope, [*position.key, position.as_of])


def _position_in(scope: list[Any], cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    try:
        at, uid, sequence, as_of = pages.decode(scope, cursor)
    except (pages.DamagedCursorError, ValueError, TypeError):
        raise damaged_cursor(cursor) from None
    if not (isinstance(sequence, int) and all(isinstance(text, str) for text in (at, uid, as_of))):
        raise damaged_cursor(cursor)
    return Position((at, uid, sequence), as_of)
