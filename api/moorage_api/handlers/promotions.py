"""Promote the releases of the environment before, each app by an ordinary deploy in the caller's name."""

from typing import Any

from moorage_api.cache.views import BindingView, EnvironmentView
from moorage_api.changes.release_decisions import WantedChange
from moorage_api.changes.releases import ReleaseChanges
from moorage_api.contract import errors
from moorage_api.contract.errors import ApiError
from moorage_api.contract.promotions import PromoteRequest
from moorage_api.handlers.deployments import gates_in, require_reason
from moorage_api.handlers.environments import environment_of
from moorage_api.operation import Answer, Call, Facade
from moorage_api.reads import rights
from moorage_crds.identifiers import AppId
from moorage_crds.kinds.deployment import Action

_ORIGIN = ["body", "from_environment_id"]


async def promote(facade: Facade, call: Call) -> Answer:
    """One line for each app that differs; one that is refused stops none of the others."""
    body: PromoteRequest = call.body
    require_reason(call.query, body.reason)
    target = environment_of(facade, call)
    origin = _origin(facade, call, target)
    if gates_in(call.query):
        await rights.require_override(facade, call, target.name)
    present = {one.app: one.release for one in facade.catalog.bindings_of(target)}
    due = [one for one in _running(facade, origin, body.app_id) if one.release != present.get(one.app)]
    lines = [await _promoted(facade, call, target, one, present.get(one.app)) for one in due]
    promoted = sum(line["promoted"] for line in lines)
    return Answer(
        {
            "message": "Promotion finished",
            "environment_id": target.uid,
            "from_environment_id": origin.uid,
            "promoted": promoted,
            "refused": len(lines) - promoted,
            "lines": lines,
        }
    )


def _origin(facade: Facade, call: Call, target: EnvironmentView) -> EnvironmentView:
    """The environment before. Raises ApiError 422."""
    text = call.body.from_environment_id or target.comes_after
    if text is None:
        raise errors.invalid(_ORIGIN, "this environment has no spec.promotion: say where the releases come from")
    found = facade.catalog.environment(call.workspace.namespace, text)
    if found is None:
        raise errors.invalid(_ORIGIN, "there is no such environment in this workspace", value=text)
    if found.uid == target.uid:
        raise errors.invalid(_ORIGIN, "must be another environment", value=text)
    return found


def _running(facade: Facade, origin: EnvironmentView, app: str | None) -> list[BindingView]:
    """What is active there, by app. Raises ApiError 404 if that app is not."""
    found = [one for one in facade.catalog.bindings_of(origin) if one.release is not None and app in {None, one.app}]
    if app is not None and not found:
        raise errors.not_found("deployment", app)
    return sorted(found, key=lambda one: one.app)


async def _promoted(
    facade: Facade, call: Call, target: EnvironmentView, there: BindingView, present: str | None
) -> dict[str, Any]:
    wanted = WantedChange(
        target,
        AppId.parse(there.app),
        Action.DEPLOY,
        release=there.release,
        reason=call.body.reason,
        override=call.query.override_ownership,
        gates=gates_in(call.query),
    )
    line = {"app_id": there.app, "release_id": there.release, "previous_release_id": present}
    try:
        outcome = await ReleaseChanges(facade, call, dry_run=call.query.dry_run).change(wanted)
    except ApiError as refused:
        return line | _refusal(refused)
    done = {"promoted": True, "deployment_id": outcome.deployment_id, "status_code": 200, "message": "", "details": {}}
    return line | done


def _refusal(refused: ApiError) -> dict[str, Any]:
    return {
        "promoted": False,
        "deployment_id": None,
        "status_code": refused.status,
        "message": refused.message,
        "details": refused.details,
    }
