"""Rights beyond those that the call needs, checked in the caller's name: they decide which parts of an answer show."""

import asyncio

from moorage_api.contract import errors
from moorage_api.operation import Call, Facade
from moorage_api.reads.sight import Sight
from moorage_crds import names
from moorage_crds.names import DEPLOYMENTS, FREEZES, LOCKS, RECORDS
from moorage_crds.store import Right

#: The REST word for passing gates.
OVERRIDE = "deployments:override"
#: The REST word for giving an Approval.
APPROVE = "approvals:create"
#: The REST word for reading the history.
HISTORY = "deployments:read"


async def sight_of(facade: Facade, call: Call) -> Sight:
    """What the caller may see of the environments of the workspace. Raises StoreError without an answer."""
    releases, lock, freezes = await asyncio.gather(
        may(facade, call, "list", DEPLOYMENTS), may(facade, call, "get", LOCKS), may(facade, call, "list", FREEZES)
    )
    return Sight(releases, lock, freezes)


async def may(facade: Facade, call: Call, verb: str, plural: str) -> bool:
    """Whether the caller has a right in the workspace. Raises StoreError without an answer."""
    return await facade.access.allowed(call.caller, Right(verb, plural, call.workspace.namespace), call.upstream)


async def may_override(facade: Facade, call: Call, environment: str) -> bool:
    """Whether the caller may pass gates of that environment. Raises StoreError without an answer."""
    right = Right(names.OVERRIDE_VERB, names.ENVIRONMENTS, call.workspace.namespace, name=environment)
    return await facade.access.allowed(call.caller, right, call.upstream)


async def require_override(facade: Facade, call: Call, environment: str) -> None:
    """Raises ApiError 403 without the right to override gates of that environment."""
    if not await may_override(facade, call, environment):
        raise errors.forbidden(OVERRIDE, names.OVERRIDE_VERB, names.ENVIRONMENTS)


async def may_approve(facade: Facade, call: Call, environment: str) -> bool:
    """Whether the caller may say yes or no to releases there. Raises StoreError without an answer."""
    right = Right(names.APPROVE_VERB, names.ENVIRONMENTS, call.workspace.namespace, name=environment)
    return await facade.access.allowed(call.caller, right, call.upstream)


async def require_approve(facade: Facade, call: Call, environment: str) -> None:
    """Raises ApiError 403 without the right to approve for that environment."""
    if not await may_approve(facade, call, environment):
        raise errors.forbidden(APPROVE, names.APPROVE_VERB, names.ENVIRONMENTS)


async def require_history(facade: Facade, call: Call) -> None:
    """Raises ApiError 403 if the caller may not read the history."""
    if not await may(facade, call, "list", RECORDS):
        raise errors.forbidden(HISTORY, "list", RECORDS)
