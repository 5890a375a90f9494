"""Change log entries → DeploymentRecords: one immutable object per change, in the order of the chain.

Fed by `intake` and the sweep through a keyed queue. One record after the other in a chain, different chains at once.
A record's name is its place in the chain, so that writing it twice is impossible: "it exists" is an answer, and what
exists is compared, never overwritten.
"""

import logging
from collections.abc import Callable
from typing import Final

from moorage_crds import names
from moorage_crds.identifiers import ClusterObjectName, NamespaceName
from moorage_crds.kinds.deployment import Action, Change
from moorage_crds.kinds.record import Record, genesis_hash, spec_hash, to_object
from moorage_crds.moments import parse, to_text
from moorage_crds.objects import metadata
from moorage_crds.stamps import Bounds
from moorage_crds.store import (
    AlreadyExistsError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ObjectRef,
)
from moorage_operator.facts import Finding, Trouble
from moorage_operator.history import decisions as history
from moorage_operator.history.decisions import Due
from moorage_operator.history.record_lookup import record_ref, to_record
from moorage_operator.memory.chain import Chain
from moorage_operator.memory.chain_state import HasHome, Recorded, Stalled
from moorage_operator.memory.notices import Notice
from moorage_operator.statuses.writers import DeploymentStatusWriter, EnvironmentStatusWriter
from moorage_operator.work.context import Surroundings
from moorage_operator.work.queue import KeyedQueue
from moorage_operator.work.worker import RefusedError

#: Seconds after which the other replica records what the holder of the Lease has not recorded.
STANDBY_SECONDS: Final = 2.0
#: With this many recorded changes that the status does not count yet, it is written at once: readers must not wait.
MAX_STATUS_LAG: Final = 8

_log = logging.getLogger(__name__)


