"""The verdicts of the gates of an environment on a change."""

from moorage_api.contract import schemas
from moorage_api.handlers.environments import environment_of
from moorage_api.operation import Answer, Call, Facade
from moorage_api.reads import gates, rights
from moorage_crds.gates.verdict import NEW_RELEASE, AskedChange
from moorage_crds.moments import to_text


async def verdicts(facade: Facade, call: Call) -> Answer:
    """Every gate with its verdict, now or at another moment."""
    query: schemas.GatesQuery = call.query
    view = environment_of(facade, call)
    moment = schemas.moment(query.at) if query.at is not None else facade.clock.now()
    asked = AskedChange(view.name, query.app_id or "", query.release_id or NEW_RELEASE, user=call.caller.username)
    change = gates.change_of(facade.catalog, view.namespace, asked)
    standing = gates.gates_of(facade.catalog, call.workspace, change)
    head = {
        "environment_id": view.uid,
        "app_id": query.app_id,
        "release_id": query.release_id,
        "at": to_text(moment),
        "may_override": await rights.may_override(facade, call, view.name),
    }
    return Answer(head | gates.answer(standing, change, moment))
