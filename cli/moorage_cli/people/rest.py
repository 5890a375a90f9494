"""The way over the facade: for pipelines, which have a URL and a token and no kubeconfig."""

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

from moorage_cli.people import checks
from moorage_cli.people.model import (
    Asked,
    Change,
    Exit,
    Explained,
    Freezing,
    Line,
    ListedFreeze,
    Locking,
    Newest,
    Opinion,
    Place,
    Promoting,
    Promotion,
    State,
    TroubleError,
    no_environment,
    place_of,
)
from moorage_cli.people.refusals import mismatch, no_override, no_rule, not_known, not_mine, too_busy
from moorage_cli.people.rest_answers import (
    line_of,
    listed_freeze,
    newest_of,
    place_as_said,
    promotion_of,
    said_by_gate,
    state_of,
)
from moorage_client import (
    ApiError,
    AsyncMoorage,
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    MoorageError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitedError,
)
from moorage_client.errors import error_of
from moorage_client.models import (
    ApprovalRequest,
    DeployRequest,
    FreezeRequest,
    LockRequest,
    PromoteRequest,
    PromotionLine,
    RollbackRequest,
)
from moorage_crds.moments import to_text
from moorage_crds.names import OVERRIDE_VERB

ResultT = TypeVar("ResultT")

#: Lines that one page of the history has at most.
_PAGE: Final = 200
#: Reasons of a 409 that say what somebody else has done meanwhile, or that there is nothing to do; the others are a no.
_CONFLICTS: Final = ("AlreadyExists", "AppNameCollision", "BeingDeleted", "NothingToRollBack", "ReleaseMismatch")
_CODES: Final = (
    (NotFoundError, Exit.NOT_FOUND),
    (PermissionDeniedError, Exit.NO_RIGHT),
    (AuthenticationError, Exit.NO_RIGHT),
    (InvalidRequestError, Exit.USAGE),
    (PreconditionFailedError, Exit.CONFLICT),
)


