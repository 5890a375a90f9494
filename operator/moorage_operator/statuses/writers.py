"""Coalesced status writes: a dirty set of keys, a whole status for each, nothing written that is there already.

Told by `intake`, the recorder and the sweep. An isolated change is written in the queue's next round; a busy object at
most twice a second, and less often while the API server, which is the bottleneck of everything, is slow to answer.
Each write tests the uid: a late one must not land on a successor of the same name.
"""

import asyncio
import logging
from typing import Final

import orjson

from moorage_crds.clock import Clock
from moorage_crds.kinds.deployment import Deployment
from moorage_crds.moments import to_text
from moorage_crds.store import InvalidError, NotFoundError
from moorage_operator.facts import DeploymentFacts, EnvironmentFacts, Target
from moorage_operator.gates.evidence import Evidence
from moorage_operator.memory.chain import Chain, EnvironmentKey
from moorage_operator.memory.chain_state import StatusSent, StatusStored, packed
from moorage_operator.memory.notices import Notice
from moorage_operator.memory.targets import Targets
from moorage_operator.memory.world import KnownEnvironment, World
from moorage_operator.statuses import delivery
from moorage_operator.statuses.decisions import wanted_deployment_status, wanted_environment_status, went_astray
from moorage_operator.work.context import Surroundings
from moorage_operator.work.queue import KeyedQueue

#: Seconds from an isolated change to its status, and between two statuses of one Deployment: while writes are answered
#: at once, and at most.
DEPLOYMENT_SECONDS: Final = (0.025, 0.5)
MOST_DEPLOYMENT_SECONDS: Final = (0.5, 2.0)
#: Minimum delay before a status write of an object, and between two of them, in multiples of the average duration.
PATIENCE: Final = (5, 50)
#: The same for an Environment, which collects what happens to all of its Deployments.
ENVIRONMENT_SECONDS: Final = (0.2, 1.0)
#: Seconds between two looks at the calendar.
EDGE_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class DeploymentStatusWriter:
    """Keeps the statuses of Deployments true. `queue` holds their uids."""

    def __init__(self, around: Surroundings, evidence: Evidence, queue: KeyedQueue[str]) -> None:
        self._evidence = evidence
        self._store = around.store
        self._world = around.world
        self._clock = around.clock
        self._targets = around.targets
        self._notices = around.notices
        self._usual_seconds = 0.0
        self.queue = queue

    @property
    def seconds(self) -> tuple[float, float]:
        """`DEPLOYMENT_SECONDS`, stretched while the API server is slow."""
        first, between = (
            min(most, max(least, times * self._usual_seconds))
            for least, most, times in zip(DEPLOYMENT_SECONDS, MOST_DEPLOYMENT_SECONDS, PATIENCE, strict=True)
        )
        return first, between

    def mark(self, uid: str, *, at_once: bool = False) -> None:
        """The status of this Deployment may be wrong."""
        chain = self._world.chains.get(uid)
        if chain is not None:
            delay = 0.0 if at_once else _delay(chain.state.written_at, self.seconds, self._clock)
            self.queue.put(uid, delay)

    def wanted(self, chain: Chain) -> dict[str, object] | None:
        """The status that has to be written; None if the stored one is right."""
        stored = chain.status()
        facts = DeploymentFacts(
            deployment=chain.deployment,
            stored=stored,
            progress=chain.progress,
            environment_uid=self._world.environment_uid(chain.environment),
            up_to_date=not chain.arrivals,
            trouble=chain.trouble,
            now=to_text(self._clock.now()),
            targets=followers(self._world, self._targets, chain.deployment),
            evidence=self._evidence.of(chain),
        )
        status = wanted_deployment_status(facts)
        return None if status == stored else status

    async def step(self, uid: str) -> float | None:
        """Write the status of one Deployment if it is wrong."""
        chain = self._world.chains.get(uid)
        if chain is None or chain.deleted_at is not None:
            return None
        status = self.wanted(chain)
        if status is None:
            return None
        why, astray = delivery.failure(chain.status(), status), went_astray(chain.status(), status)
        began = self._clock.monotonic()
        self._world.tell(chain, StatusSent())
        try:
            await self._store.replace_status(chain.ref, uid=uid, status=status)
        except NotFoundError:
            return None
        except InvalidError as error:
            # Another object has this name now, or the other replica is further: both come to us as an event.
            _log.info("status not taken", extra={"fields": {"uid": uid, "error": str(error)}})
            return None
        # The watch may have shown it already: what was stored before is what counts.
        if why is not None and chain.progress.last is not None:
            self._notices.put(Notice(chain.deployment, chain.progress.last, why))
        if astray and chain.progress.last is not None:
            self._notices.put(Notice(chain.deployment, chain.progress.last, astray=True))
        self._world.tell(chain, StatusStored(packed(status)))
        self._usual_seconds += (self._clock.monotonic() - began - self._usual_seconds) / 8
        return None


