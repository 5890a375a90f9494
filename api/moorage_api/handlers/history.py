"""The history of an environment."""

import math
from datetime import timedelta

from moorage_api import schemas, translate
from moorage_api.cache import pages
from moorage_api.cache.history import Filters, Key
from moorage_api.calls import Answer, Call, Facade
from moorage_api.handlers.environments import damaged_cursor, environment_of
from moorage_crds import clock


async def history(facade: Facade, call: Call) -> Answer:
    """A page of lines, newest first."""
    query: schemas.HistoryQuery = call.query
    view = environment_of(facade, call)
    scope = ["history", view.uid, query.app_id, query.action, query.since, query.until]
    found = facade.catalog.history.page(
        view,
        facade.catalog.birth(view),
        filters=_filters(query),
        after=_key_in(scope, query.cursor),
        limit=query.limit,
    )
    return Answer(
        {
            "deployments": [translate.history_line(view.uid, line) for line in found.lines],
            "total": found.total,
            "has_more": found.last is not None,
            "next_cursor": pages.encode(scope, list(found.last)) if found.last is not None else None,
        }
    )


def _filters(query: schemas.HistoryQuery) -> Filters:
    """Lines have whole seconds: a bound between two of them is moved to the next one inside."""
    since = until = None
    if query.since is not None:
        moment = schemas.moment(query.since)
        since = clock.to_rfc3339(moment + timedelta(seconds=math.ceil(moment.microsecond / 1_000_000)))
    if query.until is not None:
        until = clock.to_rfc3339(schemas.moment(query.until))
    return Filters(query.app_id, query.action, since, until)


def _key_in(scope: list[str | None], cursor: str | None) -> Key | None:
    if cursor is None:
        return None
    try:
        at, uid, sequence = pages.decode(scope, cursor)
    except (pages.DamagedCursorError, ValueError, TypeError):
        raise damaged_cursor(cursor) from None
    return (str(at), str(uid), int(sequence))
