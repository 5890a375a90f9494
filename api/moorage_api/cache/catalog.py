"""The cache as one: workspaces, environments, bindings, locks and history, with the look-ups that answers need.

Everything here is dictionary work in one task's time; nothing asks the API server. The answers of our own writes go
to the caches of the kinds (`wrote`, `deleted`).
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, TypeVar

from sortedcontainers import SortedDict

from moorage_api.cache import settled
from moorage_api.cache.history import HistoryIndex
from moorage_api.cache.kind import KindCache, Stored
from moorage_api.cache.versions import Versions
from moorage_api.cache.views import (
    BindingView,
    EnvironmentView,
    FreezeView,
    LockView,
    NamespaceView,
    Reader,
)
from moorage_crds import names
from moorage_crds.clock import Clock, SystemClock
from moorage_crds.identifiers import BindingName, EnvironmentSlug, InvalidIdentifierError, NamespaceName, Uid
from moorage_crds.kinds import approval, workspace
from moorage_crds.kinds.approval import Approval
from moorage_crds.kinds.kind import Kind
from moorage_crds.kinds.registry import KINDS
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.objects import RawObject, metadata, version_of
from moorage_crds.store import Sink

_log = logging.getLogger(__name__)

_NOTHING: Mapping[str, BindingView] = {}
_NO_FREEZES: Mapping[str, FreezeView] = {}
_NO_APPROVALS: Mapping[str, Approval] = {}

#: Only namespaces that are workspaces are of interest; one that loses the labels arrives as deleted.
WORKSPACES: Final = f"{names.LABEL_ORG},{names.LABEL_WORKSPACE}"
#: Kinds for which the facade has views and indexes of its own.
_OWN_VIEWS: Final = frozenset({names.ENVIRONMENTS, names.LOCKS, names.DEPLOYMENTS, names.RECORDS, names.FREEZES})

PlainT = TypeVar("PlainT", bound=Any)


@dataclass(frozen=True, slots=True)
class Plain(Generic[PlainT]):
    """An object of a kind without a view of the facade's own: what the cache asks of all, and the kind's own view."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    view: PlainT


def _plain(kind: Kind[PlainT], raw: RawObject) -> Plain[PlainT]:
    meta = metadata(raw)
    return Plain(meta.get("namespace", ""), meta["name"], meta["uid"], version_of(raw), kind.read(raw))


@dataclass(frozen=True, slots=True)
class Feed(Generic[PlainT]):
    """One kind on its way into the cache.

    Attributes:
        read: raw object → view.
        sink: what is filled with the views.
        versions: how far it has come.
        selector: label selector; empty: all objects.
    """

    plural: str
    read: Callable[[RawObject], PlainT | None]
    sink: Sink[PlainT]
    versions: Versions
    selector: str = ""


