"""The cache as one: workspaces, environments, bindings, locks and history, with the look-ups that answers need.

Everything here is dictionary work in one task's time; nothing asks the API server. `wrote_*` and `deleted_*` take the
answers of our own writes.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence

from sortedcontainers import SortedDict

from moorage_api.cache.history import HistoryIndex
from moorage_api.cache.kind import KindCache
from moorage_api.cache.versions import Versions
from moorage_api.views import BindingView, EnvironmentView, LockView, NamespaceView, Reader
from moorage_crds import names, workspace
from moorage_crds.identifiers import BindingName, EnvironmentSlug, InvalidIdentifierError, NamespaceName, Uid
from moorage_crds.workspace import Workspace

_log = logging.getLogger(__name__)

_NOTHING: Mapping[str, BindingView] = {}


class Catalog:
    """All that the facade knows.

    Args:
        managers: field managers that count as GitOps tools.
    """

    def __init__(self, managers: Collection[str]) -> None:
        self.read = Reader(managers)
        self.history = HistoryIndex()
        self.environments: KindCache[EnvironmentView] = KindCache(self._environment_changed)
        self.bindings: KindCache[BindingView] = KindCache(self._binding_changed)
        self.locks: KindCache[LockView] = KindCache(lambda _old, _new: None)
        self.namespaces: KindCache[NamespaceView] = KindCache(self._namespace_changed)
        #: Namespace that is not the workspace it claims → the one that is
        self.duplicates: dict[str, str] = {}
        self._workspaces: dict[tuple[str, str], dict[str, Workspace]] = {}
        self._by_uid: dict[str, EnvironmentView] = {}
        self._by_namespace: dict[str, SortedDict[str, EnvironmentView]] = {}
        self._by_environment: dict[tuple[str, str], SortedDict[str, BindingView]] = {}
        self._births: dict[str, str] = {}

    def versions(self) -> Mapping[str, Versions]:
        """How far each kind has come, by plural."""
        return {
            names.ENVIRONMENTS: self.environments.versions,
            names.DEPLOYMENTS: self.bindings.versions,
            names.RECORDS: self.history.versions,
            names.LOCKS: self.locks.versions,
            names.NAMESPACES: self.namespaces.versions,
        }

    # --- look-ups

    def workspace(self, org: str, name: str) -> Workspace | None:
        """The Namespace that is this workspace: of several the oldest."""
        return workspace.chosen(self._workspaces.get((org, name), {}).values())

    def environment(self, namespace: str, text: str) -> EnvironmentView | None:
        """The environment with that uid or slug; None too when the text can be neither."""
        try:
            if Uid.pattern.fullmatch(text):
                found = self._by_uid.get(Uid.parse(text))
                return found if found is not None and found.namespace == namespace else None
            return self.environments.get(namespace, EnvironmentSlug.parse(text))
        except InvalidIdentifierError:
            return None

    def environments_of(self, namespace: str, *, after: str | None = None) -> Iterable[EnvironmentView]:
        """The environments of a Namespace by slug, beginning after that slug."""
        known = self._by_namespace.get(namespace)
        if known is None:
            return ()
        return (known[slug] for slug in known.irange(after, None, inclusive=(False, False)))

    def environment_count(self, namespace: str) -> int:
        """How many environments a Namespace has."""
        return len(self._by_namespace.get(namespace, ()))

    def bindings_of(self, environment: EnvironmentView) -> Iterable[BindingView]:
        """The bindings of an environment, by name."""
        known: Mapping[str, BindingView] = self._by_environment.get((environment.namespace, environment.name), _NOTHING)
        return known.values()

    def binding(self, namespace: NamespaceName, name: BindingName) -> BindingView | None:
        """One binding."""
        return self.bindings.get(namespace, name)

    def lock_of(self, environment: EnvironmentView) -> LockView | None:
        """The lock of an environment."""
        return self.locks.get(environment.namespace, environment.name)

    def birth(self, environment: EnvironmentView) -> str | None:
        """The resourceVersion with which it was created; None if that happened before this process watched."""
        return self._births.get(environment.uid)

    # --- the sink of environments is wrapped, because an ADDED event of the watch tells the version of the creation

    def environment_born(self, view: EnvironmentView) -> None:
        """That view is of the moment of its creation."""
        if self._by_uid.get(view.uid) is not None:
            self._births.setdefault(view.uid, view.resource_version)

    # --- changes

    def _environment_changed(self, old: EnvironmentView | None, new: EnvironmentView | None) -> None:
        if new is not None:
            self._by_uid[new.uid] = new
            self._by_namespace.setdefault(new.namespace, SortedDict())[new.name] = new
        elif old is not None:
            self._by_uid.pop(old.uid, None)
            self._births.pop(old.uid, None)
            known = self._by_namespace[old.namespace]
            del known[old.name]
            if not known:
                del self._by_namespace[old.namespace]

    def _binding_changed(self, old: BindingView | None, new: BindingView | None) -> None:
        if new is not None:
            self._by_environment.setdefault((new.namespace, new.environment), SortedDict())[new.name] = new
            self.history.binding_changed(new)
        elif old is not None:
            self.history.binding_gone(old, namespace_stays=self._stays(old.namespace))
            key = (old.namespace, old.environment)
            known = self._by_environment[key]
            del known[old.name]
            if not known:
                del self._by_environment[key]

    def _stays(self, namespace: str) -> bool:
        known = self.namespaces.get("", namespace)
        return known is not None and known.workspace is not None and not known.workspace.deleting

    def _namespace_changed(self, old: NamespaceView | None, new: NamespaceView | None) -> None:
        if old is not None and old.workspace is not None:
            self._unlist(old.workspace)
        if new is not None and new.workspace is not None:
            key = (new.workspace.org, new.workspace.workspace)
            self._workspaces.setdefault(key, {})[new.name] = new.workspace
            self._note_duplicates(key)
        if new is None and old is not None:
            self.history.namespace_gone(old.name)

    def _unlist(self, gone: Workspace) -> None:
        key = (gone.org, gone.workspace)
        claims = self._workspaces[key]
        claims.pop(gone.namespace, None)
        self.duplicates.pop(gone.namespace, None)
        self._note_duplicates(key)
        if not claims:
            del self._workspaces[key]

    def _note_duplicates(self, key: tuple[str, str]) -> None:
        """Say which Namespaces claim a workspace that an older one already is."""
        claims = self._workspaces[key]
        first = workspace.chosen(claims.values())
        for namespace in claims:
            if first is None or namespace == first.namespace:
                self.duplicates.pop(namespace, None)
            elif self.duplicates.get(namespace) != first.namespace:
                self.duplicates[namespace] = first.namespace
                fields = {"namespace": namespace, "org": key[0], "workspace": key[1], "chosen": first.namespace}
                _log.warning("two Namespaces claim one workspace; the older one is it", extra={"fields": fields})


class EnvironmentSink:
    """The sink of the reflector of environments: the cache of the kind, and the births that ADDED events tell."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def replace(self, views: Sequence[EnvironmentView], resource_version: str) -> None:
        """A complete list."""
        self._catalog.environments.replace(views, resource_version)

    def apply(self, kind: str, view: EnvironmentView) -> None:
        """One event."""
        self._catalog.environments.apply(kind, view)
        if kind == "ADDED":
            self._catalog.environment_born(view)

    def progress(self, resource_version: str) -> None:
        """A bookmark."""
        self._catalog.environments.progress(resource_version)
