"""What the API server has now, read with the facade's own account because the cache may lag; the cache learns it too.

The flows ask for it before they say that nothing is to be done or that something cannot be done, and after a conflict.
"""

from moorage_api import errors
from moorage_api.cache.catalog import Catalog
from moorage_api.flows.writing import Writer, ref
from moorage_api.views import BindingView, EnvironmentView, LockView
from moorage_crds import names
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.store import ObjectRef


class Live:
    """Reads of one call."""

    def __init__(self, catalog: Catalog, writer: Writer) -> None:
        self._catalog = catalog
        self._writer = writer

    async def environment(self, known: EnvironmentView) -> EnvironmentView:
        """That very environment. Raises ApiError 404 if it is gone, whatever has its name now."""
        raw = await self._writer.read(ref(known))
        if raw is not None:
            found = self._catalog.read.environment(raw)
            self._catalog.environments.wrote(found)
            if found.uid == known.uid:
                return found
        self._catalog.environments.deleted(known)
        raise errors.not_found("environment", known.name)

    async def binding(self, known: BindingView) -> BindingView | None:
        """The binding of that name, None if there is none any more."""
        raw = await self._writer.read(ref(known))
        if raw is None:
            self._catalog.bindings.deleted(known)
            return None
        view = self._catalog.read.binding(raw)
        self._catalog.bindings.wrote(view)
        return view

    async def lock(self, environment: EnvironmentView, known: LockView | None) -> LockView | None:
        """The lock of an environment, None if there is none. `known`: what the cache says."""
        slug = EnvironmentSlug.parse(environment.name)
        raw = await self._writer.read(ObjectRef(names.LOCKS, self._writer.namespace, slug))
        if raw is None:
            if known is not None:
                self._catalog.locks.deleted(known)
            return None
        lock = self._catalog.read.lock(raw)
        self._catalog.locks.wrote(lock)
        return lock
