"""Creating and changing environments."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from moorage_api.cache.views import EnvironmentView
from moorage_api.changes.fresh_reads import Live
from moorage_api.changes.writer import MAX_TRIES, Writer, require_undeclared
from moorage_api.contract import errors
from moorage_api.contract.errors import ApiError
from moorage_api.operation import Call, Facade
from moorage_api.reads import translate
from moorage_crds import names
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.store import AlreadyExistsError, ConflictError, NotFoundError, ObjectRef

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
            raise await self._taken(slug) from error
        except ConflictError as error:
            raise errors.busy("Others are creating the same environment; try again") from error
        view = self._catalog.read.environment(raw)
        if not self._writer.dry_run:
            view = self._catalog.environments.wrote(view)
            self._catalog.environment_born(view)
        return view

    async def _taken(self, slug: str) -> ApiError:
        """Why the slug cannot be had: there is an environment, or one that is being deleted."""
        raw = await self._writer.read(
            ObjectRef(names.ENVIRONMENTS, self._writer.namespace, EnvironmentSlug.parse(slug))
        )
        if raw is None:
            return errors.busy("The environment of this slug has just gone; try again")
        view = self._catalog.read.environment(raw)
        self._catalog.environments.wrote(view)
        if view.deleting:
            return errors.being_deleted(f"The environment {slug}", view.finalizers, environment=slug)
        return errors.already_exists("environment", slug)

    async def update(
        self, view: EnvironmentView, wanted: dict[str, str], require: Requirement, *, override: bool
    ) -> EnvironmentView:
        """Set those of `name` and `description` that are in `wanted` and differ. Raises ApiError."""

        def due(state: EnvironmentView) -> dict[str, str]:
            require(state)
            spec = _difference(state, wanted)
            owners = {f"spec.{field}": state.ownership.of(field) for field in spec}
            require_undeclared(owners, override=override)
            return spec

        live = False
        for _ in range(MAX_TRIES):
            view, spec, live = await self._confirmed(view, due, live=live)
            if not spec:
                return view
            try:
                # What was just read is written on with its generation: labels and annotations hold up nobody.
                raw = await self._writer.edit(view, spec) if live else await self._writer.patch(view, spec)
            except (ConflictError, NotFoundError):
                view, live = await self._live.environment(view), True
                continue
            changed = self._catalog.read.environment(raw)
            if not self._writer.dry_run:
                changed = self._catalog.environments.wrote(changed)
            return changed
        raise errors.busy("Others are changing the same environment; try again")

    async def _confirmed(
        self, view: EnvironmentView, due: Callable[[EnvironmentView], dict[str, str]], *, live: bool
    ) -> tuple[EnvironmentView, dict[str, str], bool]:
        """What is due, in which state, and whether that was just read.

        The cache may lag, so only the live state can decide that nothing is written.
        """
        if not live:
            with suppress(ApiError):
                spec = due(view)
                if spec:
                    return view, spec, False
            view = await self._live.environment(view)
        return view, due(view), True


def _difference(view: EnvironmentView, wanted: dict[str, str]) -> dict[str, str]:
    present = {"name": view.display_name, "description": view.description}
    return {_EDITABLE[field]: value for field, value in wanted.items() if present[field] != value}
