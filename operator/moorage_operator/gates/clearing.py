"""Removes Approvals that have no effect any more: used up, ended, or of an Environment that is gone. Told by the sweep.

What each of them said goes into the log of the history before it goes, like records that retention removes.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta

from moorage_crds import names
from moorage_crds.identifiers import EnvironmentSlug, NamespaceName
from moorage_crds.kinds.approval import Approval
from moorage_crds.process.telemetry import HISTORY_LOGGER
from moorage_crds.store import ConflictError, NotFoundError, ObjectRef
from moorage_operator.gates.decisions import BindingNow, is_spent
from moorage_operator.gates.evidence import bindings_of
from moorage_operator.memory.chain import EnvironmentKey
from moorage_operator.work.context import Surroundings
from moorage_operator.work.queue import KeyedQueue

_history_log = logging.getLogger(HISTORY_LOGGER)


class Clearing:
    """Keeps the Approvals of a workspace to those that count. `queue` holds their uids.

    Args:
        around: the cluster and what is known of it.
        kept: how long an Approval is kept at least after it was given.
        queue: Approvals to look at.
    """

    def __init__(self, around: Surroundings, *, kept: timedelta, queue: KeyedQueue[str]) -> None:
        self._store = around.store
        self._world = around.world
        self._leadership = around.leadership
        self._clock = around.clock
        self._kept = kept
        self.queue = queue

    def look(self) -> None:
        """Put what may go into the queue. Each Environment is looked at once, however many Approvals it has."""
        bindings: dict[EnvironmentKey, Mapping[str, BindingNow]] = {}
        for rule in self._world.rules.all(names.APPROVALS):
            given: Approval = rule.view
            key = (given.namespace, given.environment)
            if key not in bindings:
                bindings[key] = bindings_of(self._world, key)
            if self._is_spent(given, bindings[key]):
                self.queue.put(rule.uid)

    async def step(self, uid: str) -> float | None:
        """Remove one Approval, if it still says nothing.

        Raises:
            StoreError: try again.
        """
        rule = self._world.rules.get(names.APPROVALS, uid)
        if rule is None or not self._leadership.acts:
            return None
        given: Approval = rule.view
        if not self._is_spent(given, bindings_of(self._world, (given.namespace, given.environment))):
            return None
        where = ObjectRef(names.APPROVALS, NamespaceName.parse(given.namespace), EnvironmentSlug.parse(given.name))
        _history_log.info("approval removed", extra={"fields": {"approval": _lasting(given)}})
        try:
            await self._store.delete(where, uid=uid)
        except (NotFoundError, ConflictError):
            return None
        return None

    def _is_spent(self, given: Approval, bindings: Mapping[str, BindingNow]) -> bool:
        key = (given.namespace, given.environment)
        known = self._world.environments.get(key)
        protection = known.environment.protection if known is not None else None
        binding = bindings.get(given.app, BindingNow())
        return is_spent(given, binding, protection, kept=self._kept, now=self._clock.now())


def _lasting(given: Approval) -> dict[str, str | None]:
    said = ("namespace", "name", "environment", "app", "release", "comment", "by")
    return {
        **{field: getattr(given, field) for field in said},
        "decision": str(given.decision),
        "createdAt": given.created_at,
    }