class Catalog:
    """All that the facade knows.

    Args:
        managers: field managers that count as GitOps tools.
        kinds: our kinds.
        clock: for the time of changes that left none, and for when a change was seen first.
    """

    def __init__(
        self, managers: Collection[str], kinds: Sequence[Kind[Any]] = KINDS, clock: Clock | None = None
    ) -> None:
        clock = clock or SystemClock()
        now = clock.now
        self.clock = clock
        self.read = Reader(managers)
        self.history = HistoryIndex(clock)
        self.environments: KindCache[EnvironmentView] = KindCache(
            self._environment_changed, lambda old, new: settled.environment(old, new, now())
        )
        self.bindings: KindCache[BindingView] = KindCache(self._binding_changed)
        self.locks: KindCache[LockView] = KindCache(self._stirred, lambda old, new: settled.lock(old, new, now()))
        self.freezes: KindCache[FreezeView] = KindCache(self._freeze_changed)
        self.namespaces: KindCache[NamespaceView] = KindCache(self._namespace_changed)
        self._plain: dict[Kind[Any], KindCache[Any]] = {
            kind: KindCache(self._approval_changed if kind is approval.KIND else self._stirred)
            for kind in kinds
            if "watch" in kind.facade.verbs and kind.plural not in _OWN_VIEWS
        }
        self._moves = 0
        self._evidence_moves: dict[tuple[str, str], int] = {}
        #: Namespace that is not the workspace it claims → the one that is
        self.duplicates: dict[str, str] = {}
        self._workspaces: SortedDict[tuple[str, str], dict[str, Workspace]] = SortedDict()
        self._by_uid: dict[str, EnvironmentView] = {}
        self._by_namespace: dict[str, SortedDict[str, EnvironmentView]] = {}
        self._by_environment: dict[tuple[str, str], SortedDict[str, BindingView]] = {}
        self._freezes_by_namespace: dict[str, SortedDict[str, FreezeView]] = {}
        self._approvals: dict[tuple[str, str], dict[str, Approval]] = {}
        self._births: dict[str, str] = {}
        #: What fills the cache, in the order in which it should: everything that the facade watches.
        self.feeds: Sequence[Feed[Any]] = self._all_feeds()
        self._versions = {feed.plural: feed.versions for feed in self.feeds}

    def _all_feeds(self) -> "tuple[Feed[Any], ...]":
        read = self.read
        return (
            Feed(names.NAMESPACES, read.namespace, self.namespaces, self.namespaces.versions, selector=WORKSPACES),
            Feed(names.ENVIRONMENTS, read.environment, EnvironmentSink(self), self.environments.versions),
            Feed(names.LOCKS, read.lock, self.locks, self.locks.versions),
            Feed(names.FREEZES, read.freeze, self.freezes, self.freezes.versions),
            Feed(names.DEPLOYMENTS, read.binding, self.bindings, self.bindings.versions),
            Feed(names.RECORDS, read.line, self.history, self.history.versions),
            *(Feed(kind.plural, partial(_plain, kind), cache, cache.versions) for kind, cache in self._plain.items()),
        )

    def plain(self, kind: Kind[PlainT]) -> KindCache[Plain[PlainT]]:
        """The objects of a kind that needs no view of the facade's own: its cache holds the kind's own views.

        Raises:
            KeyError: the facade does not watch it, or has an index of its own for it.
        """
        return self._plain[kind]

    def wrote_plain(self, kind: Kind[Any], raw: RawObject) -> None:
        """Take in such an object that was just read or written."""
        self._plain[kind].wrote(_plain(kind, raw))

    def deleted_plain(self, kind: Kind[PlainT], view: PlainT) -> None:
        """That very object of such a kind was deleted by us."""
        self._plain[kind].deleted(Plain(view.namespace, view.name, view.uid, view.resource_version, view))

    def versions(self) -> Mapping[str, Versions]:
        """How far each kind has come, by plural."""
        return self._versions

    # --- look-ups

    def workspace(self, org: str, name: str) -> Workspace | None:
        """The Namespace that is this workspace: of several the oldest."""
        return workspace.chosen(self._workspaces.get((org, name), {}).values())

    def workspaces(self, *, after: tuple[str, str] | None = None) -> list[Workspace]:
        """All workspaces by organisation and name, beginning after that one."""
        keys = self._workspaces.irange(after, None, inclusive=(False, False))
        return [one for key in keys if (one := workspace.chosen(self._workspaces[key].values())) is not None]

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
        """The lock that an environment has now; one that has ended by itself is none."""
        lock = self.locks.get(environment.namespace, environment.name)
        return None if lock is None or lock.is_over(self.clock.now()) else lock

    def freezes_of(self, namespace: str) -> Iterable[FreezeView]:
        """The Freezes of a Namespace, by name."""
        known: Mapping[str, FreezeView] = self._freezes_by_namespace.get(namespace, _NO_FREEZES)
        return known.values()

    def approvals_of(self, namespace: str, environment: str) -> Iterable[Approval]:
        """The Approvals of an environment, in no order; no others are looked at."""
        known: Mapping[str, Approval] = self._approvals.get((namespace, environment), _NO_APPROVALS)
        return known.values()

    def birth(self, environment: EnvironmentView) -> str | None:
        """The resourceVersion with which it was created; None if that happened before this process watched."""
        return self._births.get(environment.uid)

    # --- the sink of environments is wrapped, because an ADDED event of the watch tells the version of the creation

    def environment_born(self, view: EnvironmentView) -> None:
        """That view is of the moment of its creation."""
        if self._by_uid.get(view.uid) is not None:
            self._births.setdefault(view.uid, view.resource_version)

    # --- changes

    def _stirred(self, old: Stored | None, new: Stored | None) -> None:
        """Something that streams of events show has changed; what concerns the whole cluster, in all Namespaces."""
        known = new if new is not None else old
        if known is not None:
            self.history.journal.listeners.stirred(known.namespace)

    @property
    def moves(self) -> tuple[int, int]:
        """Differs after every change of a workspace, an Environment, a Deployment or a history, and of nothing else."""
        return self._moves, self.history.moves

    def _environment_changed(self, old: EnvironmentView | None, new: EnvironmentView | None) -> None:
        self._moves += 1
        self._stirred(old, new)
        if new is not None:
            self._by_uid[new.uid] = new
            self._by_namespace.setdefault(new.namespace, SortedDict())[new.name] = new
        elif old is not None:
            self._by_uid.pop(old.uid, None)
            self._evidence_moves.pop((old.namespace, old.name), None)
            self._births.pop(old.uid, None)
            known = self._by_namespace[old.namespace]
            del known[old.name]
            if not known:
                del self._by_namespace[old.namespace]

    def evidence_moves(self, environment: EnvironmentView) -> int:
        """Differs after every change of what its bindings know for its promotion and approvals."""
        return self._evidence_moves.get((environment.namespace, environment.name), 0)

    def _binding_changed(self, old: BindingView | None, new: BindingView | None) -> None:
        self._moves += 1
        known_for = new or old
        if known_for is not None and (old and old.evidence) != (new and new.evidence):
            place = (known_for.namespace, known_for.environment)
            self._evidence_moves[place] = self._evidence_moves.get(place, 0) + 1
            self._stirred(old, new)
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

    def _freeze_changed(self, old: FreezeView | None, new: FreezeView | None) -> None:
        self._stirred(old, new)
        if new is not None:
            self._freezes_by_namespace.setdefault(new.namespace, SortedDict())[new.name] = new
        elif old is not None:
            known = self._freezes_by_namespace[old.namespace]
            del known[old.name]
            if not known:
                del self._freezes_by_namespace[old.namespace]

    def _approval_changed(self, old: Plain[Approval] | None, new: Plain[Approval] | None) -> None:
        self._stirred(old, new)
        if new is not None:
            self._approvals.setdefault((new.namespace, new.view.environment), {})[new.name] = new.view
        elif old is not None:
            key = (old.namespace, old.view.environment)
            known = self._approvals[key]
            del known[old.name]
            if not known:
                del self._approvals[key]

    def _stays(self, namespace: str) -> bool:
        known = self.namespaces.get("", namespace)
        return known is not None and known.workspace is not None and not known.workspace.deleting

    def _namespace_changed(self, old: NamespaceView | None, new: NamespaceView | None) -> None:
        self._moves += 1
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
