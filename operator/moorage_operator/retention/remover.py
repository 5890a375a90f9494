"""Removes records that are old enough (slowly) or too many (at once), each written to the log before it goes.

Told by the sweep which chains may have some. The floor of a chain is moved, and stored, before anything below it goes:
an interrupted removal then looks like what it is, and the next sweep finishes it.
"""

import asyncio
import logging
from dataclasses import replace

from moorage_crds.objects import RawObject, metadata
from moorage_crds.process.telemetry import HISTORY_LOGGER
from moorage_crds.store import ConflictError, NotFoundError, UnavailableError
from moorage_operator.facts import RemovalCause
from moorage_operator.history.record_lookup import chain_records, record_ref, to_record
from moorage_operator.memory.chain import Chain
from moorage_operator.memory.chain_state import Recorded
from moorage_operator.retention.decisions import RetentionRule, below, removable, removable_after_end
from moorage_operator.statuses.writers import DeploymentStatusWriter
from moorage_operator.work.context import Surroundings
from moorage_operator.work.queue import KeyedQueue
from moorage_operator.work.worker import RefusedError

ChainKey = tuple[str, str]
"""Namespace, and uid of the Deployment."""

#: Where removed records are kept: one line each, the whole record under `record`.
_history_log = logging.getLogger(HISTORY_LOGGER)


class Retention:
    """Keeps the history within its rule.

    Args:
        around: the cluster and what is known of it.
        statuses: writes where a chain begins.
        rule: how much is kept.
        per_second: the most records that are removed in a second because of their age.
        queue: chains to look at.
    """

    def __init__(
        self,
        around: Surroundings,
        *,
        statuses: DeploymentStatusWriter,
        rule: RetentionRule,
        per_second: int,
        queue: KeyedQueue[ChainKey],
    ) -> None:
        self._store = around.store
        self._world = around.world
        self._leadership = around.leadership
        self._measures = around.measures
        self._clock = around.clock
        self._statuses = statuses
        self._pause = 1.0 / per_second
        self.rule = rule
        self.queue = queue

    async def step(self, key: ChainKey) -> float | None:
        """Remove what may go from one chain.

        Raises:
            StoreError: try again.
        """
        if not self._leadership.acts:
            return None
        namespace, uid = key
        records = await chain_records(self._store, namespace, uid)
        chain = self._world.chains.get(uid)
        if chain is None:
            going = removable_after_end(records, self.rule, now=self._clock.now())
        else:
            going = removable(records, self.rule, now=self._clock.now())
            if going:
                await self._raise_floor(chain, going[-1] + 1)
            going = below(records, chain.progress.floor_sequence)
        limit = self._clock.now() - self.rule.age
        made = {record.sequence: record.created_at for record in records}
        for sequence in going:
            why = RemovalCause.AGE if made[sequence] <= limit else RemovalCause.MAXIMUM
            if await self._remove(namespace, uid, sequence):
                self._measures.removed(why)
            # What is beyond the maximum came faster than it should: it must not outrun its removal.
            await asyncio.sleep(self._pause if why is RemovalCause.AGE else 0)
        return None

    async def _raise_floor(self, chain: Chain, floor: int) -> None:
        if chain.progress.floor_sequence >= floor:
            return
        deployment = chain.deployment
        oldest = to_record(await self._store.get(record_ref(deployment.namespace, deployment.uid, floor)))
        if oldest is None:
            message = (
                f"record {floor} of {deployment.namespace}/{deployment.name} is spoiled; nothing before it is removed"
            )
            raise RefusedError(message)
        raised = replace(chain.progress, floor_sequence=floor, floor_hash=oldest.previous_hash)
        self._world.tell(chain, Recorded(raised))
        await self._statuses.step(deployment.uid)
        if int((chain.status().get("history") or {}).get("floorSequence") or 1) < floor:
            message = "the status does not say yet where the history begins"
            raise UnavailableError(message)

    async def _remove(self, namespace: str, uid: str, sequence: int) -> bool:
        """Write one record to the log, then remove it; False if it was gone already."""
        ref = record_ref(namespace, uid, sequence)
        try:
            raw = await self._store.get(ref)
            _history_log.info("record removed by retention", extra={"fields": {"record": _lasting(raw)}})
            await self._store.delete(ref, uid=metadata(raw)["uid"])
        except (NotFoundError, ConflictError):
            return False
        return True


def _lasting(raw: RawObject) -> RawObject:
    """The record without what only matters while it is stored."""
    meta = {key: value for key, value in metadata(raw).items() if key not in {"managedFields", "generation"}}
    return {"metadata": meta, "spec": raw.get("spec")}