class RestRegister:
    """`Register` over the facade.

    Args:
        client: knows the facade and the token.
        org: of the workspace.
        workspace: its name.
    """

    def __init__(self, client: AsyncMoorage, org: str, workspace: str) -> None:
        self._client = client
        self._where = (org, workspace)

    async def places(self) -> Sequence[Place]:
        """All environments, by slug."""

        async def collect() -> list[Place]:
            return [place_as_said(one) async for one in self._client.all_environments(*self._where, limit=200)]

        return await said(collect())

    async def history(self, environment: str, *, app: str | None = None) -> Sequence[Line]:
        """The changes in an environment, the newest first."""
        checks.slug(environment)
        if app is not None:
            checks.app(app)

        async def collect() -> list[Line]:
            lines = self._client.all_deployments(*self._where, environment, app_id=app, limit=200)
            return [line_of(environment, one) async for one in lines]

        return await self._there(environment, collect())

    async def changes(self, asked: Asked) -> Sequence[Line]:
        """The history of the workspace, filtered there; no more pages than needed."""
        checks.asked(asked)

        async def collect() -> list[Line]:
            lines = self._client.all_workspace_deployments(
                *self._where,
                environment_id=asked.environment,
                app_id=asked.app,
                user=asked.by,
                since=to_text(asked.since) if asked.since is not None else None,
                until=to_text(asked.until) if asked.until is not None else None,
                limit=min(asked.limit, _PAGE),
            )
            found: list[Line] = []
            async for one in lines:
                found.append(line_of(one["environment"], one))
                if len(found) == asked.limit:
                    break
            return found

        found = await said(collect())
        if asked.environment is not None and not found:
            place_of(asked.environment, await self.places())
        return found

    async def state(self, environment: str, app: str) -> State:
        """One app in one environment now."""
        checks.question(environment, app, None)
        try:
            found = await self._there(environment, self._client.get_app(*self._where, environment, app))
        except TroubleError as trouble:
            if trouble.code is Exit.NOT_FOUND and trouble.reason != "EnvironmentNotFound":
                return State(environment, app)
            raise
        return state_of(environment, found)

    async def change(self, wanted: Change) -> str:
        """Deploy, undeploy or roll back."""
        checks.change(wanted)
        try:
            return await self._there(wanted.environment, self._change(wanted))
        except TroubleError as trouble:
            if trouble.reason == "ReleaseMismatch" and isinstance(trouble.__cause__, ApiError):
                raise mismatch(wanted, trouble.__cause__.details.get("active_release_id")) from trouble
            raise

    async def _change(self, wanted: Change) -> str:
        where = (*self._where, wanted.environment)
        gates = list(wanted.override) or None
        if wanted.release is None:
            undeployed = await self._client.undeploy_app(
                *where,
                wanted.app,
                dry_run=wanted.dry_run or None,
                override=gates,
                reason=wanted.reason,
                expected_release_id=wanted.expected,
            )
            return undeployed["deployment_id"]
        if wanted.is_rollback:
            back: RollbackRequest = {"release_id": wanted.release, "reason": wanted.reason}
            back["expected_release_id"] = wanted.expected
            rolled = await self._client.rollback_app(
                *where, wanted.app, body=back, dry_run=wanted.dry_run or None, override=gates
            )
            return rolled["deployment_id"]
        body: DeployRequest = {"app_id": wanted.app, "release_id": wanted.release, "reason": wanted.reason}
        body["expected_release_id"] = wanted.expected
        made = await self._client.deploy_release(*where, body, dry_run=wanted.dry_run or None, override=gates)
        return made["deployment_id"]

    async def newest(self) -> Sequence[Newest]:
        """The newest change of every app that is there, as the matrix has it."""
        found = await said(self._client.get_matrix(*self._where))
        return [
            newest_of(column["slug"], app, cell)
            for column in (found["environments"] if found is not None else ())
            for app, cell in sorted((column["cells"] or {}).items())
            if cell["deployment_id"] is not None
        ]

    async def promote(self, wanted: Promoting) -> Sequence[Promotion]:
        """All apps in one call; the facade makes a change of each."""
        checks.promotion(wanted)
        if wanted.origin is not None:
            place_of(wanted.origin, await self.places())
        body: PromoteRequest = {"app_id": wanted.app, "from_environment_id": wanted.origin, "reason": wanted.reason}
        asked = self._client.promote_releases(
            *self._where,
            wanted.environment,
            body=body,
            dry_run=wanted.dry_run or None,
            override=list(wanted.override) or None,
        )
        try:
            found = await self._there(wanted.environment, asked)
        except TroubleError as trouble:
            if wanted.origin is None and isinstance(trouble.__cause__, InvalidRequestError):
                raise no_rule(wanted.environment) from trouble
            raise
        return [_promotion(line) for line in found["lines"]]

    async def decide(self, opinion: Opinion) -> str:
        """A yes or a no in the name of the user; what still counts is not said again."""
        checks.opinion(opinion)
        body: ApprovalRequest = {
            "app_id": opinion.app,
            "release_id": opinion.release,
            "decision": "Approve" if opinion.approve else "Reject",
            "comment": opinion.comment,
        }
        given = self._client.give_approval(*self._where, opinion.environment, body, dry_run=opinion.dry_run or None)
        return (await self._there(opinion.environment, given))["approval"]["name"]

    async def lock(self, wanted: Locking) -> None:
        """Lock an environment; somebody else's lock only if it is taken over."""
        checks.lock(wanted)
        body: LockRequest = {"reason": wanted.reason, "until": wanted.until}
        made = self._client.lock_environment(
            *self._where,
            wanted.environment,
            body,
            dry_run=wanted.dry_run or None,
            take_over=wanted.take_over or None,
        )
        try:
            await self._there(wanted.environment, made)
        except TroubleError as trouble:
            error = trouble.__cause__
            if isinstance(error, ConflictError) and trouble.reason == "EnvironmentLocked":
                raise not_mine(str(error.details.get("locked_by"))) from trouble
            raise

    async def unlock(self, environment: str, *, dry_run: bool) -> None:
        """Unlock an environment."""
        checks.slug(environment)
        made = self._client.unlock_environment(*self._where, environment, dry_run=dry_run or None)
        await self._there(environment, made)

    async def explain(self, environment: str, app: str | None, release: str | None, at: datetime) -> Explained:
        """What every gate says of a change at a moment."""
        checks.question(environment, app, release)
        found = await self._there(
            environment,
            self._client.explain_gates(*self._where, environment, app_id=app, release_id=release, at=to_text(at)),
        )
        gates = [said_by_gate(one) for one in found["gates"]]
        return Explained(environment, app, release, found["at"], found["allowed"], found["opens_at"], gates)

    async def freezes(self) -> Sequence[ListedFreeze]:
        """The Freezes of the workspace, by name."""
        found = await said(self._client.list_freezes(*self._where))
        return [listed_freeze(one) for one in found["freezes"]]

    async def freeze(self, wanted: Freezing, *, dry_run: bool) -> None:
        """Create a Freeze, or replace what it says."""
        checks.freeze(wanted)
        body: FreezeRequest = {
            "reason": wanted.reason,
            "windows": [{"from": wanted.begins, "until": wanted.until}],
            "environments": list(wanted.environments) or None,
            "apps": list(wanted.apps) or None,
            "allow_rollback": wanted.allow_rollback,
        }
        await said(self._client.put_freeze(*self._where, wanted.name, body, dry_run=dry_run or None))

    async def unfreeze(self, name: str, *, dry_run: bool) -> None:
        """Delete a Freeze."""
        await said(self._client.delete_freeze(*self._where, checks.slug_of_freeze(name), dry_run=dry_run or None))

    async def _there(self, environment: str, asked: Awaitable[ResultT]) -> ResultT:
        """What was asked of an environment; if there is none of that name, the trouble names those that are there."""
        try:
            return await said(asked)
        except TroubleError as trouble:
            error = trouble.__cause__
            if isinstance(error, NotFoundError) and error.details.get("resource_type") == "environment":
                raise no_environment(environment, [one.environment for one in await self.places()]) from trouble
            raise


