"""What the API server has now, read with the facade's own account because the cache may lag; the cache learns it too.

The flows ask for it before they say that nothing is to be done or that something cannot be done, and after a conflict.
"""

from collections.abc import Callable
from typing import TypeVar

from moorage_api import errors
from moorage_api.cache.catalog import Catalog
from moorage_api.cache.kind import KindCache, Stored
from moorage_api.flows.writing import Writer, ref
from moorage_api.views import BindingView, EnvironmentView, LockView
from moorage_crds import deployment, names
from moorage_crds.deployment import Change
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.objects import RawObject
from moorage_crds.store import ObjectRef

ViewT = TypeVar("ViewT", bound=Stored)


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
        return (await self.binding_and_log(ref(known), known))[0]

    async def binding_and_log(
        self, where: ObjectRef, known: BindingView | None
    ) -> tuple[BindingView | None, tuple[Change, ...]]:
        """The same with its change log. `known`: what the cache says."""
        raw = await self._writer.read(where)
        view = _learnt(self._catalog.bindings, self._catalog.read.binding, raw, known)
        return view, deployment.from_object(raw).log if raw is not None else ()

    async def lock(self, environment: EnvironmentView, known: LockView | None) -> LockView | None:
        """The lock of an environment, None if there is none. `known`: what the cache says."""
        slug = EnvironmentSlug.parse(environment.name)
        raw = await self._writer.read(ObjectRef(names.LOCKS, self._writer.namespace, slug))
        return _learnt(self._catalog.locks, self._catalog.read.lock, raw, known)


def _learnt(
    cache: KindCache[ViewT], read: Callable[[RawObject], ViewT], raw: RawObject | None, known: ViewT | None
) -> ViewT | None:
    """The view of what was read, after the cache has taken it in; None if there is nothing."""
    if raw is None:
        if known is not None:
            cache.deleted(known)
        return None
    view = read(raw)
    cache.wrote(view)
    return view
