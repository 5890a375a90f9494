"""Mends what a sweep found broken in the history: chains without their end, records that are missing.

The ends are those of Deployments that were deleted while nobody watched. Missing records are written again only from
the change log of their Deployment: what is not there any more cannot be made up, and `moorage verify` names it.
"""

import logging
from dataclasses import replace
from enum import Enum, auto

from moorage_crds import names
from moorage_crds.clock import to_rfc3339
from moorage_crds.deployment import Deployment
from moorage_crds.deployment import from_object as to_deployment
from moorage_crds.identifiers import BindingName, NamespaceName
from moorage_crds.objects import metadata
from moorage_crds.record import Record, genesis_hash, to_object
from moorage_crds.store import AlreadyExistsError, NotFoundError, ObjectRef
from moorage_operator.decisions import history
from moorage_operator.decisions.comparison import Finding
from moorage_operator.decisions.history import Due
from moorage_operator.loops.intake import Intake
from moorage_operator.loops.reading import readable
from moorage_operator.loops.records import readable as readable_record
from moorage_operator.loops.records import record_ref
from moorage_operator.loops.surroundings import Surroundings
from moorage_operator.loops.world import Chain

_log = logging.getLogger(__name__)


class End(Enum):
    """How it stands with the end of a chain whose newest record is no undeploy."""

    OPEN = auto()
    """Its Deployment lives, or nothing can be said: look again."""
    WRITTEN = auto()
    """Its end was missing, and has been written."""
    THERE = auto()
    """Its newest record leaves no release, so nothing has to end."""


class Repair:
    """Writes records that should be there."""

    def __init__(self, around: Surroundings, intake: Intake) -> None:
        self._store = around.store
        self._measures = around.measures
        self._clock = around.clock
        self._intake = intake

    async def end_chain(self, namespace: str, uid: str, newest: int) -> End:
        """End the chain of a Deployment that is gone, if its newest record does not.

        Raises:
            StoreError: the cluster did not answer as hoped; the next sweep comes back to it.
        """
        record = readable_record(await self._store.get(record_ref(namespace, uid, newest)))
        if record is None:
            fields = {"namespace": namespace, "uid": uid, "sequence": newest}
            _log.error("the newest record of a chain is spoiled", extra={"fields": fields})
            return End.OPEN
        if await self._lives(record):
            return End.OPEN
        change = history.ended(record, at=self._clock.now())
        if change is None:
            return End.THERE
        try:
            await self._store.create(
                names.RECORDS,
                NamespaceName.parse(namespace),
                to_object(record.binding, change, previous_hash=record.hash),
            )
        except AlreadyExistsError:
            return End.OPEN
        self._measures.recorded(record.binding.environment, change, lag_seconds=0.0)
        _log.info(
            "ended the chain of a Deployment that is gone", extra={"fields": {"namespace": namespace, "uid": uid}}
        )
        return End.WRITTEN

    async def _lives(self, record: Record) -> bool:
        binding = record.binding
        try:
            raw = await self._store.get(_deployment_ref(binding.namespace, binding.name))
        except NotFoundError:
            return False
        if metadata(raw).get("uid") != binding.uid:
            return False
        seen = readable(to_deployment, raw, names.DEPLOYMENTS)
        if seen is not None:
            self._intake.listed_deployment(seen)
        return True

    async def remake(self, chain: Chain, missing: tuple[int, ...]) -> None:
        """Write missing records again, as far as the change log still has their entries.

        Raises:
            StoreError: the cluster did not answer as hoped; the next sweep comes back to it.
        """
        try:
            raw = await self._store.get(chain.ref)
        except NotFoundError:
            return
        seen = readable(to_deployment, raw, names.DEPLOYMENTS)
        if seen is None or seen.uid != chain.deployment.uid:
            return
        entries = {entry.sequence: entry for entry in seen.log}
        for sequence in missing:
            entry = entries.get(sequence)
            if entry is None:
                self._report(chain, sequence, mended=False)
            else:
                await self._write_again(seen, Due(entry, stamped=True))
                self._report(chain, sequence, mended=True)

    async def _write_again(self, seen: Deployment, entry: Due) -> None:
        binding, sequence = history.binding_of(seen), entry.change.sequence
        before = None if sequence == 1 else await self._record(seen, sequence - 1)
        now = self._clock.now()
        change = history.timed([entry], after=before.change.at if before else None, seen_at=to_rfc3339(now), now=now)
        follower = await self._record(seen, sequence + 1)
        if entry.change.at is None and follower is not None and follower.change.at is not None:
            change = replace(change, at=min(follower.change.at, change.at or follower.change.at))
        previous_hash = before.hash if before else genesis_hash(binding)
        try:
            await self._store.create(
                names.RECORDS,
                NamespaceName.parse(seen.namespace),
                to_object(binding, change, previous_hash=previous_hash),
            )
        except AlreadyExistsError:
            return

    async def _record(self, seen: Deployment, sequence: int) -> Record | None:
        try:
            return readable_record(await self._store.get(record_ref(seen.namespace, seen.uid, sequence)))
        except NotFoundError:
            return None

    def _report(self, chain: Chain, sequence: int, *, mended: bool) -> None:
        deployment = chain.deployment
        fields = {
            "namespace": deployment.namespace,
            "name": deployment.name,
            "uid": deployment.uid,
            "sequence": sequence,
        }
        self._measures.found(Finding.MISSING_RECORD)
        if mended:
            _log.warning("a missing record was written again from the change log", extra={"fields": fields})
        else:
            _log.error("a record is missing and its entry is no longer in the change log", extra={"fields": fields})


def _deployment_ref(namespace: str, name: str) -> ObjectRef:
    return ObjectRef(names.DEPLOYMENTS, NamespaceName.parse(namespace), BindingName.parse(name))
