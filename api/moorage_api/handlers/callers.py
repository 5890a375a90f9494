"""Who is asking, and what may they do?"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from moorage_api.contract import errors, schemas
from moorage_api.handlers.workspaces import workspace_named
from moorage_api.operation import Answer, Asked, Facade, Operation, Permission
from moorage_api.reviews.signatures import expiry
from moorage_crds.moments import to_text
from moorage_crds.store import Right


class Callers:
    """Handlers about the caller.

    Args:
        operations: all operations in workspaces; what each needs is asked for in the caller's name.
    """

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._needed: Mapping[str, Permission] = {
            operation.name: operation.permission for operation in operations if operation.permission is not None
        }

    async def me(self, facade: Facade, asked: Asked) -> Answer:
        """The caller, and what they may do: in a workspace, or in the whole cluster."""
        query: schemas.MeQuery = asked.query
        workspace = workspace_named(facade, *query.workspace.split("/")) if query.workspace is not None else None
        rights = await self._rights(facade, asked, workspace.namespace if workspace is not None else "")
        operations = {name: all(rights[right] for right in one.rights) for name, one in self._needed.items()}
        if query.workspace is not None and workspace is None and any(operations.values()):
            # Only those whose rights are cluster-wide hear that a workspace does not exist.
            raise errors.not_found("workspace", query.workspace)
        permissions: dict[str, bool] = {}
        for name, one in self._needed.items():
            permissions[one.name] = permissions.get(one.name, True) and operations[name]
        identity = asked.caller.identity
        return Answer(
            {
                "username": identity.username,
                "groups": list(identity.groups),
                "token_expires_at": _expiry(asked.caller.token),
                "workspace": query.workspace,
                "permissions": permissions,
                "operations": operations,
            }
        )

    async def _rights(self, facade: Facade, asked: Asked, namespace: str) -> dict[tuple[str, str], bool]:
        wanted = sorted({right for one in self._needed.values() for right in one.rights})
        answers = await asyncio.gather(
            *(
                facade.access.allowed(asked.caller, Right(verb, plural, namespace), asked.upstream)
                for verb, plural in wanted
            )
        )
        return dict(zip(wanted, answers, strict=True))


def _expiry(token: str) -> str | None:
    """When the token says it expires; None if it does not say. Not checked: it is shown, and nothing depends on it."""
    ends = expiry(token)
    try:
        return None if ends is None else to_text(datetime.fromtimestamp(ends, UTC))
    except (OverflowError, ValueError, OSError):
        return None
