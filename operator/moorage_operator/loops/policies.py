"""Looks whether the admission policies are there: without the change log's policy nobody stamps who did what.

An older cluster answers 404 for the whole kind, which is an answer too. The operator goes on without (degraded mode);
metrics, logs and the condition of each Deployment that was changed meanwhile say so.
"""

import logging

from moorage_crds import names
from moorage_crds.identifiers import ClusterObjectName
from moorage_crds.store import ForbiddenError, NotFoundError, ObjectRef, ResourceStore
from moorage_operator.decisions.comparison import Finding
from moorage_operator.loops.ports import Measures

_KINDS = (
    (names.MUTATING_ADMISSION_POLICIES, names.MUTATING_ADMISSION_POLICY_BINDINGS, names.MUTATING_POLICIES),
    (names.VALIDATING_ADMISSION_POLICIES, names.VALIDATING_ADMISSION_POLICY_BINDINGS, names.VALIDATING_POLICIES),
)

_log = logging.getLogger(__name__)


class Policies:
    """Knows which policies were in force at the last look."""

    def __init__(self, store: ResourceStore, *, measures: Measures) -> None:
        self._store = store
        self._measures = measures
        self.in_force: dict[str, bool] = {}

    async def look(self) -> None:
        """Ask for every policy and its binding. What may not be read (now) stays as it was.

        Raises:
            StoreError: the API server does not answer.
        """
        for policies, bindings, wanted in _KINDS:
            for name in wanted:
                try:
                    in_force = await self._exists(policies, name) and await self._exists(bindings, name)
                except ForbiddenError as error:
                    _log.warning("policy not read", extra={"fields": {"policy": name, "error": str(error)}})
                else:
                    self._report(name, in_force=in_force)

    async def _exists(self, plural: str, name: str) -> bool:
        try:
            await self._store.get(ObjectRef(plural, None, ClusterObjectName.parse(name)))
        except NotFoundError:
            return False
        return True

    def _report(self, name: str, *, in_force: bool) -> None:
        self._measures.policy(name, in_force=in_force)
        before = self.in_force.get(name)
        self.in_force[name] = in_force
        if not in_force:
            self._measures.found(Finding.WITHOUT_POLICY)
        if in_force == before:
            return
        if not in_force:
            _log.error("an admission policy is not in force", extra={"fields": {"policy": name}})
        elif before is not None:
            _log.info("the admission policy is in force again", extra={"fields": {"policy": name}})
