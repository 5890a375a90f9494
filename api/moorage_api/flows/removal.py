"""Removing an environment with all that is in it: undeploy, wait for the record, delete the bindings, then itself."""

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from moorage_api import errors, idempotency, translate
from moorage_api.calls import Call, Facade
from moorage_api.errors import ApiError, ConflictReason, UnavailableReason
from moorage_api.flows.etag import Precondition
from moorage_api.flows.live import Live
from moorage_api.flows.writing import DEPARTURE_SECONDS, MAX_TRIES, Writer, require_undeclared
from moorage_api.views import BindingView, EnvironmentView
from moorage_crds import names
from moorage_crds.store import ConflictError, NotFoundError, Right

#: How long a removal waits for the operator to record the undeploys, in seconds.
RECORD_SECONDS: Final = 10.0
#: Writes of one removal that may be in flight at once.
PARALLEL: Final = 8
REMOVAL_REASON: Final = "environment deleted"

#: Our policies keep a binding until its undeploy is recorded. Its removal is rehearsed before there is an undeploy, so
#: this is no refusal then.
_NOT_YET: Final = frozenset({str(UnavailableReason.BUSY), str(ConflictReason.ATTRIBUTED_DELETES)})


@dataclass(frozen=True, slots=True)
class Removal:
    """How an environment shall be removed."""

    environment: EnvironmentView
    precondition: Precondition
    override: bool