class Recorder:
    """Makes the records that are due.

    Args:
        around: the cluster and what is known of it.
        statuses: told what was recorded.
        environments: told what became active.
        queue: uids of Deployments to look at.
    """

    def __init__(
        self,
        around: Surroundings,
        *,
        statuses: DeploymentStatusWriter,
        environments: EnvironmentStatusWriter,
        queue: KeyedQueue[str],
    ) -> None:
        self._store = around.store
        self._world = around.world
        self._leadership = around.leadership
        self._measures = around.measures
        self._clock = around.clock
        self._notices = around.notices
        self._outbox = around.outbox
        self._statuses = statuses
        self._environments = environments
        self.queue = queue
        #: Told of every change that has its record.
        self.told: Callable[[Chain], None] = lambda _chain: None

    def offer(self, chain: Chain) -> None:
        """Something of this chain is due: look at it, at once or when the other replica has had its time."""
        self.queue.put(chain.deployment.uid, self._patience(chain))

    async def step(self, uid: str) -> float | None:
        """Record everything that is due in one chain; seconds until the next look, if it is not our turn yet.

        Raises:
            StoreError: the cluster did not answer as hoped; try again.
            RefusedError: somebody has to change something first.
        """
        chain = self._world.chains.get(uid)
        if chain is None:
            return None
        patience = self._patience(chain)
        if patience > 0:
            return patience
        if await self._has_lost_its_namespace(chain):
            self._world.tell(chain, HasHome(False))
            self._conclude(chain)
            return None
        if chain.incomplete:
            await self._hash_before(chain, chain.progress.sequence + 1)
        while waiting := chain.due():
            if not await self._record_first(chain, waiting):
                break
            self._outbox.has_records(chain.deployment.namespace, uid, chain.progress.sequence)
            await self._tell(chain, waiting[0], last=len(waiting) == 1)
        self._conclude(chain)
        return None

    def _patience(self, chain: Chain) -> float:
        if self._leadership.acts or not chain.arrivals:
            return 0.0
        return chain.arrivals[0].monotonic + STANDBY_SECONDS - self._clock.monotonic()

    async def _record_first(self, chain: Chain, waiting: tuple[Due, ...]) -> bool:
        """Write the first of the due changes; False if there is nowhere to write it any more."""
        bounds = self._bounds(chain)
        change = history.timed(waiting, bounds)
        previous_hash = await self._hash_before(chain, change.sequence)
        body = to_object(history.binding_of(chain.deployment), change, previous_hash=previous_hash)
        namespace = NamespaceName.parse(chain.deployment.namespace)
        try:
            await self._store.create(names.RECORDS, namespace, body)
        except AlreadyExistsError:
            await self._accept_existing(chain, change, waiting, bounds=bounds, previous_hash=previous_hash)
            return True
        except (NotFoundError, ForbiddenError, InvalidError) as error:
            if await self._namespace_is_going(chain):
                self._world.tell(chain, HasHome(False))
                _log.info("the Namespace goes, nothing more to record", extra={"fields": _fields(chain, change)})
                return False
            raise self._stalled(chain, change, Trouble.REFUSED, str(error)) from error
        self._world.tell(chain, Recorded(history.advanced(chain.progress, change, body["spec"]["hash"])))
        self._count(chain, change)
        self._notices.put(Notice(chain.deployment, change))
        return True

    def _bounds(self, chain: Chain) -> Bounds:
        first = chain.arrivals[0] if chain.arrivals else None
        return Bounds(
            created_at=chain.deployment.created_at,
            after=history.latest_time(chain.progress),
            seen_at=first.seen_at if first else to_text(self._clock.now()),
            absent_at=first.absent_at if first else None,
        )

    async def _hash_before(self, chain: Chain, sequence: int) -> str:
        """The hash that the record `sequence` has to name as its predecessor."""
        progress = chain.progress
        if sequence == 1:
            return genesis_hash(history.binding_of(chain.deployment))
        if progress.sequence == sequence - 1 and progress.tip_hash is not None and progress.last is not None:
            return progress.tip_hash
        try:
            before = to_record(await self._store.get(_ref(chain, sequence - 1)))
        except NotFoundError:
            before = None
        if before is None or not _is_at(before, chain, sequence - 1):
            # Somebody removed or spoiled it. The chain continues from the last known hash; `verify` shows the gap.
            fields = _fields(chain, None) | {"sequence": sequence - 1}
            _log.error("the record before is missing or spoiled", extra={"fields": fields})
            self._measures.found(Finding.MISSING_RECORD)
            return progress.tip_hash or genesis_hash(history.binding_of(chain.deployment))
        if before.change.sequence >= progress.sequence:
            self._world.tell(chain, Recorded(history.resumed(before, progress)))
        return before.hash

    async def _accept_existing(
        self, chain: Chain, change: Change, waiting: tuple[Due, ...], *, bounds: Bounds, previous_hash: str
    ) -> None:
        """The record is there: take its word if it is the one that we would have written."""
        raw = await self._store.get(_ref(chain, change.sequence))
        stored = to_record(raw)
        # Continuing from another number than that of its name would skip changes for good.
        if stored is None or spec_hash(raw["spec"]) != stored.hash or not _is_at(stored, chain, change.sequence):
            raise self._stalled(chain, change, Trouble.CONFLICT, f"record {change.sequence} is not what it says it is")
        problem = None
        if waiting[0].stamped:
            problem = history.difference(stored, change, waiting=waiting, bounds=bounds, previous_hash=previous_hash)
        if problem is not None:
            raise self._stalled(chain, change, Trouble.CONFLICT, f"record {stored.name} {problem}")
        # A number that is not in the log belongs to the first writer; what is still due is computed again from there.
        self._world.tell(chain, Recorded(history.resumed(stored, chain.progress)))

    async def _has_lost_its_namespace(self, chain: Chain) -> bool:
        """There is nowhere to record what is due.

        As long as the Deployment is there the memory decides: nothing can be created in a Namespace that is being
        deleted, so asking would cost two requests each. A Deployment that is gone may have gone with its Namespace,
        and the one that is there now may be another one.
        """
        workspace = self._world.workspaces.get(chain.deployment.namespace)
        if workspace is not None and workspace.deleting:
            return True
        return chain.deleted_at is not None and bool(chain.arrivals) and await self._namespace_is_going(chain)

    async def _namespace_is_going(self, chain: Chain) -> bool:
        """The Namespace in which the Deployment is, or was, is being deleted or gone."""
        ref = ObjectRef(names.NAMESPACES, None, ClusterObjectName.parse(chain.deployment.namespace))
        try:
            meta = metadata(await self._store.get(ref))
        except NotFoundError:
            return True
        is_younger = str(meta.get("creationTimestamp", "")) > chain.deployment.created_at
        return "deletionTimestamp" in meta or (chain.deleted_at is not None and is_younger)

    def _stalled(self, chain: Chain, change: Change, trouble: Trouble, why: str) -> RefusedError:
        if chain.trouble is not trouble:
            self._world.tell(chain, Stalled(trouble))
            self._statuses.mark(chain.deployment.uid)
            self._measures.found(trouble.value)
            _log.error("a change cannot be recorded", extra={"fields": _fields(chain, change) | {"why": why}})
        return RefusedError(why)

    async def _tell(self, chain: Chain, recorded: Due, *, last: bool) -> None:
        uid = chain.deployment.uid
        self.told(chain)
        self._environments.mark(chain.environment)
        if chain.deleted_at is not None:
            return
        if recorded.change.action is Action.ADOPT:
            # Without a policy the next number is worked out from the status, so it must not lag.
            await self._statuses.step(uid)
        elif chain.progress.sequence - chain.state.written >= MAX_STATUS_LAG:
            self._statuses.mark(uid, at_once=True)
        elif last:
            # While more of the chain is due, its status is soon wrong again.
            self._statuses.mark(uid)

    def _conclude(self, chain: Chain) -> None:
        if chain.deleted_at is not None:
            self._world.forget_chain(chain.deployment.uid)
            self._environments.mark(chain.environment)

    def _count(self, chain: Chain, change: Change) -> None:
        made = parse(change.at) if change.at else self._clock.now()
        lag = (self._clock.now() - made).total_seconds()
        exists = self._world.environment_uid(chain.environment) is not None
        self._measures.recorded(chain.deployment.environment, change, exists=exists, lag_seconds=max(lag, 0.0))
        _log.debug("recorded", extra={"fields": _fields(chain, change)})


def _is_at(stored: Record, chain: Chain, sequence: int) -> bool:
    """Whether a record says the same place in the history as its name, which was taken from the chain."""
    return (stored.binding, stored.change.sequence) == (history.binding_of(chain.deployment), sequence)


def _ref(chain: Chain, sequence: int) -> ObjectRef:
    return record_ref(chain.deployment.namespace, chain.deployment.uid, sequence)


def _fields(chain: Chain, change: Change | None) -> dict[str, object]:
    fields: dict[str, object] = {
        "namespace": chain.deployment.namespace,
        "name": chain.deployment.name,
        "uid": chain.deployment.uid,
        "generation": chain.deployment.generation,
    }
    if change is not None:
        fields |= {"sequence": change.sequence, "action": str(change.action), "request_id": change.request_id}
    return fields
