"""Checks all chains of a cluster or of an export file. Called by `moorage verify`; reads, and writes nothing.

Deployments are loaded first, in a few words each; then the records stream by, chain by chain. A chain whose ends do not
fit is looked at once more with a fresh read of its Deployment, because a cluster in use moves on while it is read. What
is missing from a chain whose Namespace is going, or was replaced, is a note and no flaw: see `Note`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from moorage_crds import names
from moorage_crds.anchors import Removable, Tip
from moorage_crds.chain import (
    ChainWalk,
    Flaw,
    Known,
    gone,
    known_of,
    spoiled,
    uid_of,
    without_records,
)
from moorage_crds.identifiers import (
    BindingName,
    ClusterObjectName,
    InvalidIdentifierError,
    NamespaceName,
    RecordId,
    Uid,
)
from moorage_crds.kinds.deployment import from_object as to_deployment
from moorage_crds.kinds.record import is_imported
from moorage_crds.moments import to_moment
from moorage_crds.objects import RawObject, metadata
from moorage_crds.reading import UNREADABLE
from moorage_crds.stamps import MAX_SKEW
from moorage_crds.store import ForbiddenError, NotFoundError, ObjectRef, ResourceStore

#: Number of records from one message of progress to the next.
PROGRESS_EVERY = 1000


class Note(StrEnum):
    """Why something that is not there is no flaw; the value is a clause about chains, for people."""

    RETENTION = "anchored, and gone as retention allows"
    """An anchor names it, and retention may have removed it."""
    NAMESPACE_GOING = "incomplete because their Namespace is being deleted, and its history with it"
    """Its objects go in any order, and are not recorded any more."""
    EARLIER_NAMESPACE = "ended with an earlier Namespace of that name: restored from a backup"
    """Its newest change is older than the Namespace, so its Deployment went with the one before."""


@dataclass(slots=True)
class Report:
    """What a verification found.

    Attributes:
        broken: chains with flaws.
        imported: records that an import brought along; they are checked like all others.
        notes: chains that lack something that may be lacking, by the reason.
    """

    records: int = 0
    chains: int = 0
    broken: int = 0
    imported: int = 0
    notes: Counter[Note] = field(default_factory=Counter)


@dataclass(slots=True)
class Verification:
    """One run.

    Args:
        found: called with the flaws of each chain that has some, in order.
        progress: called with a line for people now and then.
        anchors: tips that were kept elsewhere, by uid.
        tip: called with the end of each chain.
        removable: which records retention may have removed.
    """

    found: Callable[[list[Flaw]], None]
    progress: Callable[[str], None]
    tip: Callable[[Tip], None]
    removable: Removable
    anchors: dict[str, Tip] = field(default_factory=dict)
    report: Report = field(default_factory=Report)
    _namespaces: dict[str, str | None] = field(default_factory=dict)
    _known: dict[str, Known] = field(default_factory=dict)
    _spoiled: dict[str, Flaw] = field(default_factory=dict)
    _visited: set[str] = field(default_factory=set)
    _flaws: list[Flaw] = field(default_factory=list)

    async def of_cluster(self, store: ResourceStore) -> Report:
        """Verify everything that is stored.

        Raises:
            StoreError: the cluster does not answer.
        """
        await self._load_namespaces(store)
        async for page in store.pages(names.DEPLOYMENTS):
            for raw in page.items:
                self._load(raw)
        self.progress(f"{len(self._known)} Deployments loaded")
        walk: ChainWalk | None = None
        async for page in store.pages(names.RECORDS):
            for raw in page.items:
                if walk is None or self._is_next_chain(walk, raw):
                    await self._close(walk, store)
                    walk = self._open(raw)
                self._step(walk, raw)
        await self._close(walk, store)
        for uid in [uid for uid in self._known if uid not in self._visited]:
            self._flaws.extend(await self._without_records(store, uid))
            await self._excuse(store, self._known[uid].namespace)
            self._tell()
        for uid in [uid for uid in self._spoiled if uid not in self._visited]:
            self._flaws.append(self._spoiled[uid])
            self._tell()
        self._gone_anchors()
        return self.report

    async def _load_namespaces(self, store: ResourceStore) -> None:
        """Which Namespaces there are, to notice those that are replaced meanwhile."""
        try:
            async for page in store.pages(names.NAMESPACES):
                self._namespaces |= {str(metadata(raw).get("name")): metadata(raw).get("uid") for raw in page.items}
        except ForbiddenError:
            self.progress("Namespaces may not be listed: chains in one that is being deleted look broken")

    def _load(self, raw: RawObject) -> None:
        uid = str(metadata(raw).get("uid"))
        try:
            self._known[uid] = _to_known(raw)
        except UNREADABLE:
            self._spoiled[uid] = spoiled(uid, metadata(raw))

    def of_file(self, records: Iterator[RawObject]) -> Report:
        """Verify an export: without the Deployments, so beginnings and ends of chains are believed."""
        walk: ChainWalk | None = None
        for raw in records:
            if walk is None or self._is_next_chain(walk, raw):
                self._close_offline(walk)
                walk = self._open(raw)
            self._step(walk, raw)
        self._close_offline(walk)
        self._gone_anchors()
        return self.report

    def _is_next_chain(self, walk: ChainWalk, raw: RawObject) -> bool:
        return (walk.namespace, walk.uid) != (metadata(raw).get("namespace"), uid_of(raw))

    def _open(self, raw: RawObject) -> ChainWalk:
        uid, namespace = uid_of(raw), str(metadata(raw).get("namespace", ""))
        self.report.chains += 1
        if uid in self._visited:
            self._flaws.append(Flaw(namespace, uid, "", 0, "appears a second time, elsewhere or out of order"))
        self._visited.add(uid)
        return ChainWalk(namespace, uid, self.anchors.get(uid))

    def _step(self, walk: ChainWalk, raw: RawObject) -> None:
        self._flaws.extend(walk.step(raw, self._known.get(walk.uid)))
        self.report.records += 1
        self.report.imported += is_imported(raw)
        if self.report.records % PROGRESS_EVERY == 0:
            self.progress(f"{self.report.records} records in {self.report.chains} chains, {self.report.broken} broken")

    async def _close(self, walk: ChainWalk | None, store: ResourceStore) -> None:
        if walk is None:
            return
        self._flaws.extend(await self._flaws_of_ends(walk, store))
        await self._excuse(store, walk.namespace, walk)
        self._close_offline(walk)

    async def _flaws_of_ends(self, walk: ChainWalk, store: ResourceStore) -> list[Flaw]:
        if walk.uid in self._spoiled:
            return [self._spoiled[walk.uid]]
        flaws = list(walk.ends(self._known.get(walk.uid)))
        if not flaws:
            return []
        known = await self._fresh(store, walk.namespace, walk.binding, walk.uid)
        if known is None and await self._went_on(store, walk):
            return []
        return list(walk.ends(known))

    async def _went_on(self, store: ResourceStore, walk: ChainWalk) -> bool:
        """The chain has got a record since it was listed: the one of the delete that was just being recorded."""
        try:
            record = RecordId.of(Uid.parse(walk.uid), walk.last_sequence + 1)
            await store.get(ObjectRef(names.RECORDS, NamespaceName.parse(walk.namespace), record))
        except (NotFoundError, InvalidIdentifierError):
            return False
        return True

    async def _excuse(self, store: ResourceStore, namespace: str, walk: ChainWalk | None = None) -> None:
        """Make a note of what is missing for a reason. What is wrong stays a flaw, wherever it is."""
        missing = [flaw for flaw in self._flaws if flaw.missing]
        if not missing:
            return
        meta = await self._namespace(store, namespace)
        if self._is_going(namespace, meta):
            self._forgive(missing, Note.NAMESPACE_GOING)
        elif walk is not None and walk.uid not in self._known and _is_older(walk, meta):
            self._forgive([flaw for flaw in missing if flaw.sequence > walk.last_sequence], Note.EARLIER_NAMESPACE)

    def _forgive(self, flaws: list[Flaw], note: Note) -> None:
        if flaws:
            self._flaws = [flaw for flaw in self._flaws if flaw not in flaws]
            self.report.notes[note] += 1

    async def _namespace(self, store: ResourceStore, name: str) -> Mapping[str, Any] | None:
        """Metadata of the Namespace as it is now; None if it is gone, nothing if we may not know."""
        try:
            return metadata(await store.get(ObjectRef(names.NAMESPACES, None, ClusterObjectName.parse(name))))
        except NotFoundError:
            return None
        except (ForbiddenError, InvalidIdentifierError):
            return {}

    def _is_going(self, name: str, meta: Mapping[str, Any] | None) -> bool:
        if meta is None or "deletionTimestamp" in meta:
            return True
        before = self._namespaces.get(name)
        return bool(meta) and before is not None and before != meta.get("uid")

    def _close_offline(self, walk: ChainWalk | None) -> None:
        if walk is None:
            return
        self._flaws.extend(walk.anchored(self.removable))
        tip = walk.tip()
        if tip is not None:
            self.tip(tip)
        self._tell()

    async def _without_records(self, store: ResourceStore, uid: str) -> Iterator[Flaw]:
        known = self._known[uid]
        if known.recorded == 0:
            return iter(())
        fresh = await self._fresh(store, known.namespace, known.name, uid)
        return without_records(uid, fresh) if fresh is not None else iter(())

    async def _fresh(self, store: ResourceStore, namespace: str, name: str, uid: str) -> Known | None:
        """What the Deployment says now; None if it is gone."""
        try:
            ref = ObjectRef(names.DEPLOYMENTS, NamespaceName.parse(namespace), BindingName.parse(name))
            raw = await store.get(ref)
        except (NotFoundError, InvalidIdentifierError):
            return None
        if metadata(raw).get("uid") != uid:
            return None
        try:
            return _to_known(raw)
        except UNREADABLE:
            # Spoiled since it was listed, a moment ago: what was read then is the last that it said.
            return self._known.get(uid)

    def _gone_anchors(self) -> None:
        for uid, anchor in self.anchors.items():
            if uid in self._visited:
                continue
            if anchor.is_end and self.removable.has_had_its_time(anchor):
                self.report.notes[Note.RETENTION] += 1
                continue
            self._flaws.append(gone(anchor))
            self._tell()

    def _tell(self) -> None:
        if self._flaws:
            self.report.broken += 1
            self.found(self._flaws)
            self._flaws = []


def _to_known(raw: RawObject) -> Known:
    return known_of(to_deployment(raw))


def removable(now: datetime, *, days: int, max_records: int) -> Removable:
    """What retention with these settings may have removed by now."""
    return Removable(before=now - timedelta(days=days), newer=max_records)


def _is_older(walk: ChainWalk, namespace: Mapping[str, Any] | None) -> bool:
    """The newest change of a chain is known to be older than its Namespace."""
    made = to_moment((namespace or {}).get("creationTimestamp"))
    at = to_moment(walk.last.change.at) if walk.last else None
    return made is not None and at is not None and made - at > MAX_SKEW
