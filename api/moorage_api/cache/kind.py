"""The cached objects of one kind: what the watch delivered, and the answers of our own writes where they are newer.

Filled by a reflector (the port `Sink`) and by writes. A write's answer is kept until the watch has come as far, so that
every later read here shows it; a delete leaves a tombstone of the uid, because a late event must not bring it back.
Only what is really gone gets one: a DELETE that is answered with an object left it there, held by finalizers.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from moorage_api.cache.versions import Versions
from moorage_crds.objects import is_newer

#: Tombstones are removed by the DELETED event; this bound is for events that never come.
MAX_TOMBSTONES = 10_000
#: Removals whose version is remembered for those who wait for it.
MAX_GONE = 1_000


class Stored(Protocol):
    """What every view has."""

    @property
    def namespace(self) -> str:
        """The Namespace, empty for cluster-wide kinds."""
        ...

    @property
    def name(self) -> str:
        """`metadata.name`."""
        ...

    @property
    def uid(self) -> str:
        """`metadata.uid`."""
        ...

    @property
    def resource_version(self) -> str:
        """`metadata.resourceVersion`."""
        ...


ViewT = TypeVar("ViewT", bound=Stored)


class KindCache(Generic[ViewT]):
    """Views by namespace and name.

    Args:
        on_change: called with the old and the new view (None: not there) whenever something differs.
        settle: called with the view of the same object before (None: not known) and the new one; what it returns is
            kept. For what a view can only say together with the one before.
    """

    def __init__(
        self,
        on_change: Callable[[ViewT | None, ViewT | None], None],
        settle: Callable[[ViewT | None, ViewT], ViewT] = lambda _old, new: new,
    ) -> None:
        self.versions = Versions()
        self._on_change = on_change
        self._settle = settle
        self._views: dict[tuple[str, str], ViewT] = {}
        #: uid → version that we deleted, until the watch has told
        self._tombstones: OrderedDict[str, str] = OrderedDict()
        #: uid → version of the removal, as the watch told
        self._gone: OrderedDict[str, str] = OrderedDict()
        #: namespace and name of what was told to be deleted, and did not come back
        self._told_gone: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self._views)

    def __iter__(self) -> Iterator[ViewT]:
        """All objects, in no order."""
        return iter(self._views.values())

    def get(self, namespace: str, name: str) -> ViewT | None:
        """The view of that object, or None."""
        return self._views.get((namespace, name))

    def was_told_gone(self, namespace: str, name: str) -> bool:
        """Whether the watch or the answer of a write said that what was there was deleted; known of the newest ones.

        What a list does not show any more is not there either, and nobody has said so.
        """
        return (namespace, name) in self._told_gone

    # --- the port Sink

    def replace(self, views: Sequence[ViewT], resource_version: str) -> None:
        """A complete list. What is not in it is gone, unless we wrote it after the list was made."""
        fresh = {(view.namespace, view.name): view for view in views if view.uid not in self._tombstones}
        for key, stored in list(self._views.items()):
            if key not in fresh and not is_newer(stored.resource_version, resource_version):
                self._remove(key)
        for view in fresh.values():
            self._store(view)
        for uid in self._tombstones.keys() - {view.uid for view in views}:
            if not is_newer(self._tombstones[uid], resource_version):
                # The list was made after the removal: nothing of the object will come any more.
                del self._tombstones[uid]
                self._note_gone(uid, resource_version)
        self.versions.advance(resource_version)

    def apply(self, kind: str, view: ViewT) -> None:
        """One event of the watch."""
        if kind == "DELETED":
            self._tombstones.pop(view.uid, None)
            self._note_gone(view.uid, view.resource_version)
            self._note_told(view)
            stored = self._views.get((view.namespace, view.name))
            if stored is not None and stored.uid == view.uid:
                # How the object was at its end counts, and not what the answer of a write said beyond that.
                self._views[view.namespace, view.name] = view
                self._remove((view.namespace, view.name))
        elif view.uid not in self._tombstones:
            self._store(view)
        self.versions.advance(view.resource_version)

    def progress(self, resource_version: str) -> None:
        """A bookmark."""
        self.versions.advance(resource_version)

    # --- our own writes

    def wrote(self, view: ViewT) -> ViewT:
        """The answer of a write, settled; kept if it is newer than what is there."""
        if view.uid in self._tombstones or view.uid in self._gone:
            return view
        return self._store(view)

    def deleted(self, view: ViewT) -> None:
        """That very object was deleted by us."""
        if view.uid not in self._gone:
            self._tombstones[view.uid] = view.resource_version
        self._note_told(view)
        while len(self._tombstones) > MAX_TOMBSTONES:
            self._tombstones.popitem(last=False)
        stored = self._views.get((view.namespace, view.name))
        if stored is not None and stored.uid == view.uid:
            self._remove((view.namespace, view.name))

    async def gone_at(self, uid: str, seconds: float) -> str:
        """The resourceVersion with which the watch told that this object is gone; empty if it did not in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while uid not in self._gone and (left := deadline - loop.time()) > 0:
            await self.versions.wait_for_next(left)
        return self._gone.get(uid, "")

    def _note_gone(self, uid: str, version: str) -> None:
        self._gone[uid] = version
        while len(self._gone) > MAX_GONE:
            self._gone.popitem(last=False)

    def _note_told(self, view: ViewT) -> None:
        stored = self._views.get((view.namespace, view.name))
        if stored is not None and stored.uid != view.uid:
            # Another object has the name by now: of that one nothing is said.
            return
        self._told_gone[view.namespace, view.name] = None
        while len(self._told_gone) > MAX_GONE:
            self._told_gone.popitem(last=False)

    def _store(self, view: ViewT) -> ViewT:
        key = (view.namespace, view.name)
        stored = self._views.get(key)
        if stored is not None and not is_newer(view.resource_version, stored.resource_version):
            return stored if stored.resource_version == view.resource_version else view
        same = stored if stored is not None and stored.uid == view.uid else None
        view = self._settle(same, view)
        self._views[key] = view
        self._told_gone.pop(key, None)
        if stored is not None and same is None:
            self._on_change(stored, None)
        self._on_change(same, view)
        return view

    def _remove(self, key: tuple[str, str]) -> None:
        self._on_change(self._views.pop(key), None)
