"""Brings releases into targets that ask for it: by server-side apply, the declared fields and nothing else.

Another field manager is never overruled. Where one owns the field, ours becomes a second owner of the present value,
so that its owner has only to leave the field out to hand it over; until then the rollout says who is in the way.

What memory says is asked for again before each write, because the watches that fed it may lag: the binding, and the
Environment where the target is of another Namespace. So no release is written over one that came after it.
"""

import logging
from typing import Final

from moorage_crds import names
from moorage_crds.identifiers import ClusterObjectName, NamespaceName
from moorage_crds.kinds.deployment import Deployment
from moorage_crds.kinds.target import MANAGER_DELIVERY
from moorage_crds.objects import version_of
from moorage_crds.store import ConflictError, ForbiddenError, InvalidError, NotFoundError, ObjectRef
from moorage_operator.delivery import decisions
from moorage_operator.facts import Target
from moorage_operator.memory.chain import Chain
from moorage_operator.memory.targets import TargetKey
from moorage_operator.statuses.writers import followers
from moorage_operator.work.context import Surroundings
from moorage_operator.work.inquiry import Inquiry
from moorage_operator.work.queue import KeyedQueue
from moorage_operator.work.worker import RefusedError

#: Until the next look at a target that was changed by somebody while it was to be written. Seconds.
MOVED_SECONDS: Final = 1.0
#: Of what the API server says in a refusal, in characters.
_MOST: Final = 300

_log = logging.getLogger(__name__)


class Carrier:
    """Writes targets. `queue` holds their keys.

    Args:
        around: the cluster and what is known of it.
        inquiry: asks the cluster before a write.
        queue: keys of targets.
        writes: the kinds that may be written, as `<plural>.<group>`.
    """

    def __init__(
        self, around: Surroundings, inquiry: Inquiry, queue: KeyedQueue[TargetKey], writes: frozenset[str]
    ) -> None:
        self._store = around.store
        self._world = around.world
        self._leadership = around.leadership
        self._targets = around.targets
        self._inquiry = inquiry
        self._writes = writes
        self.queue = queue

    def hears(self, chain: Chain) -> None:
        """A binding, or what follows it, has changed."""
        if not self._writes:
            return
        for target in followers(self._world, self._targets, chain.deployment) or ():
            if self._lacks(target, chain):
                self.queue.put(target.key)

    def recorded(self, chain: Chain) -> None:
        """A change of a binding is in the history, of which no watch may have told."""
        if self._leadership.acts:
            self.hears(chain)

    async def step(self, key: TargetKey) -> float | None:
        """Bring the present release into one target, if it lacks it; seconds until the next look, if it moved.

        Raises:
            StoreError: try again.
            RefusedError: the cluster no longer has what memory says should be brought in.
        """
        # The version that is written is of a time before the question, see `inquiry`.
        target = self._targets.get(key)
        if target is None or not self._leadership.acts or self._due(target) is None:
            return None
        stored = await self._inquiry.deployment(*target.binding)
        if stored is None:
            message = f"there is no binding {'/'.join(target.binding)} any more; no watch has told of that yet"
            raise RefusedError(message)
        if not await self._is_allowed(target, stored):
            return None
        chain = self._due(target, uid=stored.uid)
        if chain is not None and await self._write(target, chain):
            return None
        # Nobody tells of a version of a target that differs in nothing that is read here.
        return MOVED_SECONDS if chain is not None or self._targets.get(key) != target else None

    async def _is_allowed(self, target: Target, stored: Deployment) -> bool:
        """Whether the Environment still names the Namespace of the target, if that is another one than its own."""
        if target.namespace == stored.namespace:
            return True
        environment = await self._inquiry.environment((stored.namespace, stored.environment))
        if environment is None:
            place = f"{stored.namespace}/{stored.environment}"
            message = f"there is no Environment {place} any more that could allow {target.namespace}"
            raise RefusedError(message)
        return target.namespace in environment.delivery_namespaces

    def _due(self, target: Target, *, uid: str | None = None) -> Chain | None:
        """What memory says should be brought in, of that binding or of any that has, or had, its place."""
        for chain in self._world.at(*target.binding):
            among = followers(self._world, self._targets, chain.deployment) or ()
            is_meant = uid is None or chain.deployment.uid == uid
            if is_meant and target in among and self._lacks(target, chain):
                return chain
        return None

    def _lacks(self, target: Target, chain: Chain) -> bool:
        if target.resource not in self._writes or chain.arrivals or self._is_going(chain):
            return False
        release = chain.progress.release or ""
        return decisions.lacks(target, release=release, deployment_id=_change(chain))

    def _is_going(self, chain: Chain) -> bool:
        """Nothing is brought in any more for what is gone, or is on its way out."""
        workspace = self._world.workspaces.get(chain.deployment.namespace)
        is_left = workspace is not None and workspace.deleting
        return chain.deleted_at is not None or chain.deployment.deleting or is_left

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
