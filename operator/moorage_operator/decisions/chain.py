"""Walks the chains of the history and names every broken, missing or forged link. Pure; `moorage verify` calls it.

Records come in the order of their names, chain by chain; a verifier keeps nothing but the ends of the present chain.
What is checked, per record: its shape and name, its own hash, its place after the record before it (number, hash,
release, time, binding), its labels, and what the change log of its Deployment says of the same change. Per chain: where
it begins and ends, against the status of the Deployment and against tips that were kept elsewhere.

What it cannot see: somebody who can write etcd and rewrites a chain together with the status of its Deployment. Only
tips that were kept elsewhere show that.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from moorage_crds import names
from moorage_crds.deployment import Action, Change, Deployment
from moorage_crds.objects import RawObject, metadata
from moorage_crds.record import Record, from_object, genesis_hash, spec_hash
from moorage_operator.decisions.facts import to_moment

_NAME: Final = re.compile(r"(?P<uid>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})-(?P<sequence>[0-9]{8})")


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong with the history.

    Attributes:
        chain: uid of the Deployment.
        sequence: the record, or the number of the missing one; 0 if the chain as a whole is meant.
        what: one clause for people.
    """

    namespace: str
    chain: str
    binding: str
    sequence: int
    what: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the Deployment itself says of its chain.

    Attributes:
        recorded: `status.recordedSequence`.
        logged: `changeLog.sequence`.
        entries: for each log entry its number and a digest of what it says (its time left out).
    """

    namespace: str
    name: str
    recorded: int
    logged: int
    floor_sequence: int
    floor_hash: str | None
    tip_hash: str | None
    entries: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of a chain, as it is kept elsewhere: an anchor.

    Attributes:
        ended: no release is left after it (a file that does not say so yet has only the action to tell).
    """

    namespace: str
    binding: str
    uid: str
    sequence: int
    hash: str
    action: str
    at: str
    ended: bool = False

    @property
    def is_end(self) -> bool:
        """Nothing is deployed after it, so retention may take the whole chain once it is old enough."""
        return self.ended or self.action == Action.UNDEPLOY


def known_of(deployment: Deployment) -> Known:
    """What a Deployment says of its chain, in a few words."""
    history: Mapping[str, Any] = deployment.status.get("history") or {}
    return Known(
        namespace=deployment.namespace,
        name=deployment.name,
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
        self.first: Record | None = None
        self.last: Record | None = None
        self.first_sequence = 0
        self.last_sequence = 0
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
            at=change.at or "",
            ended=change.release is None,
        )

    def step(self, raw: RawObject, known: Known | None) -> Iterator[Flaw]:
        """Check the next record. `known` is what the Deployment says, None if it is gone."""
        sequence = sequence_of(raw)
        self.count += 1
        if self.count == 1:
            self.first_sequence = sequence
        elif sequence != self.last_sequence + 1:
            yield self._flaw(self.last_sequence + 1, _gap(self.last_sequence, sequence))
        record = self._readable(raw)
        if record is None:
            yield self._flaw(sequence, "is no readable record (a field is missing or has the wrong type)")
        else:
            self.first = self.first or record
            for what in (*_own_flaws(raw, record), *self._flaws_of_place(record, sequence)):
                yield self._flaw(sequence, what)
            yield from self._against(record, known)
            self.last = record
        self.last_sequence = sequence

    def _readable(self, raw: RawObject) -> Record | None:
        try:
            record = from_object(raw)
            # Texts and numbers can be compared with those of the log; anything else cannot even be hashed.
            hash((record.binding, record.change))
            sound = to_moment(record.change.at) is not None
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        return record if sound else None

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
        if record.change.previous != before.change.release:
            yield "names another previous release than the record before it left"
        if record.binding != before.binding:
            yield "is about another binding than the record before it"
        if _is_older(record, before):
            yield "is older than the record before it"

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
        elif self.last is not None and self.last.change.release is not None:
            yield self._flaw(self.last_sequence + 1, "is missing: the Deployment is gone, and nothing says so")

    def anchored(self, removable_before: datetime) -> Iterator[Flaw]:
        """Check, after the last record, that the anchored one was among them.

        Args:
            removable_before: retention may have removed records that are older than this moment, and no others.
        """
        if self._anchor is None or self._anchor_met:
            return
        made = to_moment(self._anchor.at)
        if self._anchor.sequence > self.last_sequence or made is None or made >= removable_before:
            yield self._flaw(self._anchor.sequence, "is missing: the anchor names it")

    def _ends_alive(self, known: Known) -> Iterator[Flaw]:
        if self.first_sequence > known.floor_sequence:
            yield self._flaw(known.floor_sequence, _gap(known.floor_sequence - 1, self.first_sequence))
        if self.last_sequence < known.recorded:
            yield self._flaw(self.last_sequence + 1, _gap(self.last_sequence, known.recorded + 1))
        if self.last_sequence > max(known.recorded, known.logged):
            yield self._flaw(self.last_sequence, "is a record of a change that its Deployment does not know")

    def _flaw(self, sequence: int, what: str) -> Flaw:
        return Flaw(self.namespace, self.uid, self.binding, sequence, what)


def without_records(uid: str, known: Known) -> Iterator[Flaw]:
    """The flaws of a Deployment that has no record at all."""
    if known.recorded > 0:
        yield Flaw(
            known.namespace, uid, known.name, known.floor_sequence, _gap(known.floor_sequence - 1, known.recorded + 1)
        )


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


def _is_older(record: Record, before: Record) -> bool:
    here, there = to_moment(record.change.at), to_moment(before.change.at)
    return here is not None and there is not None and here < there


def _own_flaws(raw: RawObject, record: Record) -> Iterator[str]:
    if spec_hash(raw["spec"]) != record.hash:
        yield "was edited: its content does not have the hash that it says"
    labels = metadata(raw).get("labels") or {}
    wanted = {
        names.LABEL_ENVIRONMENT: record.binding.environment,
        names.LABEL_APP: record.binding.app,
        names.LABEL_DEPLOYMENT_UID: record.binding.uid,
        names.LABEL_ACTION: str(record.change.action),
    }
    if any(labels.get(key) != value for key, value in wanted.items()):
        yield "carries labels that differ from its content"
    if (record.change.action is Action.UNDEPLOY) != (
        record.change.release is None
    ) and record.change.action is not Action.ADOPT:
        yield "says an action that does not fit its release"
