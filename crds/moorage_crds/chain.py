"""Walks the chains of the history and names every broken, missing or forged link. Pure; `moorage verify` calls it.

Records come in the order of their names, chain by chain; a verifier keeps nothing but the ends of the present chain.
What is checked, per record: its shape and name, its own hash, its place after the record before it (number, hash,
release, time, binding), its labels, and the entry of the same change in the log of its Deployment. Per chain: where
it begins and ends, against the status of the Deployment and against tips that were kept elsewhere.

What it cannot see: somebody who can write etcd and rewrites a chain together with the status of its Deployment. Only
tips that were kept elsewhere show that.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from moorage_crds import names, patterns
from moorage_crds.anchors import Removable, Tip
from moorage_crds.kinds.deployment import Action, Change, Deployment
from moorage_crds.kinds.record import Record, from_object, genesis_hash, imported_uid, is_imported, spec_hash
from moorage_crds.moments import to_moment
from moorage_crds.objects import RawObject, labels, metadata
from moorage_crds.reading import UNREADABLE, sound
from moorage_crds.stamps import MAX_BEHIND, MAX_SKEW

_NAME: Final = re.compile(rf"(?P<uid>{patterns.UID})-(?P<sequence>{patterns.SEQUENCE})")


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong with the history.

    Attributes:
        chain: uid of the Deployment.
        sequence: the record, or the number of the missing one; 0 if the chain as a whole is meant.
        what: one clause for people.
        missing: something is not there; else what is there is wrong.
    """

    namespace: str
    chain: str
    binding: str
    sequence: int
    what: str
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What the Deployment itself tells about its chain.

    Attributes:
        created_at: `creationTimestamp` of the Deployment.
        recorded: `status.recordedSequence`.
        logged: `changeLog.sequence`.
        entries: for each log entry its number and a digest of what it says (its time left out).
    """

    namespace: str
    name: str
    created_at: str
    recorded: int
    logged: int
    floor_sequence: int
    floor_hash: str | None
    tip_hash: str | None
    entries: Mapping[int, int]


def known_of(deployment: Deployment) -> Known:
    """What a Deployment tells about its chain, in a few words."""
    history: Mapping[str, Any] = deployment.status.get("history") or {}
    return Known(
        namespace=deployment.namespace,
        name=deployment.name,
        created_at=deployment.created_at,
        recorded=deployment.recorded,
        logged=deployment.logged,
        floor_sequence=history.get("floorSequence") or 1,
        floor_hash=history.get("floorHash"),
        tip_hash=history.get("tipHash"),
        entries={entry.sequence: _digest(entry) for entry in deployment.log},
    )


def _digest(change: Change) -> int:
    return hash(replace(change, at=None))


class ChainWalk:
    """One chain, record by record.

    Args:
        namespace: where the first record was found.
        uid: the Deployment, as the names of the records say.
        anchor: the tip that was kept elsewhere, if there is one.
    """

    def __init__(self, namespace: str, uid: str, anchor: Tip | None = None) -> None:
        self.namespace = namespace
        self.uid = uid
        self.count = 0
        self.imported = False
        self.first: Record | None = None
        self.last: Record | None = None
        self.first_sequence = 0
        self.last_sequence = 0
        self._last_made = ""
        self._anchor = anchor
        self._anchor_met = False

    @property
    def binding(self) -> str:
        """Name of the Deployment, for people; empty if no record could be read."""
        return self.first.binding.name if self.first else ""

    def tip(self) -> Tip | None:
        """The end of this chain, to be kept elsewhere."""
        if self.last is None:
            return None
        change = self.last.change
        return Tip(
            namespace=self.namespace,
            binding=self.binding,
            uid=self.uid,
            sequence=change.sequence,
            hash=self.last.hash,
            action=str(change.action),
            at=change.moment or "",
            ended=change.release is None,
            created_at=self._last_made,
        )

    def step(self, raw: RawObject, known: Known | None) -> Iterator[Flaw]:
        """Check the next record. `known` is what the Deployment says, None if it is gone."""
        sequence = sequence_of(raw)
        self.count += 1
        if self.count == 1:
            self.first_sequence = sequence
            self.imported = is_imported(raw)
        elif sequence != self.last_sequence + 1:
            missing = sequence > self.last_sequence + 1
            yield self._flaw(self.last_sequence + 1, _gap(self.last_sequence, sequence), missing=missing)
        record = self._readable(raw)
        if record is None:
            yield self._flaw(sequence, "is not a readable record (a field is missing or has the wrong type)")
        else:
            self.first = self.first or record
            made = str(metadata(raw).get("creationTimestamp", ""))
            own = (*_own_flaws(raw, record), *_flaws_of_time(record, made, known))
            for what in (*own, *self._flaws_of_place(record, sequence)):
                yield self._flaw(sequence, what)
            yield from self._against(record, known)
            self.last, self._last_made = record, made
        self.last_sequence = sequence

    def _readable(self, raw: RawObject) -> Record | None:
        try:
            record = sound(from_object(raw))
        except UNREADABLE:
            return None
        return record if to_moment(record.change.moment) is not None else None

    def _flaws_of_place(self, record: Record, sequence: int) -> Iterator[str]:
        if record.binding.uid != self.uid or record.change.sequence != sequence:
            yield "says another Deployment or number than its name"
        before = self.last
        if sequence == 1 and record.previous_hash != genesis_hash(record.binding):
            yield "does not name the beginning of its chain as its predecessor"
        if before is None or before.change.sequence != sequence - 1:
            return
        if record.previous_hash != before.hash:
            yield "does not name the hash of the record before it"
        yield from _flaws_beside(record, before)

    def _against(self, record: Record, known: Known | None) -> Iterator[Flaw]:
        sequence = record.change.sequence
        if known is not None:
            entry = known.entries.get(sequence)
            if entry is not None and entry != _digest(record.change):
                yield self._flaw(sequence, "says something else than the change log of its Deployment")
            if sequence == known.recorded and known.tip_hash not in {None, record.hash}:
                yield self._flaw(sequence, "is not the record that the status of its Deployment names as the newest")
            if sequence == known.floor_sequence and known.floor_hash not in {None, record.previous_hash}:
                yield self._flaw(sequence, "does not follow where the status of its Deployment says the chain begins")
        if self._anchor is not None and self._anchor.sequence == sequence:
            self._anchor_met = True
            if self._anchor.hash != record.hash:
                yield self._flaw(sequence, "is not the record that the anchor names")

    def ends(self, known: Known | None) -> Iterator[Flaw]:
        """Check where the chain begins and ends against its Deployment, after its last record. None: it is gone."""
        if known is not None:
            yield from self._ends_alive(known)
        elif not self.imported and self.last is not None and self.last.change.release is not None:
            what = "is missing: the Deployment is gone, and nothing says so"
            yield self._flaw(self.last_sequence + 1, what, missing=True)

    def anchored(self, removable: Removable) -> Iterator[Flaw]:
        """Check, after the last record, that the anchored one was among them, unless retention may have removed it."""
        anchor = self._anchor
        if anchor is not None and not self._anchor_met and not removable.covers(anchor, newest=self.last_sequence):
            yield self._flaw(anchor.sequence, "is missing: the anchor names it")

    def _ends_alive(self, known: Known) -> Iterator[Flaw]:
        if self.first_sequence > known.floor_sequence:
            gap = _gap(known.floor_sequence - 1, self.first_sequence)
            yield self._flaw(known.floor_sequence, gap, missing=True)
        if self.last_sequence < known.recorded:
            gap = _gap(self.last_sequence, known.recorded + 1)
            yield self._flaw(self.last_sequence + 1, gap, missing=True)
        if self.last_sequence > max(known.recorded, known.logged):
            yield self._flaw(self.last_sequence, "is a record of a change that its Deployment does not know")

    def _flaw(self, sequence: int, what: str, *, missing: bool = False) -> Flaw:
        return Flaw(self.namespace, self.uid, self.binding, sequence, what, missing)


def without_records(uid: str, known: Known) -> Iterator[Flaw]:
    """The flaws of a Deployment that has no record at all."""
    if known.recorded > 0:
        gap = _gap(known.floor_sequence - 1, known.recorded + 1)
        yield Flaw(known.namespace, uid, known.name, known.floor_sequence, gap, missing=True)


def spoiled(uid: str, meta: Mapping[str, Any]) -> Flaw:
    """The flaw of a chain whose Deployment cannot be read, so that nothing says where the chain begins and ends."""
    what = "cannot be checked at its ends: its Deployment is not readable (somebody edited the store itself)"
    return Flaw(str(meta.get("namespace", "")), uid, str(meta.get("name", "")), 0, what)


def gone(anchor: Tip) -> Flaw:
    """The flaw of an anchored chain of which nothing is left."""
    return Flaw(
        anchor.namespace,
        anchor.uid,
        anchor.binding,
        anchor.sequence,
        "is missing with its whole chain: the anchor names it",
        missing=True,
    )


def _gap(before: int, after: int) -> str:
    if after <= before:
        return "is there twice, or out of order"
    first, last = before + 1, after - 1
    return "is missing" if first == last else f"to {last} are missing"


def sequence_of(raw: RawObject) -> int:
    """The number that the name of a record says; 0 if the name is not one of a record."""
    found = _NAME.fullmatch(str(metadata(raw).get("name", "")))
    return int(found["sequence"]) if found else 0


def uid_of(raw: RawObject) -> str:
    """The Deployment that the name of a record says; the whole name if it is not one of a record."""
    name = str(metadata(raw).get("name", ""))
    found = _NAME.fullmatch(name)
    return found["uid"] if found else name


def _flaws_beside(record: Record, before: Record) -> Iterator[str]:
    """What does not fit the record right before it."""
    if record.change.previous != before.change.release:
        yield "names another previous release than the record before it left"
    if record.imported is not before.imported:
        yield "is imported and the record before it is not, or the other way round"
    if record.binding != before.binding:
        yield "is about another binding than the record before it"
    if _is_older(record, before):
        yield "is older than the record before it"


def _is_older(record: Record, before: Record) -> bool:
    here, there = to_moment(record.change.moment), to_moment(before.change.moment)
    return here is not None and there is not None and here < there


def _flaws_of_time(record: Record, made: str, known: Known | None) -> Iterator[str]:
    """What no honest recorder writes: a time after the record itself, or before the Deployment.

    `made` is the record's own `creationTimestamp`. A time long before it is not a flaw: a record is written when an
    operator is there, and again when it is restored from a backup.
    """
    at, made_at = to_moment(record.change.moment), to_moment(made)
    if at is not None and made_at is not None and at - made_at > MAX_BEHIND:
        yield "says a time after the one at which it was written"
    created_at = to_moment(known.created_at) if known else None
    if at is not None and created_at is not None and created_at - at > MAX_SKEW:
        yield "says a time before its Deployment was created"


def _own_flaws(raw: RawObject, record: Record) -> Iterator[str]:
    if spec_hash(raw["spec"]) != record.hash:
        yield "was edited: its content does not have the hash that it says"
    there = labels(raw)
    wanted = {
        names.LABEL_ENVIRONMENT: record.binding.environment,
        names.LABEL_APP: record.binding.app,
        names.LABEL_DEPLOYMENT_UID: record.binding.uid,
        names.LABEL_ACTION: str(record.change.action),
    }
    if any(there.get(key) != value for key, value in wanted.items()):
        yield "carries labels that differ from its content"
    action = record.change.action
    if action is Action.IMPORT:
        yield from _flaws_of_claim(record)
    elif (action is Action.UNDEPLOY) != (record.change.release is None) and action is not Action.ADOPT:
        yield "says an action that does not fit its release"


def _flaws_of_claim(record: Record) -> Iterator[str]:
    """What would make a claim look like something that an API server saw."""
    if not record.imported:
        yield "is claimed by an import and does not carry the label of one"
    if record.binding.uid != imported_uid(record.binding.namespace, record.binding.name):
        yield "is claimed by an import and stands in a chain that is none of imports"
