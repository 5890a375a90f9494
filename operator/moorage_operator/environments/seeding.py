"""Keeps the default environments in workspaces whose label asks for them."""

import logging

from moorage_crds import names
from moorage_crds.identifiers import NamespaceName
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.store import AlreadyExistsError, ForbiddenError, InvalidError, NotFoundError
from moorage_operator.environments.decisions import missing_defaults, to_environment
from moorage_operator.work.context import Surroundings
from moorage_operator.work.queue import KeyedQueue
from moorage_operator.work.worker import RefusedError

_log = logging.getLogger(__name__)


class Seeding:
    """Creates default environments that are missing. `queue` holds names of Namespaces."""

    def __init__(self, around: Surroundings, *, queue: KeyedQueue[str]) -> None:
        self._store = around.store
        self._world = around.world
        self._leadership = around.leadership
        self.queue = queue

    def offer(self, workspace: Workspace) -> None:
        """Look at this workspace, if it may need something."""
        if self._leadership.acts and workspace.seeded and not workspace.deleting:
            self.queue.put(workspace.namespace)

    async def step(self, namespace: str) -> float | None:
        """Create what is missing in one Namespace.

        Raises:
            StoreError: try again.
            RefusedError: a quota or a policy of others is in the way.
        """
        workspace = self._world.workspaces.get(namespace)
        if workspace is None or not self._leadership.acts:
            return None
        for slug in missing_defaults(workspace, self._world.slugs(namespace)):
            try:
                await self._store.create(
                    names.ENVIRONMENTS, NamespaceName.parse(namespace), to_environment(namespace, slug)
                )
            except AlreadyExistsError:
                continue
            except NotFoundError:
                return None
            except (ForbiddenError, InvalidError) as error:
                raise RefusedError(str(error)) from error
            _log.info("default environment created", extra={"fields": {"namespace": namespace, "environment": slug}})
        return None
