"""Writing and deleting the Freezes of a workspace, in the caller's name; the API server checks their content."""

from collections.abc import Mapping
from typing import Any

from moorage_api.cache.views import FreezeView
from moorage_api.changes.writer import DEPARTURE_SECONDS, MAX_TRIES, Writer, require_undeclared
from moorage_api.contract import errors
from moorage_api.operation import Call, Facade
from moorage_api.reads import translate
from moorage_crds import names
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.store import ConflictError, NotFoundError, ObjectRef


class FreezeChanges:
    """Changes of Freezes for one call."""

    def __init__(self, facade: Facade, call: Call, *, dry_run: bool) -> None:
        self._catalog = facade.catalog
        self._writer = Writer(facade, call, dry_run=dry_run)

    async def put(self, name: EnvironmentSlug, spec: Mapping[str, Any], *, override: bool) -> FreezeView:
        """Create the Freeze, or make its spec that one: what `spec` does not say is not there any more.

        Args:
            name: of the Freeze.
            spec: in the words of the kind; None: not said.
            override: change it although a GitOps tool declares it.

        Raises:
            ApiError: every refusal.
        """
        for _ in range(MAX_TRIES):
            present = await self._live(name)
            if present is not None and _says(present, spec):
                return present
            try:
                raw = await self._write(name, present, spec, override=override)
            except (ConflictError, NotFoundError):
                continue
            view = self._catalog.read.freeze(raw)
            return view if self._writer.dry_run else self._catalog.freezes.wrote(view)
        raise errors.busy("Others are changing the same Freeze; try again")

    async def delete(self, name: EnvironmentSlug, *, override: bool) -> str:
        """Delete the Freeze. Raises ApiError; 404 if there is none, 409 while finalizers hold it.

        Returns:
            The resourceVersion of the removal, empty if it is not known.
        """
        present = await self._live(name)
        if present is None:
            raise errors.not_found("freeze", name)
        require_undeclared({"spec": present.declared_by}, override=override)
        try:
            held = await self._writer.delete(present, exact=False)
        except (ConflictError, NotFoundError):
            # Another one has its name by now, or none: the one that was meant is gone.
            raise errors.not_found("freeze", name) from None
        if self._writer.dry_run:
            return ""
        if held is None:
            self._catalog.freezes.deleted(present)
        else:
            self._catalog.freezes.wrote(self._catalog.read.freeze(held))
        version = await self._catalog.freezes.gone_at(present.uid, DEPARTURE_SECONDS)
        if held is not None and not version:
            raise _goes(self._catalog.read.freeze(held))
        return version

    async def _live(self, name: EnvironmentSlug) -> FreezeView | None:
        raw = await self._writer.read(ObjectRef(names.FREEZES, self._writer.namespace, name))
        if raw is not None:
            return self._catalog.freezes.wrote(self._catalog.read.freeze(raw))
        known = self._catalog.freezes.get(self._writer.namespace, name)
        if known is not None:
            self._catalog.freezes.deleted(known)
        return None

    async def _write(
        self, name: EnvironmentSlug, present: FreezeView | None, spec: Mapping[str, Any], *, override: bool
    ) -> dict[str, Any]:
        if present is None:
            body = translate.wanted_freeze(name, spec)
            return await self._writer.create(names.FREEZES, body, kind="freeze", shown=name, slug="")
        if present.deleting:
            raise _goes(present)
        require_undeclared({"spec": present.declared_by}, override=override)
        return await self._writer.patch(present, dict(spec))


def _says(present: FreezeView, spec: Mapping[str, Any]) -> bool:
    """Whether nothing would change, so that nothing is written."""
    return not present.deleting and translate.without_nulls(spec) == translate.without_nulls(
        translate.full_spec(present.stored.spec)
    )


def _goes(freeze: FreezeView) -> errors.ApiError:
    return errors.being_deleted(f"The Freeze {freeze.name}", freeze.finalizers)
