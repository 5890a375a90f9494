"""Fresh reads from the API server, by the facade's own account, because the cache may lag; the cache learns them too.

The flows ask for it before they say that nothing is to be done or that something cannot be done, and after a conflict.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.kind import KindCache, Stored
from moorage_api.cache.views import BindingView, EnvironmentView, LockView
from moorage_api.changes.writer import Writer, ref
from moorage_api.contract import errors
from moorage_api.reads import translate
from moorage_crds import names
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.kinds import deployment
from moorage_crds.kinds.deployment import Change
from moorage_crds.objects import RawObject
from moorage_crds.store import ObjectRef

ViewT = TypeVar("ViewT", bound=Stored)


@dataclass(frozen=True, slots=True)
class Found:
    """A Deployment as the API server has it.

    Attributes:
        view: None if there is none.
        log: its change log as far back as it goes.
        tests: hold while nobody changes its release.
    """

    view: BindingView | None = None
    log: tuple[Change, ...] = ()
    tests: Mapping[str, Any] | None = None


class Live:
    """Reads of one call."""

    def __init__(self, catalog: Catalog, writer: Writer) -> None:
        self._catalog = catalog
        self._writer = writer

    async def environment(self, known: EnvironmentView) -> EnvironmentView:
        """That very environment. Raises ApiError 404 if it is gone, whatever has its name now."""
        found = await self.of_that_name(known)
        if found is None or found.uid != known.uid:
            raise errors.not_found("environment", known.name)
        return found

    async def of_that_name(self, known: EnvironmentView) -> EnvironmentView | None:
        """The environment that has the name now: the known one, another one, or None."""
        raw = await self._writer.read(ref(known))
        found = self._catalog.read.environment(raw) if raw is not None else None
        if found is not None:
            found = self._catalog.environments.wrote(found)
        if found is None or found.uid != known.uid:
            self._catalog.environments.deleted(known)
        return found

    async def binding(self, where: ObjectRef, known: BindingView | None) -> Found:
        """The binding of that name. `known`: what the cache says."""
        raw = await self._writer.read(where)
        view = _learnt(self._catalog.bindings, self._catalog.read.binding, raw, known)
        if raw is None:
            return Found()
        return Found(view, deployment.from_object(raw).log, translate.same_release(raw))

    async def bindings(self, environment: EnvironmentView) -> list[Found]:
        """All bindings to an environment of that name."""
        raws = await self._writer.bindings(EnvironmentSlug.parse(environment.name))
        found: list[Found] = []
        for raw in raws:
            view = self._catalog.read.binding(raw)
            self._catalog.bindings.wrote(view)
            found.append(Found(view, (), translate.same_release(raw)))
        return found

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
    return cache.wrote(read(raw))
