"""Deploy, undeploy and roll back."""

import dataclasses
from typing import Any

from moorage_api import errors, idempotency, schemas
from moorage_api.calls import Answer, Call, Facade
from moorage_api.flows.releases import Outcome, ReleaseChanges, Wanted
from moorage_api.handlers.environments import environment_of
from moorage_crds import names
from moorage_crds.deployment import Action
from moorage_crds.identifiers import AppId, InvalidIdentifierError

KEY_HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 64


async def deploy(facade: Facade, call: Call) -> Answer:
    """Make a release the active one."""
    body: schemas.DeployRequest = call.body
    wanted = Wanted(
        environment_of(facade, call),
        AppId.parse(body.app_id),
        Action.DEPLOY,
        release=body.release_id,
        reason=body.reason,
        expected=body.expected_release_id,
        override=call.query.override_ownership,
    )
    outcome = await _change(facade, call, wanted)
    return _active("Release deployed successfully", call, wanted, outcome)


async def rollback(facade: Facade, call: Call) -> Answer:
    """Make an earlier release the active one again."""
    body: schemas.RollbackRequest = call.body
    wanted = Wanted(
        environment_of(facade, call),
        _app_of(call),
        Action.ROLLBACK,
        release=body.release_id,
        line=body.to_deployment_id,
        reason=body.reason,
        expected=body.expected_release_id,
        override=call.query.override_ownership,
    )
    outcome = await _change(facade, call, wanted)
    return _active("Release rolled back successfully", call, wanted, outcome)


async def undeploy(facade: Facade, call: Call) -> Answer:
    """Take an app out."""
    query: schemas.UndeployQuery = call.query
    wanted = Wanted(
        environment_of(facade, call),
        _app_of(call),
        Action.UNDEPLOY,
        reason=query.reason,
        expected=query.expected_release_id,
        override=query.override_ownership,
    )
    outcome = await _change(facade, call, wanted)
    body = {"message": "App undeployed from environment", "deployment_id": outcome.deployment_id}
    return _answer(call, body, outcome)


async def _change(facade: Facade, call: Call, wanted: Wanted) -> Outcome:
    key = _key_of(call)
    if key is not None:
        wanted = dataclasses.replace(
            wanted, fingerprint=idempotency.fingerprint(call.caller.username, key, wanted.content)
        )
    return await ReleaseChanges(facade, call, dry_run=call.query.dry_run).change(wanted)


def _active(message: str, call: Call, wanted: Wanted, outcome: Outcome) -> Answer:
    body = {
        "message": message,
        "deployment_id": outcome.deployment_id,
        "environment_id": wanted.environment.uid,
        "app_id": str(wanted.app),
        "release_id": outcome.release,
    }
    return _answer(call, body, outcome)


def _answer(call: Call, body: dict[str, Any], outcome: Outcome) -> Answer:
    return Answer(body).at_version(names.DEPLOYMENTS, "" if call.query.dry_run else outcome.version)


def _app_of(call: Call) -> AppId:
    """The app in the path. What can be no app id is an app that is not there. Raises ApiError 404."""
    text = call.params["app_id"]
    try:
        return AppId.parse(text)
    except InvalidIdentifierError:
        raise errors.not_found("deployment", text) from None


def _key_of(call: Call) -> str | None:
    """The Idempotency-Key. Raises ApiError 422."""
    key = call.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not all(" " <= char <= "~" for char in key):
        message = f"must be 1 to {MAX_KEY_LENGTH} printable ASCII characters"
        raise errors.invalid(["header", KEY_HEADER], message, value=key)
    return key
