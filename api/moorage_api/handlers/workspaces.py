"""Workspaces that the caller may look into."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from moorage_api.contract import pages, schemas
from moorage_api.handlers.environments import damaged_cursor
from moorage_api.operation import Answer, Asked, Facade
from moorage_crds.identifiers import InvalidIdentifierError, OrgId, WorkspaceId
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.names import ENVIRONMENTS
from moorage_crds.store import Right

#: Workspaces that are asked about at once, for one request: others find room beside it.
AT_ONCE: Final = 8
_SCOPE: Final = ["workspaces"]


def workspace_named(facade: Facade, org: str, name: str) -> Workspace | None:
    """The workspace with these ids, which may be any text; None if there is none."""
    try:
        return facade.catalog.workspace(OrgId.parse(org), WorkspaceId.parse(name))
    except InvalidIdentifierError:
        return None


async def list_workspaces(facade: Facade, asked: Asked) -> Answer:
    """A page of the workspaces in which the caller may list environments, by organisation and name."""
    query: schemas.WorkspacesQuery = asked.query
    found: list[Workspace] = []
    async for workspace in _visible(facade, asked, _place_in(query.cursor)):
        found.append(workspace)
        if len(found) > query.limit:
            break
    shown, more = found[: query.limit], len(found) > query.limit
    last = shown[-1] if more else None
    return Answer(
        {
            "workspaces": [
                {
                    "org_id": one.org,
                    "workspace_id": one.workspace,
                    "environments": facade.catalog.environment_count(one.namespace),
                    "created_at": one.created_at,
                    "deleting": one.deleting,
                }
                for one in shown
            ],
            "has_more": more,
            "next_cursor": pages.encode(_SCOPE, [last.org, last.workspace]) if last is not None else None,
        }
    )


async def _visible(facade: Facade, asked: Asked, after: tuple[str, str] | None) -> AsyncIterator[Workspace]:
    """The workspaces after that one in which the caller may list environments."""
    known = facade.catalog.workspaces(after=after)
    everywhere = await _may_list(facade, asked, "")
    for start in range(0, len(known), AT_ONCE):
        some = known[start : start + AT_ONCE]
        answers = [True] * len(some)
        if not everywhere:
            answers = await asyncio.gather(*(_may_list(facade, asked, one.namespace) for one in some))
        for workspace, allowed in zip(some, answers, strict=True):
            if allowed:
                yield workspace


async def _may_list(facade: Facade, asked: Asked, namespace: str) -> bool:
    return await facade.access.allowed(asked.caller, Right("list", ENVIRONMENTS, namespace), asked.upstream)


def _place_in(cursor: str | None) -> tuple[str, str] | None:
    if cursor is None:
        return None
    try:
        org, name = pages.decode(_SCOPE, cursor)
    except (pages.DamagedCursorError, ValueError, TypeError):
        raise damaged_cursor(cursor) from None
    if not (isinstance(org, str) and isinstance(name, str)):
        raise damaged_cursor(cursor)
    return org, name
