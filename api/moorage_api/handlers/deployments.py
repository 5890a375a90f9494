"""Deploy, undeploy and roll back."""

import dataclasses
from typing import Any

from moorage_api.changes.release_decisions import ChangeResult, WantedChange
from moorage_api.changes.releases import ReleaseChanges
from moorage_api.contract import errors, idempotency, schemas
from moorage_api.contract.errors import ACTIVE, ApiError
from moorage_api.handlers.environments import environment_of
from moorage_api.handlers.rollouts import waited
from moorage_api.operation import Answer, Call, Facade
from moorage_api.reads import rights
from moorage_crds import names
from moorage_crds.identifiers import AppId, InvalidIdentifierError
from moorage_crds.kinds.deployment import Action

DEPLOYMENTS, RECORDS = names.DEPLOYMENTS, names.RECORDS


async def deploy(facade: Facade, call: Call) -> Answer:
    """Make a release the active one."""
    body: schemas.DeployRequest = call.body
    require_reason(call.query, body.reason)
    wanted = WantedChange(
        environment_of(facade, call),
        AppId.parse(body.app_id),
        Action.DEPLOY,
        release=body.release_id,
        reason=body.reason,
        expected=body.expected_release_id,
        override=call.query.override_ownership,
        gates=gates_in(call.query),
    )
    outcome = await _change(facade, call, wanted)
    answer = _active("Release deployed successfully", call, wanted, outcome)
    return await waited(facade, call, outcome.deployment_id, answer)


async def rollback(facade: Facade, call: Call) -> Answer:
    """Make an earlier release the active one again."""
    body: schemas.RollbackRequest = call.body
    require_reason(call.query, body.reason)
    wanted = WantedChange(
        environment_of(facade, call),
        _app_of(call),
        Action.ROLLBACK,
        release=body.release_id,
        line=body.to_deployment_id,
        reason=body.reason,
        expected=body.expected_release_id,
        override=call.query.override_ownership,
        gates=gates_in(call.query),
    )
    # An earlier release is history, and from now on the present one: the caller has named it, so knows it.
    named = body.release_id is not None or (
        await rights.may(facade, call, "get", DEPLOYMENTS) and await rights.may(facade, call, "list", RECORDS)
    )
    outcome = await _change(facade, call, wanted)
    answer = _active("Release rolled back successfully", call, wanted, outcome)
    answer.body |= {"hidden": []} if named else {"release_id": None, "hidden": ["release_id"]}
    return await waited(facade, call, outcome.deployment_id, answer)


async def undeploy(facade: Facade, call: Call) -> Answer:
    """Take an app out."""
    query: schemas.UndeployQuery = call.query
    require_reason(query, query.reason)
    wanted = WantedChange(
        environment_of(facade, call),
        _app_of(call),
        Action.UNDEPLOY,
        reason=query.reason,
        expected=query.expected_release_id,
        override=query.override_ownership,
        gates=gates_in(query),
    )
    outcome = await _change(facade, call, wanted)
    body = {"message": "App undeployed from environment", "deployment_id": outcome.deployment_id}
    return _answer(call, body, outcome)


def gates_in(query: schemas.ReleaseQuery) -> tuple[str, ...]:
    """The gates that a request overrides, each once."""
    return tuple(sorted(set(query.override or ())))


def require_reason(query: schemas.ReleaseQuery, reason: str | None) -> None:
    """Raises ApiError 422 for an override without a reason."""
    if query.override and not (reason or "").strip():
        raise errors.invalid(["query", "override"], "an override needs a reason: give `reason`, too")


async def _change(facade: Facade, call: Call, wanted: WantedChange) -> ChangeResult:
    if wanted.gates:
        await rights.require_override(facade, call, wanted.environment.name)
    key = call.headers.get(idempotency.HEADER)
    if key is not None:
        wanted = dataclasses.replace(
            wanted, fingerprint=idempotency.fingerprint(call.caller.username, key, wanted.content)
        )
    try:
        return await ReleaseChanges(facade, call, dry_run=call.query.dry_run).change(wanted)
    except ApiError as refused:
        if ACTIVE in refused.details and not await rights.may(facade, call, "get", DEPLOYMENTS):
            refused.hide(ACTIVE)
        raise


def _active(message: str, call: Call, wanted: WantedChange, outcome: ChangeResult) -> Answer:
    body = {
        "message": message,
        "deployment_id": outcome.deployment_id,
        "environment_id": wanted.environment.uid,
        "app_id": str(wanted.app),
        "release_id": outcome.release,
    }
    return _answer(call, body, outcome)


def _answer(call: Call, body: dict[str, Any], outcome: ChangeResult) -> Answer:
    return Answer(body).at_version(names.DEPLOYMENTS, "" if call.query.dry_run else outcome.version)


def _app_of(call: Call) -> AppId:
    """The app in the path. What can be no app id is an app that is not there. Raises ApiError 404."""
    text = call.params["app_id"]
    try:
        return AppId.parse(text)
    except InvalidIdentifierError:
        raise errors.not_found("deployment", text) from None
