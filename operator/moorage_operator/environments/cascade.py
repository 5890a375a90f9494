"""After an Environment is gone: its Deployments are undeployed in the operator's own name, recorded, then deleted.

No finalizer and no ownerReference does this, because objects that people apply must not carry either; so it is looked
at again whenever something about such a Deployment changes, and in every sweep.
"""

import logging
from collections.abc import Callable
from typing import Final

from moorage_crds import names
from moorage_crds.identifiers import EnvironmentSlug, NamespaceName
from moorage_crds.store import ConflictError, ForbiddenError, InvalidError, NotFoundError, ObjectRef
from moorage_operator.environments.decisions import CascadeFacts, CascadeStep, cascade_step, undeploy_patch
from moorage_operator.memory.chain import Chain
from moorage_operator.work.context import Surroundings
from moorage_operator.work.queue import KeyedQueue
from moorage_operator.work.worker import RefusedError

#: Who replaces an Environment by force deletes it and makes it again: so long its bindings wait for the successor.
GRACE_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class Cascade:
    """Removes Deployments of Environments that are gone. `queue` holds their uids; `request_id` makes new ones."""

    def __init__(self, around: Surroundings, *, queue: KeyedQueue[str], request_id: Callable[[], str]) -> None:
        self._store = around.store
        self._world = around.world
        self._leadership = around.leadership
        self._request_id = request_id
        self.queue = queue

    def concerns(self, chain: Chain) -> bool:
        """The Environment of this binding is gone, and the binding belonged to it."""
        return self._step(chain) is not CascadeStep.NONE

    def offer(self, chain: Chain) -> None:
        """Look at this Deployment."""
        self.queue.put(chain.deployment.uid)

    def _step(self, chain: Chain) -> CascadeStep:
        facts = CascadeFacts(
            deployment=chain.deployment,
            environment_exists=self._world.environment_uid(chain.environment) is not None,
            outlived=self._world.outlived(chain),
            up_to_date=not chain.arrivals and chain.deployment.recorded >= chain.deployment.logged,
        )
        return cascade_step(facts)

    async def step(self, uid: str) -> float | None:
        """Take the next step with one Deployment; seconds until the next look, if it is too early for that.

        Raises:
            StoreError: try again.
            RefusedError: a lock or a policy of others is in the way.
        """
        chain = self._world.chains.get(uid)
        if chain is None or chain.deleted_at is not None or not self._leadership.acts:
            return None
        step = self._step(chain)
        if step in {CascadeStep.NONE, CascadeStep.WAIT}:
            return None
        missing = self._world.missing_seconds(chain.environment)
        if missing < GRACE_SECONDS:
            return GRACE_SECONDS - missing
        if await self._environment_lives(chain):
            return None
        try:
            await self._take(step, chain)
        except (NotFoundError, ConflictError):
            # It is gone, or it changed meanwhile: the event that says so brings it back here.
            return None
        except (ForbiddenError, InvalidError) as error:
            raise RefusedError(str(error)) from error
        return None

    async def _environment_lives(self, chain: Chain) -> bool:
        """Ask the API server itself: nothing is removed on the word of a watch."""
        namespace, slug = chain.environment
        ref = ObjectRef(names.ENVIRONMENTS, NamespaceName.parse(namespace), EnvironmentSlug.parse(slug))
        try:
            await self._store.get(ref)
        except NotFoundError:
            return False
        return True

    async def _take(self, step: CascadeStep, chain: Chain) -> None:
        deployment = chain.deployment
        if step is CascadeStep.UNDEPLOY:
            await self._store.merge_patch(chain.ref, undeploy_patch(deployment, request_id=self._request_id()))
        else:
            await self._store.delete(chain.ref, uid=deployment.uid, resource_version=deployment.resource_version)
        fields = {"namespace": deployment.namespace, "name": deployment.name, "step": step.name.lower()}
        _log.info("the Environment is gone", extra={"fields": fields})
