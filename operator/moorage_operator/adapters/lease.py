"""The Lease by which replicas avoid double work. Nothing depends on it for correctness.

Its holder acts at once; the others act on what the holder leaves lying. Where there is no right to a Lease, or no such
API, this replica acts as if it were alone: that costs double work and loses nothing. Expiry is measured with our own
monotonic clock from the moment we saw the Lease change, so clocks of different machines need not agree.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from moorage_crds import names
from moorage_crds.clock import Clock
from moorage_crds.identifiers import ClusterObjectName, NamespaceName
from moorage_crds.objects import RawObject, version_of
from moorage_crds.rights import LEASE_NAME
from moorage_crds.store import ConflictError, ForbiddenError, NotFoundError, ObjectRef, ResourceStore, StoreError
from moorage_operator.work.worker import lost_replies_as_errors

NAME: Final = LEASE_NAME
DURATION_SECONDS: Final = 15
RENEW_LIMIT_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class Lease:
    """Holds the Lease, or watches who does.

    Args:
        store: the cluster.
        namespace: where the Lease lies.
        identity: name of this replica; no other process has it.
        clock: for times in the Lease and for its expiry.
        changed: called when `acts` has changed.
    """

    def __init__(
        self, store: ResourceStore, namespace: str, identity: str, *, clock: Clock, changed: Callable[[], None]
    ) -> None:
        self._store = store
        self._ref = ObjectRef(names.LEASES, NamespaceName.parse(namespace), ClusterObjectName.parse(NAME))
        self._namespace = NamespaceName.parse(namespace)
        self._identity = identity
        self._clock = clock
        self._changed = changed
        self._renewed_at = 0.0
        self._held = ""
        self._observed = ""
        self._observed_at = 0.0
        self._acts = False
        self.settled = asyncio.Event()

    @property
    def acts(self) -> bool:
        """This replica holds the Lease, or there is none to hold."""
        return self._acts

    async def run(self) -> None:
        """Take the Lease when it is free, renew it, until cancelled."""
        while True:
            await self.tick()
            self.settled.set()
            await asyncio.sleep(RETRY_SECONDS)

    async def tick(self) -> None:
        """One look at the Lease."""
        try:
            with lost_replies_as_errors():
                acts = await self._try()
        except (ForbiddenError, NotFoundError) as error:
            # No right, no such API, no such Namespace: act as if alone.
            if not self._acts:
                _log.warning("no Lease to take, acting without", extra={"fields": {"error": str(error)}})
            acts = True
        except StoreError as error:
            acts = self._acts and self._clock.monotonic() - self._renewed_at < RENEW_LIMIT_SECONDS
            _log.warning("Lease not renewed", extra={"fields": {"error": str(error), "acts": acts}})
        self._set(acts=acts)

    def _set(self, *, acts: bool) -> None:
        if acts != self._acts:
            self._acts = acts
            _log.info("acting at once" if acts else "standing by", extra={"fields": {"replica": self._identity}})
            self._changed()

    async def _try(self) -> bool:
        return await self._renew() or await self._look()

    async def _renew(self) -> bool:
        """Renew without looking; False if this replica does not hold the Lease, or somebody else has written to it."""
        version, self._held = self._held, ""
        if not self._acts or not version:
            return False
        patch = {"metadata": {"resourceVersion": version}, "spec": self._holder(taken=False)}
        try:
            return self._renewed(await self._store.merge_patch(self._ref, patch))
        except (ConflictError, NotFoundError):
            return False

    async def _look(self) -> bool:
        """Read who holds it, and take it if nobody does."""
        try:
            raw = await self._store.get(self._ref)
        except NotFoundError:
            return self._renewed(await self._store.create(names.LEASES, self._namespace, self._new()))
        spec: dict[str, Any] = raw.get("spec") or {}
        mine = spec.get("holderIdentity") == self._identity
        if not mine and spec.get("holderIdentity") and not self._expired(raw):
            return False
        try:
            return self._renewed(await self._store.merge_patch(self._ref, self._claim(raw, new=not mine)))
        except ConflictError:
            return mine and self._acts

    def _renewed(self, written: RawObject) -> bool:
        self._held = version_of(written)
        self._renewed_at = self._clock.monotonic()
        return True

    def _expired(self, raw: RawObject) -> bool:
        version, now = version_of(raw), self._clock.monotonic()
        if version != self._observed:
            self._observed, self._observed_at = version, now
        return now - self._observed_at > DURATION_SECONDS

    def _new(self) -> RawObject:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": NAME, "namespace": self._namespace},
            "spec": self._holder(taken=True) | {"leaseTransitions": 0},
        }

    def _claim(self, raw: RawObject, *, new: bool) -> RawObject:
        spec = self._holder(taken=new)
        if new:
            spec["leaseTransitions"] = int((raw.get("spec") or {}).get("leaseTransitions") or 0) + 1
        return {"metadata": {"resourceVersion": version_of(raw)}, "spec": spec}

    def _holder(self, *, taken: bool) -> dict[str, Any]:
        now = _micro_time(self._clock.now())
        holder = {"holderIdentity": self._identity, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": now}
        return holder | ({"acquireTime": now} if taken else {})

    async def release(self) -> None:
        """Give the Lease back at stop, so that the other replica acts within two seconds."""
        if not self._acts:
            return
        self._acts = False
        try:
            raw = await self._store.get(self._ref)
            if (raw.get("spec") or {}).get("holderIdentity") == self._identity:
                patch = {
                    "metadata": {"resourceVersion": version_of(raw)},
                    "spec": {"holderIdentity": None, "leaseDurationSeconds": 1},
                }
                await self._store.merge_patch(self._ref, patch)
        except StoreError as error:
            _log.info("Lease not given back, it will expire", extra={"fields": {"error": str(error)}})


class NoLease:
    """Stands in where the Lease is switched off: always acts."""

    acts: Final = True


def _micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
