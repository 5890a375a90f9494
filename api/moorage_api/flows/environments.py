"""Creating, changing and removing environments, and their locks."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from moorage_api import errors, idempotency, translate
from moorage_api.calls import Call, Facade
from moorage_api.flows.etag import Precondition
from moorage_api.flows.writing import MAX_TRIES, Writer, ref, require_undeclared
from moorage_api.views import BindingView, EnvironmentView, LockView
from moorage_crds import names
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.store import AlreadyExistsError, ConflictError, NotFoundError, ObjectRef, Right

#: How long a removal waits for the operator to record the undeploys, in seconds.
RECORD_SECONDS: Final = 10.0
#: Writes of one removal that may be in flight at once.
PARALLEL: Final = 8
REMOVAL_REASON: Final = "environment deleted"

#: REST field → field of the spec.
_EDITABLE: Final = {"name": "displayName", "description": "description"}


@dataclass(frozen=True, slots=True)
class Removal:
    """How an environment shall be removed."""

    environment: EnvironmentView
    precondition: Precondition
    override: bool


class EnvironmentChanges:
    """Changes of environments for one call."""

    def __init__(self, facade: Facade, call: Call, *, dry_run: bool) -> None:
        self._facade = facade
        self._catalog = facade.catalog
        self._call = call
        self._writer = Writer(facade, call, dry_run=dry_run)

    # --- create and update

    async def create(self, slug: str, name: str, description: str | None) -> EnvironmentView:
        """A new environment. Raises ApiError."""
        body = translate.wanted_environment(slug, name, description)
        try:
            raw = await self._writer.create(names.ENVIRONMENTS, body, kind="environment", shown=slug, slug=slug)
        except AlreadyExistsError as error:
            raise errors.already_exists("environment", slug) from error
        except ConflictError as error:
            raise errors.busy("Others are creating the same environment; try again") from error
        view = self._catalog.read.environment(raw)
        if not self._writer.dry_run:
            self._catalog.environments.wrote(view)
            self._catalog.environment_born(view)
        return view

    async def update(
        self, view: EnvironmentView, wanted: dict[str, str], precondition: Precondition, *, override: bool
    ) -> EnvironmentView:
        """Set `name` and `description` as far as they are in `wanted` and differ. Raises ApiError."""
        for _ in range(MAX_TRIES):
            precondition.require(view)
            spec = _difference(view, wanted)
            if not spec:
                return view
            for field in spec:
                require_undeclared(view.ownership.of(field), [f"spec.{field}"], override=override)
            try:
                raw = await self._writer.patch(view, spec)
            except (ConflictError, NotFoundError):
                view = await self._live(view)
                continue
            changed = self._catalog.read.environment(raw)
            if not self._writer.dry_run:
                self._catalog.environments.wrote(changed)
            return changed
        raise errors.busy("Others are changing the same environment; try again")

    async def _live(self, view: EnvironmentView) -> EnvironmentView:
        raw = await self._writer.read(ref(view))
        if raw is not None:
            found = self._catalog.read.environment(raw)
            self._catalog.environments.wrote(found)
            if found.uid == view.uid:
                return found
        self._catalog.environments.deleted(view)
        raise errors.not_found("environment", view.name)

    # --- locks

    async def lock(self, environment: EnvironmentView, reason: str, *, override: bool) -> LockView:
        """Lock, or replace the reason of the lock. Raises ApiError."""
        lock = self._catalog.lock_of(environment)
        for _ in range(MAX_TRIES):
            if lock is not None and lock.reason == reason:
                return lock
            try:
                raw = await self._put_lock(environment, lock, reason, override=override)
            except (ConflictError, NotFoundError):
                lock = await self._live_lock(environment, lock)
                continue
            locked = self._catalog.read.lock(raw)
            if not self._writer.dry_run:
                self._catalog.locks.wrote(locked)
            return locked
        raise errors.busy("Others are changing the same lock; try again")

    async def unlock(self, environment: EnvironmentView, *, override: bool) -> None:
        """Remove the lock. Raises ApiError; 404 if there is none."""
        lock = self._catalog.lock_of(environment) or await self._live_lock(environment, None)
        for _ in range(MAX_TRIES):
            if lock is None:
                raise errors.not_found("lock", environment.name)
            require_undeclared(lock.declared_by, ["spec.reason"], override=override)
            try:
                await self._writer.delete(lock, exact=True)
            except (ConflictError, NotFoundError):
                lock = await self._live_lock(environment, lock)
                continue
            if not self._writer.dry_run:
                self._catalog.locks.deleted(lock)
            return
        raise errors.busy("Others are changing the same lock; try again")

    async def _put_lock(
        self, environment: EnvironmentView, lock: LockView | None, reason: str, *, override: bool
    ) -> dict[str, Any]:
        if lock is None:
            body = translate.wanted_lock(environment.name, reason)
            return await self._writer.create(
                names.LOCKS, body, kind="lock", shown=environment.name, slug=environment.name
            )
        require_undeclared(lock.declared_by, ["spec.reason"], override=override)
        return await self._writer.patch(lock, {"reason": reason})

    async def _live_lock(self, environment: EnvironmentView, known: LockView | None) -> LockView | None:
        slug = EnvironmentSlug.parse(environment.name)
        raw = await self._writer.read(ObjectRef(names.LOCKS, self._writer.namespace, slug))
        if raw is None:
            if known is not None:
                self._catalog.locks.deleted(known)
            return None
        lock = self._catalog.read.lock(raw)
        self._catalog.locks.wrote(lock)
        return lock

    # --- removal

    async def remove(self, removal: Removal) -> None:
        """Undeploy everything, wait for the record, delete the bindings, then the environment. Raises ApiError.

        Nothing is changed before dry runs have shown that the caller may do all of it and that nothing is in the way.
        """
        environment = removal.environment
        removal.precondition.require(environment)
        bindings = list(self._catalog.bindings_of(environment))
        await self._require_rights(bindings)
        self._require_undeclared(removal, bindings)
        await self._delete(removal, dry_run=True)
        await _in_parallel(self._undeploy(binding, dry_run=True) for binding in bindings)
        if self._writer.dry_run:
            return
        try:
            await self._empty(environment)
        except errors.ApiError as error:
            error.details.setdefault("remaining", self._remaining(environment))
            raise
        await self._delete(removal, dry_run=False)

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
            raise self._unfinished()

    def _left(self, environment: EnvironmentView) -> list[BindingView]:
        return list(self._catalog.bindings_of(environment))

    async def _require_rights(self, bindings: list[BindingView]) -> None:
        if not bindings:
            return
        permission = self._call.operation.permission
        for verb in ("patch", "delete"):
            right = Right(verb, names.DEPLOYMENTS, self._writer.namespace)
            if not await self._facade.access.allowed(self._call.caller, right):
                raise errors.forbidden(permission.name if permission else "", verb, names.DEPLOYMENTS)

    def _require_undeclared(self, removal: Removal, bindings: list[BindingView]) -> None:
        """Nothing of it may be declared by a GitOps tool. Locks and defaults are the business of policies."""
        environment = removal.environment
        require_undeclared(environment.ownership.declared_by, ["spec"], override=removal.override)
        for binding in bindings:
            if binding.release is not None:
                require_undeclared(binding.declared_by, ["spec.release"], override=removal.override)

    async def _delete(self, removal: Removal, *, dry_run: bool) -> None:
        """Delete the environment; with a precondition exactly in the state that the caller saw."""
        view = removal.environment
        for _ in range(MAX_TRIES):
            removal.precondition.require(view)
            try:
                await self._writer.delete(view, exact=removal.precondition.given, dry_run=dry_run)
            except ConflictError:
                view = await self._live(view)
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
                current = await self._live_binding(current)
                continue
            if not dry_run:
                self._catalog.bindings.wrote(self._catalog.read.binding(raw))
            return
        raise errors.busy("Others are changing an app of this environment; try again", remaining=[binding.app])

    async def _delete_binding(self, binding: BindingView) -> None:
        current: BindingView | None = binding
        for _ in range(MAX_TRIES):
            # Somebody deployed in between: that needs an undeploy with a name first.
            if current is None or current.release is not None:
                return
            try:
                await self._writer.delete(current, exact=True, dry_run=False)
            except ConflictError:
                current = await self._live_binding(current)
                continue
            except NotFoundError:
                pass
            self._catalog.bindings.deleted(current)
            return

    async def _live_binding(self, known: BindingView) -> BindingView | None:
        raw = await self._writer.read(ref(known))
        if raw is None:
            self._catalog.bindings.deleted(known)
            return None
        view = self._catalog.read.binding(raw)
        self._catalog.bindings.wrote(view)
        return view

    async def _wait_recorded(self, environment: EnvironmentView) -> None:
        """Wait until every change of every binding is recorded, as our own watch tells."""
        deadline = self._facade.clock.monotonic() + RECORD_SECONDS
        versions = self._catalog.bindings.versions
        while any(binding.last_sequence > binding.recorded for binding in self._left(environment)):
            left = deadline - self._facade.clock.monotonic()
            if left <= 0:
                raise self._unfinished()
            await versions.wait_for_next(left)

    def _remaining(self, environment: EnvironmentView) -> list[str]:
        """The apps that are still bound."""
        return sorted(binding.app for binding in self._left(environment))

    def _unfinished(self) -> errors.ApiError:
        return errors.busy(
            "The environment is not deleted yet: its last changes are not recorded; repeat the call to finish it"
        )


def _difference(view: EnvironmentView, wanted: dict[str, str]) -> dict[str, str]:
    present = {"name": view.display_name, "description": view.description}
    return {_EDITABLE[field]: value for field, value in wanted.items() if present[field] != value}


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
