"""Notices that the watches are dead although the process lives, and ends it: Kubernetes then starts a new one.

Two signs: a watch is silent, or a change has been unrecorded for a minute while nobody works on it. A watch is silent
while a list shows something that it has not delivered, and it delivers nothing else either: one that is still busy with
ten thousand objects after a start is alive, and so is one in a cluster where nothing happens. A minute of silence is
confirmed with a read before it counts.
"""

import asyncio
from typing import Any, Final

from moorage_crds import names
from moorage_crds.identifiers import BindingName, EnvironmentSlug, InvalidIdentifierError, NamespaceName
from moorage_crds.objects import metadata
from moorage_crds.store import NotFoundError, ObjectRef, StoreError
from moorage_operator.dispatch import Intake
from moorage_operator.facts import Finding
from moorage_operator.memory.world import ObjectKey
from moorage_operator.work.context import Surroundings
from moorage_operator.work.queue import KeyedQueue
from moorage_operator.work.worker import lost_replies_as_errors

#: Seconds between two looks, and after which something that did not arrive or was not done means death.
LOOK_SECONDS: Final = 5.0
LIMIT_SECONDS: Final = 60.0
#: Kinds whose watches are compared with lists. Every sweep reads Namespaces again, which is enough for them.
COMPARED: Final = (names.DEPLOYMENTS, names.ENVIRONMENTS)


class DeadWatchError(Exception):
    """The watches deliver nothing any more."""


class Watchdog:
    """Looks every few seconds; `looked_at` is the proof that the event loop runs."""

    def __init__(self, around: Surroundings, intake: Intake, *, recorder_queue: KeyedQueue[str]) -> None:
        self._store = around.store
        self._world = around.world
        self._measures = around.measures
        self._clock = around.clock
        self._intake = intake
        self._queue = recorder_queue
        self.looked_at = around.clock.monotonic()

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            DeadWatchError: the process should end.
        """
        while True:
            self.looked_at = self._clock.monotonic()
            if self._intake.is_open:
                await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """One look.

        Raises:
            DeadWatchError: see above.
        """
        overdue = self._clock.monotonic() - LIMIT_SECONDS
        silent = {plural for plural in COMPARED if self.silent_seconds(plural) > LIMIT_SECONDS}
        for key in [key for key, since in self._world.unseen.items() if key.plural in silent and since < overdue]:
            if await self._is_there(key):
                self._measures.found(Finding.UNSEEN)
                message = (
                    f"the watch has delivered nothing for {LIMIT_SECONDS:.0f} s, "
                    f"not even {key.plural} {key.namespace}/{key.name}, which is there"
                )
                raise DeadWatchError(message)
        forgotten = [uid for uid in self._world.unrecorded if self._is_forgotten(uid, overdue)]
        if forgotten and self._queue.settled:
            message = f"{len(forgotten)} bindings have been unrecorded for {LIMIT_SECONDS:.0f} s, with nobody at work"
            raise DeadWatchError(message)

    def silent_seconds(self, plural: str) -> float:
        """For how long the watch of a kind has delivered nothing although a list shows what it should; 0: it has not.

        Bookmarks never reach us, so a quiet watch cannot be told from a dead one by its own events alone.
        """
        # In the order of their first sight: the first one is the oldest.
        oldest = next((since for key, since in self._world.unseen.items() if key.plural == plural), None)
        if oldest is None:
            return 0.0
        return self._clock.monotonic() - max(oldest, self._intake.last_event.get(plural, oldest))

    def _is_forgotten(self, uid: str, overdue: float) -> bool:
        chain = self._world.chains[uid]
        waits = chain.state.homeless or chain.trouble is not None or uid in self._queue
        return bool(chain.arrivals) and not waits and chain.arrivals[0].monotonic < overdue

    async def _is_there(self, key: ObjectKey) -> bool:
        """Whether that very object exists; if not, it went while nobody looked, and the loops are told."""
        try:
            with lost_replies_as_errors():
                raw = await self._store.get(_ref(key))
        except NotFoundError:
            self._gone(key)
            return False
        except (StoreError, InvalidIdentifierError):
            return False
        if metadata(raw).get("uid") != key.uid:
            self._gone(key)
            return False
        return key in self._world.unseen

    def _gone(self, key: ObjectKey) -> None:
        self._world.unseen.pop(key, None)
        self._measures.found(Finding.GHOST)
        chain = self._world.chains.get(key.uid)
        if chain is not None:
            self._intake.deployment_gone(chain)
        known: Any = self._world.environments.get((key.namespace, key.name))
        if key.plural == names.ENVIRONMENTS and known is not None and known.environment.uid == key.uid:
            self._intake.environment_gone(known.environment)


def _ref(key: ObjectKey) -> ObjectRef:
    namespace = NamespaceName.parse(key.namespace)
    if key.plural == names.ENVIRONMENTS:
        return ObjectRef(key.plural, namespace, EnvironmentSlug.parse(key.name))
    return ObjectRef(key.plural, namespace, BindingName.parse(key.name))
