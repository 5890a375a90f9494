"""Checks whether the admission policies are in force: there, bound, and with the content that this version installs.

Without the change log's policy nobody stamps who did what; a policy with one condition too many exempts somebody.
An older cluster answers 404 for the whole kind, which is an answer too. The operator works without it (degraded mode);
metrics, logs and the condition of each Deployment that was changed meanwhile say so.
"""

import logging
from collections.abc import Mapping

from moorage_crds.admission import Policy
from moorage_crds.drift import differences, listed
from moorage_crds.identifiers import ClusterObjectName
from moorage_crds.kinds.registry import POLICIES
from moorage_crds.objects import RawObject
from moorage_crds.store import ForbiddenError, NotFoundError, ObjectRef, ResourceStore
from moorage_operator.facts import Finding
from moorage_operator.work.ports import Measures

_log = logging.getLogger(__name__)


class Policies:
    """Knows which policies were in force at the last look.

    Args:
        store: the cluster.
        wanted: (plural, name) → policy or binding as it should be.
        measures: told what was found.
    """

    def __init__(
        self, store: ResourceStore, wanted: Mapping[tuple[str, str], RawObject], *, measures: Measures
    ) -> None:
        self._store = store
        self._wanted = wanted
        self._measures = measures
        self.in_force: dict[str, bool] = {}

    async def look(self) -> None:
        """Ask for every policy and its bindings. What may not be read (now) stays as it was.

        Raises:
            StoreError: the API server does not answer.
        """
        for policy in POLICIES:
            try:
                wrong = await self._wrong(policy)
            except ForbiddenError as error:
                _log.warning("policy not read", extra={"fields": {"policy": policy.name, "error": str(error)}})
            else:
                self._report(policy.name, wrong)

    async def _wrong(self, policy: Policy) -> str:
        """What is wrong with a policy or its binding; empty if both are as they should be."""
        try:
            for plural, name in policy.objects:
                found = await self._store.get(ObjectRef(plural, None, ClusterObjectName.parse(name)))
                if differing := differences(self._wanted[plural, name], found):
                    return f"{plural}: {listed(differing)}"
        except NotFoundError:
            return f"not in {plural}"
        return ""

    def _report(self, name: str, wrong: str) -> None:
        in_force = not wrong
        self._measures.policy(name, in_force=in_force)
        before = self.in_force.get(name)
        self.in_force[name] = in_force
        if not in_force:
            self._measures.found(Finding.WITHOUT_POLICY)
        if in_force == before:
            return
        if not in_force:
            _log.error("an admission policy is not in force", extra={"fields": {"policy": name, "wrong": wrong}})
        elif before is not None:
            _log.info("the admission policy is in force again", extra={"fields": {"policy": name}})
