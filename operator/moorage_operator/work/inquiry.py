"""Asks the cluster itself for a binding or an Environment, before something is written that follows from it.

Watches lag, each for itself, and a replica that was away for a while may not know yet what another one has done. A
read is never behind: what it brings is remembered like news, so that who asks decides by memory afterwards, as ever.

A writer keeps to one order: first the version of the object, then the question, then the write of exactly that version.
If another replica has brought in something later, it did so before, and the answer shows it; or it has made another
version, and the write is a conflict.
"""

from collections.abc import Callable

from moorage_crds import names
from moorage_crds.identifiers import BindingName, EnvironmentSlug, NamespaceName
from moorage_crds.kinds import deployment as deployments
from moorage_crds.kinds import environment as environments
from moorage_crds.kinds.deployment import Deployment
from moorage_crds.kinds.environment import Environment
from moorage_crds.objects import RawObject
from moorage_crds.reading import readable
from moorage_crds.store import NotFoundError, ObjectRef, ResourceStore
from moorage_operator.memory.chain import EnvironmentKey


class Inquiry:
    """Reads single objects.

    Args:
        store: the cluster.

    Attributes:
        deployment_read: told of each binding that was read.
        environment_read: told of each Environment that was read.
    """

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        self.deployment_read: Callable[[Deployment], None] = lambda _seen: None
        self.environment_read: Callable[[Environment], None] = lambda _seen: None

    async def deployment(self, namespace: str, name: str) -> Deployment | None:
        """The binding of that place as it is stored now; None if there is none that can be read.

        Raises:
            StoreError: the cluster did not answer.
        """
        ref = ObjectRef(names.DEPLOYMENTS, NamespaceName.parse(namespace), BindingName.parse(name))
        try:
            return self._deployment(await self._store.get(ref))
        except NotFoundError:
            return None

    async def deployments(self, key: EnvironmentKey) -> dict[str, str]:
        """All bindings of an Environment, by one list: their names, each with its uid.

        Raises:
            StoreError: the cluster did not answer.
        """
        namespace, slug = NamespaceName.parse(key[0]), EnvironmentSlug.parse(key[1])
        fields, found = f"spec.environment={slug}", list[Deployment | None]()
        async for page in self._store.pages(names.DEPLOYMENTS, namespace=namespace, fields=fields):
            found += [self._deployment(raw) for raw in page.items]
        return {seen.name: seen.uid for seen in found if seen is not None}

    async def environment(self, key: EnvironmentKey) -> Environment | None:
        """The Environment of that place as it is stored now; None if there is none that can be read.

        Raises:
            StoreError: the cluster did not answer.
        """
        ref = ObjectRef(names.ENVIRONMENTS, NamespaceName.parse(key[0]), EnvironmentSlug.parse(key[1]))
        try:
            raw = await self._store.get(ref)
        except NotFoundError:
            return None
        seen = readable(environments.from_object, raw, names.ENVIRONMENTS)
        if seen is not None:
            self.environment_read(seen)
        return seen

    def _deployment(self, raw: RawObject) -> Deployment | None:
        seen = readable(deployments.from_object, raw, names.DEPLOYMENTS)
        if seen is not None:
            self.deployment_read(seen)
        return seen
