"""Tells of changes by Events of Kubernetes on their bindings (`kubectl describe mdep`, `kubectl get events`).

Only what this process has recorded itself is told, so a restart repeats nothing. Events are for people who watch: one
that cannot be made is dropped, and the history has everything.
"""

import logging
from typing import Final

from moorage_crds import names
from moorage_crds.identifiers import EnvironmentSlug, NamespaceName
from moorage_crds.objects import RawObject, metadata
from moorage_crds.store import (
    AlreadyExistsError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ObjectRef,
    StoreError,
)
from moorage_operator.memory.notices import Notice
from moorage_operator.notices.decisions import events
from moorage_operator.work.context import Surroundings
from moorage_operator.work.queue import KeyedQueue

#: Seconds within which all changes of one binding make one Event.
TOGETHER_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Teller:
    """Creates Events. `queue` holds uids of bindings.

    Args:
        around: the cluster and what waits to be told.
        queue: uids of bindings.
        enabled: whether anything is told.
    """

    def __init__(self, around: Surroundings, queue: KeyedQueue[str], *, enabled: bool) -> None:
        self._store = around.store
        self._clock = around.clock
        self._notices = around.notices
        self._enabled = enabled
        self.queue = queue
        around.notices.arrived = self._arrived

    def _arrived(self, uid: str) -> None:
        if self._enabled:
            self.queue.put(uid, TOGETHER_SECONDS)
        else:
            self._notices.take(uid)

    async def step(self, uid: str) -> None:
        """Tell what waits of one binding.

        Raises:
            StoreError: the API server did not answer; the waiting notices stay queued.
        """
        notices = self._notices.take(uid)
        try:
            told = [notice for notice in notices if not notice.astray or await self._is_astray(notice)]
            for event in events(told, self._clock.now()):
                await self._create(event)
        except StoreError:
            self._notices.give_back(uid, notices)
            raise

    async def _is_astray(self, notice: Notice) -> bool:
        """Whether it is so still: a tool may have applied the Environment a moment after the binding."""
        place = NamespaceName.parse(notice.binding.namespace)
        slug = EnvironmentSlug.parse(notice.binding.environment)
        try:
            await self._store.get(ObjectRef(names.ENVIRONMENTS, place, slug))
        except NotFoundError:
            return True
        return False

    async def _create(self, event: RawObject) -> None:
        meta = metadata(event)
        try:
            await self._store.create(names.EVENTS, NamespaceName.parse(meta["namespace"]), event)
        except AlreadyExistsError:
            pass
        except (ForbiddenError, InvalidError, NotFoundError) as error:
            _log.info("event not made", extra={"fields": {"event": meta["name"], "error": str(error)}})
