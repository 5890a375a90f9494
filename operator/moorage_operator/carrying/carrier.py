"""Brings releases into targets that ask for it: by server-side apply, the declared fields and nothing else.

Another field manager is never overruled. Where one owns the field, ours becomes a second owner of the present value,
so that its owner has only to leave the field out to hand it over; until then the rollout says who is in the way.
"""

import logging
from typing import Final

from moorage_crds import names
from moorage_crds.identifiers import ClusterObjectName, NamespaceName
from moorage_crds.kinds.target import MANAGER_DELIVERY
from moorage_crds.objects import version_of
from moorage_crds.store import ConflictError, ForbiddenError, InvalidError, NotFoundError, ObjectRef
from moorage_operator.delivery import decisions
from moorage_operator.facts import Target
from moorage_operator.memory.chain import Chain
from moorage_operator.memory.targets import TargetKey
from moorage_operator.statuses.writers import followers
from moorage_operator.work.context import Surroundings
from moorage_operator.work.queue import KeyedQueue

#: Until the next look at a target that was changed by somebody while it was to be written. Seconds.
MOVED_SECONDS: Final = 1.0
#: Of what the API server says in a refusal, in characters.
_MOST: Final = 300

_log = logging.getLogger(__name__)


class Carrier:
    """Writes targets. `queue` holds their keys.

    Args:
        around: the cluster and what is known of it.
        queue: keys of targets.
        writes: the kinds that may be written, as `<plural>.<group>`.
    """

    def __init__(self, around: Surroundings, queue: KeyedQueue[TargetKey], writes: frozenset[str]) -> None:
        self._store = around.store
        self._world = around.world
        self._targets = around.targets
        self._writes = writes
        self.queue = queue

    def hears(self, chain: Chain) -> None:
        """A binding, or what follows it, has changed."""
        if not self._writes:
            return
        for target in followers(self._world, self._targets, chain.deployment) or ():
            if self._lacks(target, chain):
                self.queue.put(target.key)

    async def step(self, key: TargetKey) -> float | None:
        """Bring the present release into one target, if it lacks it; seconds until the next look, if it moved."""
        target = self._targets.get(key)
        if target is None:
            return None
        for chain in self._world.at(*target.binding):
            among = followers(self._world, self._targets, chain.deployment) or ()
            if target in among and self._lacks(target, chain):
                return None if await self._write(target, chain) else MOVED_SECONDS
        return None

    def _lacks(self, target: Target, chain: Chain) -> bool:
        if target.resource not in self._writes or chain.arrivals or chain.deleted_at is not None:
            return False
        release = chain.progress.release or ""
        return decisions.lacks(target, release=release, deployment_id=_change(chain))

    async def _write(self, target: Target, chain: Chain) -> bool:
        """Whether this very version of the target has its answer: it carries the release, or is known to refuse it."""
        change, release = _change(chain), chain.progress.release or ""
        ref = ObjectRef(target.resource, NamespaceName.parse(target.namespace), ClusterObjectName.parse(target.name))
        body = decisions.applied(target, release=release, deployment_id=change)
        try:
            await self._store.apply(ref, body, manager=MANAGER_DELIVERY)
        except NotFoundError:
            return True
        except ConflictError as error:
            return await self._share(ref, target, change, error.message)
        except (ForbiddenError, InvalidError) as error:
            return self._refused(target, change, f"the release cannot be brought in: {error.message}")
        return True

    async def _share(self, ref: ObjectRef, target: Target, change: str, why: str) -> bool:
        """Own the fields as they are beside their owner; a second conflict says that the target is a newer one."""
        try:
            stored = await self._store.apply(ref, decisions.present(target), manager=MANAGER_DELIVERY)
        except (ConflictError, NotFoundError):
            return False
        except (ForbiddenError, InvalidError) as error:
            return self._refused(target, change, f"the release cannot be brought in: {error.message}")
        sentence = f"somebody else owns a field that the release decides: {why}"
        return self._refused(target, change, sentence, also=version_of(stored))

    def _refused(self, target: Target, change: str, why: str, *, also: str = "") -> bool:
        text = " ".join(why.split())
        text = text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
        _log.info("target not written", extra={"fields": {"target": list(target.key), "why": text}})
        return self._targets.refuse(target, change, text, also=also)


def _change(chain: Chain) -> str:
    return names.record_name(chain.deployment.uid, chain.progress.sequence)
