"""The Freezes of a workspace."""

from typing import Any

from moorage_api.cache.views import FreezeView
from moorage_api.changes.freezes import FreezeChanges
from moorage_api.contract import errors
from moorage_api.contract.freezes import FreezeRequest
from moorage_api.operation import Answer, Call, Facade
from moorage_api.reads import translate
from moorage_crds import names
from moorage_crds.gates import engine
from moorage_crds.identifiers import EnvironmentSlug, InvalidIdentifierError


async def listed(facade: Facade, call: Call) -> Answer:
    """All of them, by name."""
    found = [_shown(facade, call, view) for view in facade.catalog.freezes_of(call.workspace.namespace)]
    return Answer({"total": len(found), "freezes": found})


async def get(facade: Facade, call: Call) -> Answer:
    """One of them."""
    name = _name_of(call)
    view = facade.catalog.freezes.get(call.workspace.namespace, name)
    if view is None:
        raise errors.not_found("freeze", name)
    return Answer(_shown(facade, call, view))


async def put(facade: Facade, call: Call) -> Answer:
    """Create one, or replace what it says."""
    body: FreezeRequest = call.body
    name = _new_name_of(call)
    body.require_name(name)
    changes = FreezeChanges(facade, call, dry_run=call.query.dry_run)
    view = await changes.put(name, body.to_spec(), override=call.query.override_ownership)
    answer = Answer({"message": "Freeze saved successfully", "freeze": _shown(facade, call, view)})
    return answer.at_version(names.FREEZES, "" if call.query.dry_run else view.resource_version)


async def delete(facade: Facade, call: Call) -> Answer:
    """Delete one."""
    changes = FreezeChanges(facade, call, dry_run=call.query.dry_run)
    version = await changes.delete(_name_of(call), override=call.query.override_ownership)
    return Answer({"message": "Freeze deleted successfully"}).at_version(names.FREEZES, version)


def _shown(facade: Facade, call: Call, view: FreezeView) -> dict[str, Any]:
    schedule = engine.schedule_of(view.stored.gate.calendar, facade.clock.now())
    return translate.freeze(call.workspace, view, schedule)


def _name_of(call: Call) -> EnvironmentSlug:
    """The name in the path. What can be no name is a Freeze that is not there. Raises ApiError 404."""
    text = call.params["freeze_name"]
    try:
        return EnvironmentSlug.parse(text)
    except InvalidIdentifierError:
        raise errors.not_found("freeze", text) from None


def _new_name_of(call: Call) -> EnvironmentSlug:
    """The name in the path, of a Freeze that may be made. Raises ApiError 422."""
    text = call.params["freeze_name"]
    try:
        return EnvironmentSlug.parse(text)
    except InvalidIdentifierError:
        message = "freeze_name must be a DNS label of at most 63 characters that does not look like a uid"
        raise errors.invalid(["path", "freeze_name"], message, value=text) from None