class EnvironmentRemoval:
    """The removal of an environment for one call."""

    def __init__(self, facade: Facade, call: Call, *, dry_run: bool) -> None:
        self._facade = facade
        self._catalog = facade.catalog
        self._call = call
        self._writer = Writer(facade, call, dry_run=dry_run)
        self._live = Live(self._catalog, self._writer)

    async def remove(self, removal: Removal) -> str:
        """Undeploy everything, wait for the record, delete the bindings, then the environment. Raises ApiError.

        Nothing is changed before dry runs have shown that the caller may do all of it and that nothing is in the way.

        Returns:
            The resourceVersion of the removal, empty if it is not known.
        """
        await self._require_rights(self._left(removal.environment))
        environment = await self._free(removal)
        await self._delete(removal, environment, dry_run=True)
        await _in_parallel(self._rehearse(binding) for binding in self._left(environment))
        if self._writer.dry_run:
            return ""
        try:
            await self._empty(environment)
            await self._delete(removal, environment, dry_run=False)
        except ApiError as error:
            self._say_what_is_left(error, environment)
            raise
        return await self._catalog.environments.gone_at(environment.uid, DEPARTURE_SECONDS)

    def _left(self, environment: EnvironmentView) -> list[BindingView]:
        return list(self._catalog.bindings_of(environment))

    def _say_what_is_left(self, error: ApiError, environment: EnvironmentView) -> None:
        """Every app that is still bound; also that there is none, where the same call again will finish it."""
        left = sorted(binding.app for binding in self._left(environment))
        if left or error.status == 503:
            error.details["remaining"] = left

    # --- before anything is changed

    async def _require_rights(self, bindings: list[BindingView]) -> None:
        if not bindings:
            return
        permission = self._call.operation.permission
        for verb in ("patch", "delete"):
            right = Right(verb, names.DEPLOYMENTS, self._writer.namespace)
            if not await self._facade.access.allowed(self._call.caller, right, self._call.upstream):
                raise errors.forbidden(permission.name if permission else "", verb, names.DEPLOYMENTS)

    async def _free(self, removal: Removal) -> EnvironmentView:
        """The environment, if the caller's precondition holds and no GitOps tool declares anything of it.

        The cache may lag, so a no is said of the live state only. Locks and defaults are the business of policies.
        """
        known = removal.environment
        with suppress(ApiError):
            self._require_free(removal, known)
            return known
        environment = await self._live.environment(known)
        await _in_parallel(self._look_again(binding) for binding in self._left(environment) if binding.declared_by)
        self._require_free(removal, environment)
        return environment

    def _require_free(self, removal: Removal, environment: EnvironmentView) -> None:
        removal.precondition.require(environment)
        owners = _owners(environment)
        for binding in self._left(environment):
            if binding.release is not None and binding.declared_by is not None:
                owners.setdefault("spec.release", binding.declared_by)
        require_undeclared(owners, override=removal.override)

    async def _look_again(self, binding: BindingView) -> None:
        await self._live.binding(binding)

    async def _rehearse(self, binding: BindingView) -> None:
        """Dry runs of what will be done to a binding."""
        await self._undeploy(binding, dry_run=True)
        try:
            await self._writer.delete(binding, exact=False, dry_run=True)
        except (ConflictError, NotFoundError):
            return
        except ApiError as refused:
            if refused.details.get("reason") not in _NOT_YET:
                raise

    # --- the steps

    async def _empty(self, environment: EnvironmentView) -> None:
        """Remove all bindings; again if somebody deploys meanwhile."""
        for _ in range(MAX_TRIES):
            bindings = self._left(environment)
            if not bindings:
                return
            await _in_parallel(self._undeploy(binding, dry_run=False) for binding in bindings)
            await self._wait_recorded(environment)
            await _in_parallel(self._delete_binding(binding) for binding in self._left(environment))
        if self._left(environment):
            raise _unfinished()

    async def _delete(self, removal: Removal, environment: EnvironmentView, *, dry_run: bool) -> None:
        """Delete the environment; with a precondition exactly in the state that the caller saw."""
        view = environment
        for _ in range(MAX_TRIES):
            removal.precondition.require(view)
            try:
                await self._writer.delete(view, exact=removal.precondition.given, dry_run=dry_run)
            except ConflictError:
                view = await self._live.environment(view)
                continue
            except NotFoundError:
                if dry_run:
                    raise errors.not_found("environment", view.name) from None
            if not dry_run:
                self._catalog.environments.deleted(view)
            return
        raise errors.busy("Others are changing the same environment; try again")

    async def _undeploy(self, binding: BindingView, *, dry_run: bool) -> None:
        current: BindingView | None = binding
        for _ in range(MAX_TRIES):
            if current is None or current.release is None:
                return
            note = translate.note(reason=REMOVAL_REASON, request_id=idempotency.random_request_id(), action=None)
            try:
                raw = await self._writer.patch(current, {"release": None, "change": note}, dry_run=dry_run)
            except (ConflictError, NotFoundError):
                current = await self._live.binding(current)
                continue
            if not dry_run:
                self._catalog.bindings.wrote(self._catalog.read.binding(raw))
            return
        raise errors.busy("Others are changing an app of this environment; try again")

    async def _delete_binding(self, binding: BindingView) -> None:
        current: BindingView | None = binding
        for _ in range(MAX_TRIES):
            # Somebody deployed in between: that needs an undeploy with a name first.
            if current is None or current.release is not None:
                return
            try:
                await self._writer.delete(current, exact=True, dry_run=False)
            except ConflictError:
                current = await self._live.binding(current)
                continue
            except NotFoundError:
                pass
            self._catalog.bindings.deleted(current)
            return

    async def _wait_recorded(self, environment: EnvironmentView) -> None:
        """Wait until every change of every binding is recorded, as our own watch tells."""
        deadline = self._facade.clock.monotonic() + RECORD_SECONDS
        versions = self._catalog.bindings.versions
        while any(binding.last_sequence > binding.recorded for binding in self._left(environment)):
            left = deadline - self._facade.clock.monotonic()
            if left <= 0:
                raise _unfinished()
            await versions.wait_for_next(left)


def _owners(environment: EnvironmentView) -> dict[str, str | None]:
    """What of the environment is declared, and by whom: the fields that a tool owns, or all if it marks the object."""
    ownership = environment.ownership
    if ownership.tracked_by is not None and not ownership.fields:
        return {"spec": ownership.tracked_by}
    return {f"spec.{field}": manager for field, manager in ownership.fields.items()}


def _unfinished() -> ApiError:
    return errors.busy(
        "The environment is not deleted yet: its last changes are not recorded; repeat the call to finish it"
    )


async def _in_parallel(work: Iterable[Awaitable[None]]) -> None:
    """Run all, a few at a time. The first error is raised when all have ended, so nothing goes on behind the answer."""
    room = asyncio.Semaphore(PARALLEL)

    async def one(step: Awaitable[None]) -> None:
        async with room:
            await step

    results = await asyncio.gather(*(one(step) for step in work), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
