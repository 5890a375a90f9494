"""Removes records that are old enough, slowly, each written to the log before it goes.

Told by the sweep which chains may have some. The floor of a chain is moved, and stored, before anything below it goes:
an interrupted removal then looks like what it is, and the next sweep finishes it.
"""

import asyncio
import logging
from dataclasses import replace

from moorage_crds.objects import RawObject, metadata
from moorage_crds.store import ConflictError, NotFoundError, UnavailableError
from moorage_crds.telemetry import HISTORY_LOGGER
from moorage_operator.decisions.retention import RetentionRule, below, removable, removable_after_end
from moorage_operator.loops.queue import KeyedQueue
from moorage_operator.loops.records import chain_records, readable, record_ref
from moorage_operator.loops.status_writer import DeploymentStatusWriter
from moorage_operator.loops.surroundings import Surroundings
from moorage_operator.loops.worker import RefusedError
from moorage_operator.loops.world import Chain

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
        per_second: at most so many records are removed in a second.
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
        for sequence in going:
            await self._remove(namespace, uid, sequence)
            await asyncio.sleep(self._pause)
        return None

    async def _raise_floor(self, chain: Chain, floor: int) -> None:
        if chain.progress.floor_sequence >= floor:
            return
        deployment = chain.deployment
        oldest = readable(await self._store.get(record_ref(deployment.namespace, deployment.uid, floor)))
        if oldest is None:
            message = (
                f"record {floor} of {deployment.namespace}/{deployment.name} is spoiled; nothing before it is removed"
            )
            raise RefusedError(message)
        raised = replace(chain.progress, floor_sequence=floor, floor_hash=oldest.previous_hash)
        self._world.advance(chain, raised)
        await self._statuses.step(deployment.uid)
        if int((chain.status().get("history") or {}).get("floorSequence") or 1) < floor:
            message = "the status does not say yet where the history begins"
            raise UnavailableError(message)

    async def _remove(self, namespace: str, uid: str, sequence: int) -> None:
        ref = record_ref(namespace, uid, sequence)
        try:
            raw = await self._store.get(ref)
            _history_log.info("record removed by retention", extra={"fields": {"record": _lasting(raw)}})
            await self._store.delete(ref, uid=metadata(raw)["uid"])
        except (NotFoundError, ConflictError):
            return


def _lasting(raw: RawObject) -> RawObject:
    """The record without what only matters while it is stored."""
    meta = {key: value for key, value in metadata(raw).items() if key not in {"managedFields", "generation"}}
    return {"metadata": meta, "spec": raw.get("spec")}
