"""Creating and changing environments, and their locks."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from moorage_api import errors, translate
from moorage_api.calls import Call, Facade
from moorage_api.errors import ApiError
from moorage_api.flows.live import Live
from moorage_api.flows.writing import DEPARTURE_SECONDS, MAX_TRIES, Writer, require_undeclared
from moorage_api.views import EnvironmentView, LockView
from moorage_crds import names
from moorage_crds.store import AlreadyExistsError, ConflictError, NotFoundError

#: REST field → field of the spec.
_EDITABLE: Final = {"name": "displayName", "description": "description"}

#: Raises what the preconditions of a caller say against a state of the environment.
Requirement = Callable[[EnvironmentView], None]


class EnvironmentChanges:
    """Changes of environments for one call."""

    def __init__(self, facade: Facade, call: Call, *, dry_run: bool) -> None:
        self._catalog = facade.catalog
        self._writer = Writer(facade, call, dry_run=dry_run)
        self._live = Live(self._catalog, self._writer)

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
        self, view: EnvironmentView, wanted: dict[str, str], require: Requirement, *, override: bool
    ) -> EnvironmentView:
        """Set `name` and `description` as far as they are in `wanted` and differ. Raises ApiError."""

        def due(state: EnvironmentView) -> dict[str, str]:
            require(state)
            spec = _difference(state, wanted)
            owners = {f"spec.{field}": state.ownership.of(field) for field in spec}
            require_undeclared(owners, override=override)
            return spec

        for _ in range(MAX_TRIES):
            view, spec = await self._confirmed(view, due)
            if not spec:
                return view
            try:
                raw = await self._writer.patch(view, spec)
            except (ConflictError, NotFoundError):
                view = await self._live.environment(view)
                continue
            changed = self._catalog.read.environment(raw)
            if not self._writer.dry_run:
                self._catalog.environments.wrote(changed)
            return changed
        raise errors.busy("Others are changing the same environment; try again")

    async def _confirmed(
        self, view: EnvironmentView, due: Callable[[EnvironmentView], dict[str, str]]
    ) -> tuple[EnvironmentView, dict[str, str]]:
        """What is due, and in which state. The cache may lag: what leads to no write is said of the live state only."""
        with suppress(ApiError):
            spec = due(view)
            if spec:
                return view, spec
        view = await self._live.environment(view)
        return view, due(view)

    # --- locks

    async def lock(self, environment: EnvironmentView, reason: str, *, override: bool) -> LockView:
        """Lock, or replace the reason of the lock. Raises ApiError."""
        lock = self._catalog.lock_of(environment)
        if lock is not None and (lock.reason == reason or lock.declared_by is not None):
            # Perhaps nothing is written then, and the cache may lag: see what is there.
            lock = await self._live.lock(environment, lock)
        for _ in range(MAX_TRIES):
            if lock is not None and lock.reason == reason:
                return lock
            try:
                raw = await self._put_lock(environment, lock, reason, override=override)
            except (ConflictError, NotFoundError):
                lock = await self._live.lock(environment, lock)
                continue
            locked = self._catalog.read.lock(raw)
            if not self._writer.dry_run:
                self._catalog.locks.wrote(locked)
            return locked
        raise errors.busy("Others are changing the same lock; try again")

    async def unlock(self, environment: EnvironmentView, *, override: bool) -> str:
        """Remove the lock. Raises ApiError; 404 if there is none.

        Returns:
            The resourceVersion of the removal, empty if it is not known.
        """
        lock = self._catalog.lock_of(environment)
        if lock is None or lock.declared_by is not None:
            lock = await self._live.lock(environment, lock)
        for _ in range(MAX_TRIES):
            if lock is None:
                raise errors.not_found("lock", environment.name)
            require_undeclared({"spec.reason": lock.declared_by}, override=override)
            try:
                await self._writer.delete(lock, exact=True)
            except (ConflictError, NotFoundError):
                lock = await self._live.lock(environment, lock)
                continue
            if self._writer.dry_run:
                return ""
            self._catalog.locks.deleted(lock)
            return await self._catalog.locks.gone_at(lock.uid, DEPARTURE_SECONDS)
        raise errors.busy("Others are changing the same lock; try again")

    async def _put_lock(
        self, environment: EnvironmentView, lock: LockView | None, reason: str, *, override: bool
    ) -> dict[str, Any]:
        if lock is None:
            body = translate.wanted_lock(environment.name, reason)
            return await self._writer.create(
                names.LOCKS, body, kind="lock", shown=environment.name, slug=environment.name
            )
        require_undeclared({"spec.reason": lock.declared_by}, override=override)
        return await self._writer.patch(lock, {"reason": reason})


def _difference(view: EnvironmentView, wanted: dict[str, str]) -> dict[str, str]:
    present = {"name": view.display_name, "description": view.description}
    return {_EDITABLE[field]: value for field, value in wanted.items() if present[field] != value}