class EnvironmentStatusWriter:
    """Keeps the statuses of Environments true. `queue` holds their places.

    Args:
        around: the cluster and what is known of it.
        evidence: what is known for the rules of Environments.
        statuses: told of bindings whose evidence is not what it should be.
        queue: places to look at.
    """

    def __init__(
        self,
        around: Surroundings,
        evidence: Evidence,
        statuses: DeploymentStatusWriter,
        queue: KeyedQueue[EnvironmentKey],
    ) -> None:
        self._store = around.store
        self._world = around.world
        self._clock = around.clock
        self._publications = around.publications
        self._evidence = evidence
        self._statuses = statuses
        self._writing: set[EnvironmentKey] = set()
        self._marked_meanwhile: set[EnvironmentKey] = set()
        #: Since when the evidence of a protected Environment waits to be looked at, by the monotonic clock.
        self._waiting: dict[EnvironmentKey, float] = {}
        self.queue = queue

    def evidence_age(self) -> float:
        """For how many seconds the evidence of some protected Environment has been behind; 0: none is."""
        oldest = min(self._waiting.values(), default=None)
        return self._clock.monotonic() - oldest if oldest is not None else 0.0

    def mark(self, key: EnvironmentKey) -> None:
        """The status of this Environment may be wrong, and that of those that take releases from it."""
        self._mark(key)
        for dependent in self._world.dependents(key):
            self._mark(dependent)

    def _mark(self, key: EnvironmentKey) -> None:
        known = self._world.environments.get(key)
        if known is not None and known.environment.protection.is_set:
            self._waiting.setdefault(key, self._clock.monotonic())
        if key in self._writing:
            # The pause begins when this write is answered, which is not known yet.
            self._marked_meanwhile.add(key)
            return
        if known is not None:
            self.queue.put(key, _delay(known.written_at, ENVIRONMENT_SECONDS, self._clock))

    def is_behind(self, known: KnownEnvironment) -> bool:
        """Whether the status or evidence is wrong, or evidence cannot be judged before the history was read."""
        if not self._evidence.is_ready(known):
            return True
        return self.wanted(known) is not None or bool(self._evidence.behind(known))

    def wanted(self, known: KnownEnvironment) -> dict[str, object] | None:
        """The status that has to be written; None if the stored one is right."""
        stored = orjson.loads(known.stored)
        key = (known.environment.namespace, known.environment.name)
        facts = EnvironmentFacts(
            environment=known.environment,
            stored=stored,
            active=self._world.active(key),
            now=to_text(self._clock.now()),
            gates=self._evidence.gates(known, stored),
            published=self._publications.of(key),
            is_left=self._publications.is_left(key, (stored.get("delivery") or {}).get("configMap", "")),
            unlock=self._world.unlock(key),
        )
        status = wanted_environment_status(facts)
        return None if status == stored else status

    async def step(self, key: EnvironmentKey) -> float | None:
        """Write the status of one Environment if it is wrong."""
        known = self._world.environments.get(key)
        if known is None:
            self._waiting.pop(key, None)
            return None
        await self._evidence.prepare(known)
        behind = self._evidence.behind(known)
        for uid in behind:
            self._statuses.mark(uid)
        status = self.wanted(known)
        if status is None:
            if not behind:
                self._waiting.pop(key, None)
            return None
        self._writing.add(key)
        self._marked_meanwhile.discard(key)
        try:
            await self._write(key, known, status)
        finally:
            self._writing.discard(key)
        # What bindings still have to be told comes back as their event, and with it this Environment.
        if key not in self._marked_meanwhile and not behind:
            self._waiting.pop(key, None)
        return ENVIRONMENT_SECONDS[1] if key in self._marked_meanwhile else None

    async def watch_edges(self) -> None:
        """Look at Environments when the calendar closes or opens them; until cancelled."""
        while True:
            await asyncio.sleep(EDGE_SECONDS)
            for key in self._evidence.over():
                self._mark(key)

    async def _write(self, key: EnvironmentKey, known: KnownEnvironment, status: dict[str, object]) -> None:
        known.written_at = self._clock.monotonic()
        try:
            await self._store.replace_status(known.ref, uid=known.environment.uid, status=status)
        except NotFoundError:
            return
        except InvalidError as error:
            _log.info("status not taken", extra={"fields": {"environment": list(key), "error": str(error)}})
            return
        known.stored = packed(status)
        # The watch may have brought a newer view while we waited: the time belongs to what is known now.
        self._world.environments.get(key, known).written_at = self._clock.monotonic()


def followers(world: World, targets: Targets, binding: Deployment) -> tuple[Target, ...] | None:
    """What follows a binding; None while that is not known.

    An object of another Namespace counts if the Environment names that Namespace, so that nobody else can say how a
    release is.
    """
    if not targets.complete:
        return None
    found = targets.following((binding.namespace, binding.name))
    if not found:
        return ()
    known = world.environments.get((binding.namespace, binding.environment))
    allowed = {binding.namespace, *(known.environment.delivery_namespaces if known is not None else ())}
    return tuple(target for target in found if target.namespace in allowed)


def _delay(written_at: float, seconds: tuple[float, float], clock: Clock) -> float:
    leading, pause = seconds
    if written_at == 0.0:
        return leading
    return max(leading, written_at + pause - clock.monotonic())
