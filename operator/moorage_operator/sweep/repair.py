"""Mends what a sweep found broken in the history: chains without their end, records that are missing.

The ends are those of Deployments that were deleted while nobody watched. Missing records are written again only from
the change log of their Deployment: what is not there any more cannot be made up, and `moorage verify` names it.
"""

import logging
from enum import Enum, auto

from moorage_crds import names
from moorage_crds.identifiers import BindingName, ClusterObjectName, NamespaceName
from moorage_crds.kinds.deployment import Deployment
from moorage_crds.kinds.deployment import from_object as to_deployment
from moorage_crds.kinds.record import Record, genesis_hash, to_object
from moorage_crds.moments import to_moment, to_text
from moorage_crds.objects import metadata
from moorage_crds.reading import readable
from moorage_crds.stamps import MAX_SKEW, Bounds
from moorage_crds.store import AlreadyExistsError, NotFoundError, ObjectRef
from moorage_operator.dispatch import Intake
from moorage_operator.facts import Finding
from moorage_operator.history import decisions as history
from moorage_operator.history.decisions import Due
from moorage_operator.history.record_lookup import record_ref, to_record
from moorage_operator.memory.chain import Chain
from moorage_operator.work.context import Surroundings

_log = logging.getLogger(__name__)


class ChainEnd(Enum):
    """The state of the end of a chain whose newest record is not an undeploy."""

    OPEN = auto()
    """Its Deployment lives, or nothing can be said: look again."""
    WRITTEN = auto()
    """Its end was missing, and has been written."""
    THERE = auto()
    """Nothing has to end: its newest record leaves no release, or was restored after its Namespace had gone."""


class Repair:
    """Writes records that should be there."""

    def __init__(self, around: Surroundings, intake: Intake) -> None:
        self._store = around.store
        self._world = around.world
        self._measures = around.measures
        self._clock = around.clock
        self._intake = intake

    async def end_chain(self, namespace: str, uid: str, newest: int) -> ChainEnd:
        """End the chain of a Deployment that is gone, if its newest record does not.

        Raises:
            StoreError: the cluster did not answer as hoped; the next sweep comes back to it.
        """
        record = to_record(await self._store.get(record_ref(namespace, uid, newest)))
        if record is None:
            fields = {"namespace": namespace, "uid": uid, "sequence": newest}
            _log.error("the newest record of a chain is spoiled", extra={"fields": fields})
            return ChainEnd.OPEN
        if await self._lives(record):
            return ChainEnd.OPEN
        if await self._is_restored(record):
            return ChainEnd.THERE
        change = history.ended(record, at=self._clock.now())
        if change is None:
            return ChainEnd.THERE
        try:
            await self._store.create(
                names.RECORDS,
                NamespaceName.parse(namespace),
                to_object(record.binding, change, previous_hash=record.hash),
            )
        except AlreadyExistsError:
            return ChainEnd.OPEN
        exists = self._world.environment_uid((namespace, record.binding.environment)) is not None
        self._measures.recorded(record.binding.environment, change, exists=exists, lag_seconds=0.0)
        _log.info(
            "ended the chain of a Deployment that is gone", extra={"fields": {"namespace": namespace, "uid": uid}}
        )
        return ChainEnd.WRITTEN

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

    async def _is_restored(self, record: Record) -> bool:
        """The record is older than its Namespace: somebody restored it after the one before was deleted.

        Its Deployment went with that Namespace, at a time that nobody knows. An end with the present time would be
        wrong, and would stand after the first changes of the Deployment that was restored with it.
        """
        try:
            name = ClusterObjectName.parse(record.binding.namespace)
            meta = metadata(await self._store.get(ObjectRef(names.NAMESPACES, None, name)))
        except NotFoundError:
            return False
        made, at = to_moment(meta.get("creationTimestamp")), to_moment(record.change.at)
        return made is not None and at is not None and made - at > MAX_SKEW

    async def remake(self, chain: Chain, missing: tuple[int, ...]) -> None:
        """Write those missing records again whose entries are still in the change log.

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
        follower = await self._record(seen, sequence + 1)
        bounds = Bounds(
            created_at=seen.created_at,
            after=before.change.at if before else None,
            seen_at=(follower.change.at if follower else None) or to_text(self._clock.now()),
        )
        change = history.timed([entry], bounds)
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
            return to_record(await self._store.get(record_ref(seen.namespace, seen.uid, sequence)))
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
