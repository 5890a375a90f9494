"""Has tools look again at once when a release has changed, instead of at their next round.

Each tool has an annotation of its own for that; nothing else of the object is written. Many releases together are one
look, and after the last of them there is one more: the first may have met a facade that had not heard of it.
"""

import logging

from moorage_crds.identifiers import ClusterObjectName, NamespaceName
from moorage_crds.kinds.refresh import LABEL_REFRESH, REFRESH_ANNOTATIONS, Followed
from moorage_crds.store import ConflictError, ForbiddenError, InvalidError, NotFoundError, ObjectRef, StoreError
from moorage_operator.facts import Refreshable
from moorage_operator.memory.chain import Chain
from moorage_operator.memory.refreshables import RefreshableKey
from moorage_operator.refreshing.decisions import AFTER, Stage, patience
from moorage_operator.work.context import Surroundings
from moorage_operator.work.queue import KeyedQueue

_log = logging.getLogger(__name__)


class Refresher:
    """Asks tools to look. `queue` holds the keys of the objects.

    Args:
        around: the cluster and what is known of it.
        queue: keys of objects that ask to be told.
    """

    def __init__(self, around: Surroundings, queue: KeyedQueue[RefreshableKey]) -> None:
        self._store = around.store
        self._world = around.world
        self._clock = around.clock
        self._known = around.refreshables
        self._told: dict[str, int] = {}
        self._stages: dict[RefreshableKey, Stage] = {}
        self.queue = queue

    def hears(self, chain: Chain) -> None:
        """A binding may have changed: its followers are told once of each recorded change."""
        uid, sequence = chain.deployment.uid, chain.progress.sequence
        if not self._known or sequence == 0 or self._told.get(uid) == sequence:
            return
        self._told[uid] = sequence
        for one in self._followers(chain):
            delay = patience(self._stages.get(one.key))
            self._stages[one.key] = Stage.ASK
            self.queue.put(one.key, delay)

    def recorded(self, chain: Chain) -> None:
        """A change of a binding is in the history; also the last one of a binding that is gone."""
        self.hears(chain)
        if chain.deleted_at is not None:
            self._told.pop(chain.deployment.uid, None)

    async def step(self, key: RefreshableKey) -> float | None:
        """Ask for one object, if that is due; seconds until the next look."""
        known, stage = self._known.get(key), self._stages.get(key)
        if known is None or stage is None or stage is Stage.REST:
            self._stages.pop(key, None)
            return None
        following, delay = AFTER[stage]
        self._stages[key] = following
        try:
            asked = await self._ask(known)
        except StoreError:
            self._stages[key] = Stage.ASK
            raise
        if not asked:
            del self._stages[key]
            return None
        # A release that came while we asked has a time of its own in the queue.
        return delay if self._stages[key] is following else None

    async def _ask(self, known: Refreshable) -> bool:
        annotation, value = REFRESH_ANNOTATIONS[known.resource]
        ref = ObjectRef(known.resource, NamespaceName.parse(known.namespace), ClusterObjectName.parse(known.name))
        path = f"/metadata/annotations/{annotation.replace('/', '~1')}"
        text = value or self._clock.now().isoformat().replace("+00:00", "Z")
        try:
            # Its owner may have taken the label away, of which no watch has told yet.
            tests = {"/metadata/uid": known.uid, f"/metadata/labels/{LABEL_REFRESH.replace('/', '~1')}": "true"}
            await self._store.guarded_patch(ref, tests=tests, values={path: text})
        except (NotFoundError, ConflictError):
            return False
        except (ForbiddenError, InvalidError) as error:
            _log.warning("object not refreshed", extra={"fields": {"object": list(known.key), "why": str(error)}})
            return False
        return True

    def _followers(self, chain: Chain) -> list[Refreshable]:
        """What follows a binding; of another Namespace only what the Environment names, as with targets."""
        binding = chain.deployment
        known = self._world.environments.get((binding.namespace, binding.environment))
        allowed = {binding.namespace, *(known.environment.delivery_namespaces if known is not None else ())}
        places = (
            Followed(binding.namespace),
            Followed(binding.namespace, binding.environment),
            Followed(binding.namespace, binding.environment, binding.name),
        )
        return [one for one in self._known.following(places) if one.namespace in allowed]
