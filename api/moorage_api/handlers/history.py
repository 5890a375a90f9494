"""The history of an environment."""

from datetime import UTC, datetime, timedelta

from moorage_api import schemas, translate
from moorage_api.cache import pages
from moorage_api.cache.history import Filters, Position
from moorage_api.calls import Answer, Call, Facade
from moorage_api.handlers.environments import damaged_cursor, environment_of
from moorage_api.views import NO_TIME


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
            "deployments": [translate.history_line(view.uid, line) for line in found.lines],
            "total": found.total,
            "has_more": found.last is not None,
            "next_cursor": _cursor(scope, found.last) if found.last is not None else None,
        }
    )


def _filters(query: schemas.HistoryQuery) -> Filters:
    """Lines have whole seconds: a bound between two of them is moved to the next one inside."""
    since = until = None
    if query.since is not None:
        since = _next_second(schemas.moment(query.since))
    if query.until is not None:
        until = schemas.whole_second(schemas.moment(query.until))
    return Filters(query.app_id, query.action, since, until)


def _next_second(moment: datetime) -> str:
    """The moment, or the next whole second after it; after the last one there is, lines without a time alone remain."""
    if not moment.microsecond:
        return schemas.whole_second(moment)
    if moment > datetime.max.replace(microsecond=0, tzinfo=UTC):
        return NO_TIME
    return schemas.whole_second(moment + timedelta(seconds=1))


def _cursor(scope: list[str | None], position: Position) -> str:
    return pages.encode(scope, [*position.key, position.as_of])


def _position_in(scope: list[str | None], cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    try:
        at, uid, sequence, as_of = pages.decode(scope, cursor)
    except (pages.DamagedCursorError, ValueError, TypeError):
        raise damaged_cursor(cursor) from None
    if not (isinstance(sequence, int) and all(isinstance(text, str) for text in (at, uid, as_of))):
        raise damaged_cursor(cursor)
    return Position((at, uid, sequence), as_of)