async def workspaces(client: AsyncMoorage) -> list[tuple[str, RestRegister]]:
    """All workspaces in which the user may list environments, by name. Raises TroubleError."""

    async def collect() -> list[tuple[str, str]]:
        return [(one["org_id"], one["workspace_id"]) async for one in client.all_workspaces(limit=_PAGE)]

    found = await said(collect())
    return [(f"{org}/{workspace}", RestRegister(client, org, workspace)) for org, workspace in sorted(found)]


async def said(asked: Awaitable[ResultT]) -> ResultT:
    """What was asked, its errors as trouble."""
    try:
        return await asked
    except ApiError as error:
        if isinstance(error, PermissionDeniedError) and error.details.get("verb") == OVERRIDE_VERB:
            raise no_override() from error
        if isinstance(error, AuthenticationError):
            raise not_known() from error
        if isinstance(error, RateLimitedError):
            raise too_busy(error.message) from error
        raise TroubleError(_code(error), _sentence(error), reason=error.reason) from error
    except MoorageError as error:
        raise TroubleError(Exit.TROUBLE, str(error)) from error


def _code(error: ApiError) -> Exit:
    if isinstance(error, ConflictError):
        return Exit.CONFLICT if error.reason in _CONFLICTS else Exit.REFUSED
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.TROUBLE)


def _sentence(error: ApiError) -> str:
    if isinstance(error, NotFoundError):
        return f"there is no {error.details.get('resource_type')} {error.details.get('resource_id')}"
    if isinstance(error, PermissionDeniedError):
        return f"you may not {error.details.get('verb')} {error.details.get('resource')} there"
    return error.message


def _promotion(raw: PromotionLine) -> Promotion:
    done = promotion_of(raw)
    if raw["promoted"]:
        return done
    refusal = error_of(raw["status_code"], {"message": raw["message"], "details": raw["details"]}, {})
    return replace(done, code=_code(refusal), reason=refusal.reason, message=_sentence(refusal))
