"""A fresh workspace as it is seen through a store: what the contract of stores is tried on."""

from dataclasses import dataclass

from moorage_crds import names
from moorage_crds.identifiers import BindingName, EnvironmentSlug, Identifier, NamespaceName
from moorage_crds.objects import RawObject
from moorage_crds.store import ObjectRef, ResourceStore


@dataclass(frozen=True, slots=True)
class Place:
    """A fresh workspace as it is seen through a store.

    Attributes:
        store: of somebody who may write statuses.
        alice: of somebody who edits.
        username: how the API server calls alice.
        namespace: the Namespace.
    """

    store: ResourceStore
    alice: ResourceStore
    username: str
    namespace: NamespaceName

    def environment(self, name: str = "staging") -> ObjectRef:
        """An Environment of that name."""
        return self._ref(names.ENVIRONMENTS, EnvironmentSlug.parse(name))

    @property
    def web(self) -> ObjectRef:
        """The Deployment that most tests are about."""
        return self._ref(names.DEPLOYMENTS, BindingName.parse("staging.web"))

    async def make_environment(self, name: str = "staging", **labels: str) -> RawObject:
        """Create one as alice."""
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "Environment",
            "metadata": {"name": name, "labels": labels},
            "spec": {"displayName": name.title()},
        }
        return await self.alice.create(names.ENVIRONMENTS, self.namespace, body)

    async def make_web(self, release: str | None = None, **more: object) -> RawObject:
        """Create the Deployment as alice."""
        return await self.alice.create(names.DEPLOYMENTS, self.namespace, web(release, **more))

    def _ref(self, plural: str, name: Identifier) -> ObjectRef:
        return ObjectRef(plural, self.namespace, name)


def web(release: str | None = None, **more: object) -> RawObject:
    """The Deployment, as a client sends it; `more` stands beside its spec."""
    spec = {"environment": "staging", "app": "web", **({"release": release} if release else {})}
    kind = {"apiVersion": names.API_VERSION, "kind": "Deployment"}
    return {**kind, "metadata": {"name": "staging.web"}, "spec": spec, **more}
