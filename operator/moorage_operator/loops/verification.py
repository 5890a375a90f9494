"""Checks all chains of a cluster or of an export file. Called by `moorage verify`; reads, and writes nothing.

Deployments are loaded first, in a few words each; then the records stream by, chain by chain. A chain whose ends do not
fit is looked at once more with a fresh read of its Deployment, because a cluster in use moves on while it is read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from moorage_crds import names
from moorage_crds.deployment import from_object as to_deployment
from moorage_crds.identifiers import BindingName, InvalidIdentifierError, NamespaceName
from moorage_crds.objects import RawObject, metadata
from moorage_crds.store import NotFoundError, ObjectRef, ResourceStore
from moorage_operator.decisions.chain import (
    ChainWalk,
    Flaw,
    Known,
    Tip,
    gone,
    known_of,
    spoiled,
    uid_of,
    without_records,
)
from moorage_operator.decisions.facts import to_moment
from moorage_operator.loops.reading import UNREADABLE

#: Progress is told after so many records.
PROGRESS_EVERY = 1000


@dataclass(slots=True)
class Report:
    """What a verification found.

    Attributes:
        broken: chains with flaws.
        notes: anchored chains that are gone, as they may be.
    """

    records: int = 0
    chains: int = 0
    broken: int = 0
    notes: int = 0


@dataclass(slots=True)
class Verification:
    """One run.

    Args:
        found: called with the flaws of each chain that has some, in order.
        progress: called with a line for people now and then.
        anchors: tips that were kept elsewhere, by uid.
        tip: called with the end of each chain.
        removable_before: retention may have removed records that are older than this moment, and no others.
    """

    found: Callable[[list[Flaw]], None]
    progress: Callable[[str], None]
    tip: Callable[[Tip], None]
    removable_before: datetime
    anchors: dict[str, Tip] = field(default_factory=dict)
    report: Report = field(default_factory=Report)
    _known: dict[str, Known] = field(default_factory=dict)
    _spoiled: dict[str, Flaw] = field(default_factory=dict)
    _visited: set[str] = field(default_factory=set)
    _flaws: list[Flaw] = field(default_factory=list)

    async def of_cluster(self, store: ResourceStore) -> Report:
        """Verify everything that is stored.

        Raises:
            StoreError: the cluster does not answer.
        """
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
            self._tell()
        for uid in [uid for uid in self._spoiled if uid not in self._visited]:
            self._flaws.append(self._spoiled[uid])
            self._tell()
        self._gone_anchors()
        return self.report

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
        if self.report.records % PROGRESS_EVERY == 0:
            self.progress(f"{self.report.records} records in {self.report.chains} chains, {self.report.broken} broken")

    async def _close(self, walk: ChainWalk | None, store: ResourceStore) -> None:
        if walk is None:
            return
        self._flaws.extend(await self._flaws_of_ends(walk, store))
        self._close_offline(walk)

    async def _flaws_of_ends(self, walk: ChainWalk, store: ResourceStore) -> list[Flaw]:
        if walk.uid in self._spoiled:
            return [self._spoiled[walk.uid]]
        flaws = list(walk.ends(self._known.get(walk.uid)))
        if not flaws:
            return []
        return list(walk.ends(await self._fresh(store, walk.namespace, walk.binding, walk.uid)))

    def _close_offline(self, walk: ChainWalk | None) -> None:
        if walk is None:
            return
        self._flaws.extend(walk.anchored(self.removable_before))
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
            ended = to_moment(anchor.at)
            if anchor.is_end and ended is not None and ended < self.removable_before:
                self.report.notes += 1
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


def removable_limit(now: datetime, retention_days: int) -> datetime:
    """Records that are older than this may have been removed by retention."""
    return now - timedelta(days=retention_days)
