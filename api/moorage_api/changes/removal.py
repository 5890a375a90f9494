"""Removing an environment with all that is in it: undeploy, wait for the record, delete the bindings, then itself.

Then once more what somebody deployed meanwhile: a deploy looks for the environment after its write, and a removal
it for bindings, so that no release stays behind without its environment.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from moorage_api.cache.views import BindingView, EnvironmentView
from moorage_api.changes.emptying import DELETE_TRIES, Emptying, unrecorded
from moorage_api.changes.fresh_reads import Found, Live
from moorage_api.changes.writer import DEPARTURE_SECONDS, MAX_TRIES, Writer, ref, require_undeclared
from moorage_api.contract import errors
from moorage_api.contract.errors import ApiError, ConflictReason, UnavailableReason
from moorage_api.operation import Call, Facade
from moorage_api.reads.etag import Precondition
from moorage_crds import names
from moorage_crds.objects import RawObject
from moorage_crds.store import ConflictError, NotFoundError, Right

#: How long a removal waits for the operator to record the next undeploy, in seconds: with the rest of the work it ends
#: within 4 s when the operator is down, before clients give up.
RECORD_SECONDS: Final = 2.5
#: Seconds to wait for objects that finalizers hold: their controllers are usually done by then.
HELD_SECONDS: Final = 1.0
#: Writes of one removal that may be in flight at once.
PARALLEL: Final = 8

#: Our policies keep a binding until its undeploy is recorded, and one with finalizers until it is undeployed. All this
#: is rehearsed before there is an undeploy, so it is not a refusal then.
_NOT_YET: Final = frozenset(
    {str(UnavailableReason.BUSY), str(ConflictReason.ATTRIBUTED_DELETES), str(ConflictReason.BEING_DELETED)}
)


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
        self._emptying = Emptying(facade, self._writer)

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
            held = await self._delete(removal, environment, dry_run=False)
            await self._empty_again(environment)
            if held is not None:
                return await self._departure(held)
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

        The cache may lag, so only the live state can refuse. Locks and defaults are the business of policies.
        """
        known = removal.environment
        with suppress(ApiError):
            self._require_free(removal, known)
            return known
        environment = await self._live.environment(known)
        await _in_parallel(self._look_again(binding) for binding in self._left(environment) if _speaks_against(binding))
        self._require_free(removal, environment)
        return environment

    def _require_free(self, removal: Removal, environment: EnvironmentView) -> None:
        removal.precondition.require(environment)
        owners = _owners(environment)
        for binding in self._left(environment):
            if binding.deleting and binding.release is not None:
                # Its release cannot be changed any more, so that its end would have no name.
                raise _held([binding])
            if binding.release is not None and binding.declared_by is not None:
                owners.setdefault("spec.release", binding.declared_by)
        require_undeclared(owners, override=removal.override)

    async def _look_again(self, binding: BindingView) -> None:
        await self._live.binding(ref(binding), binding)

    async def _rehearse(self, binding: BindingView) -> None:
        """Dry runs of what will be done to a binding."""
        await self._emptying.undeploy(Found(binding), dry_run=True)
        if binding.deleting:
            return
        try:
            await self._writer.delete(binding, exact=False, dry_run=True)
        except (ConflictError, NotFoundError):
            return
        except ApiError as refused:
            if refused.details.get("reason") not in _NOT_YET:
                raise

    # --- the steps

    async def _empty(self, environment: EnvironmentView) -> None:
        """Remove all bindings; again if somebody deploys meanwhile. Raises ApiError."""
        for _ in range(MAX_TRIES):
            bindings = self._left(environment)
            if not bindings:
                return
            await _in_parallel(self._emptying.undeploy(Found(binding)) for binding in bindings)
            await self._take_out(environment)
        if self._left(environment):
            raise _unfinished()

    async def _take_out(self, environment: EnvironmentView) -> None:
        """Delete the bindings when they are recorded, and wait for those that are held. Raises ApiError."""

        def left() -> list[BindingView]:
            return self._left(environment)

        if not await self._emptying.wait(left, unrecorded, patience=RECORD_SECONDS):
            raise _unfinished()
        await _in_parallel(self._emptying.delete(binding) for binding in left())
        if not await self._emptying.wait(left, _is_going, patience=HELD_SECONDS):
            raise _held([binding for binding in left() if binding.deleting])

    async def _empty_again(self, environment: EnvironmentView) -> None:
        """Take out what was deployed while the environment went. Raises ApiError.

        What belongs to another environment of that name, made meanwhile, is left alone: a binding that is listed here
        was there before that environment was looked for.
        """
        for _ in range(MAX_TRIES):
            found = await self._live.bindings(environment)
            if not found:
                return
            present = await self._live.of_that_name(environment)
            if present is not None and present.uid != environment.uid:
                return
            try:
                await _in_parallel(self._undeploy_exactly(one) for one in found)
                await self._take_out(environment)
            except ApiError as refused:
                if refused.status == 403:
                    # It was deployed just before, by somebody with more rights: the operator undeploys it.
                    return
                raise

    async def _undeploy_exactly(self, found: Found) -> None:
        """Take out the release of exactly that state; what changed since is found in the next round."""
        view = found.view
        if view is None or view.release is None:
            return
        if view.deleting:
            raise _held([view])
        with suppress(ConflictError, NotFoundError):
            await self._emptying.undeploy_exactly(view, found)

    async def _delete(self, removal: Removal, environment: EnvironmentView, *, dry_run: bool) -> EnvironmentView | None:
        """Delete the environment; with a precondition exactly in the state that the caller saw. Raises ApiError.

        Returns:
            None if it is gone; else the environment, which finalizers hold.
        """
        view = environment
        for _ in range(DELETE_TRIES):
            removal.precondition.require(view)
            try:
                raw = await self._writer.delete(view, exact=removal.precondition.given, dry_run=dry_run)
            except ConflictError:
                view = await self._live.environment(view)
                continue
            except NotFoundError:
                if dry_run:
                    raise errors.not_found("environment", view.name) from None
                raw = None
            return self._deleted(view, raw) if not dry_run else None
        raise errors.busy("Others are changing the same environment; try again")

    def _deleted(self, view: EnvironmentView, raw: RawObject | None) -> EnvironmentView | None:
        if raw is None:
            self._catalog.environments.deleted(view)
            return None
        held = self._catalog.read.environment(raw)
        self._catalog.environments.wrote(held)
        return held

    async def _departure(self, held: EnvironmentView) -> str:
        """Wait a moment for those who clean up behind finalizers. Raises ApiError 409 if they are not done by then."""
        version = await self._catalog.environments.gone_at(held.uid, HELD_SECONDS)
        if not version:
            message = f"The environment {held.name}"
            raise errors.being_deleted(message, held.finalizers)
        return version


def _owners(environment: EnvironmentView) -> dict[str, str | None]:
    """What of the environment is declared, and by whom: the fields that a tool owns, or all if it marks the object."""
    ownership = environment.ownership
    if ownership.tracked_by is not None and not ownership.fields:
        return {"spec": ownership.tracked_by}
    return {f"spec.{field}": manager for field, manager in ownership.fields.items()}


def _speaks_against(binding: BindingView) -> bool:
    """Whether it may be a reason to refuse, so that the cluster is asked whether that is still so."""
    return binding.deleting or binding.declared_by is not None


def _is_going(binding: BindingView) -> bool:
    return binding.deleting


def _held(bindings: Sequence[BindingView]) -> ApiError:
    """409: bindings that are being deleted stand in the way."""
    finalizers = sorted({name for binding in bindings for name in binding.finalizers})
    return errors.being_deleted(f"The Deployment {bindings[0].name}", finalizers)


def _unfinished() -> ApiError:
    return errors.busy(
        "The environment is not deleted yet: its last changes are not recorded; repeat the call to finish it"
    )


async def _in_parallel(work: Iterable[Awaitable[None]]) -> None:
    """Run all, a few at a time. Raises the first error when all have ended, so nothing still runs after the answer."""
    room = asyncio.Semaphore(PARALLEL)

    async def one(step: Awaitable[None]) -> None:
        async with room:
            await step

    results = await asyncio.gather(*(one(step) for step in work), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
