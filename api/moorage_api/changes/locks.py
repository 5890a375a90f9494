"""Locking and unlocking environments: a lock holds from its answer on, by every door."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from moorage_api.cache.views import EnvironmentView, LockView
from moorage_api.changes.fresh_reads import Live
from moorage_api.changes.writer import DEPARTURE_SECONDS, MAX_TRIES, Writer, require_undeclared
from moorage_api.contract import errors
from moorage_api.contract.echo import printable
from moorage_api.contract.errors import ApiError, ConflictReason
from moorage_api.operation import Call, Facade
from moorage_api.reads import translate
from moorage_crds import names
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.moments import to_moment
from moorage_crds.store import ConflictError, NotFoundError, Right

#: The reason of a lock that somebody ends who has not set it.
UNLOCKED: Final = "unlocked"
#: Pauses between two probes of a lock that is not in force yet, in seconds, and how many there are: about 3 s. The API
#: server's policy needed 50 ms at most on a loaded machine.
PROBE_SECONDS: Final = 0.03
PROBES: Final = 100
#: Where a probe is not possible: how long our own watch may take to tell of the lock, and what is waited after that.
#: Both watches are fed by the same API server; five times the longest that was measured between them. Seconds.
WATCH_SECONDS: Final = 2.0
MARGIN_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class WantedLock:
    """What a lock shall say.

    Attributes:
        until: when it ends by itself; None: when somebody unlocks.
        override: change it although a GitOps tool declares it.
        take_over: change it although somebody else has set it.
    """

    reason: str
    until: str | None = None
    override: bool = False
    take_over: bool = False

    def is_said_by(self, lock: LockView) -> bool:
        """Whether the lock says so already."""
        return (lock.reason, lock.until) == (self.reason, to_moment(self.until))


class LockChanges:
    """Changes of locks for one call."""

    def __init__(self, facade: Facade, call: Call, *, dry_run: bool) -> None:
        self._facade = facade
        self._call = call
        self._catalog = facade.catalog
        self._writer = Writer(facade, call, dry_run=dry_run)
        self._live = Live(self._catalog, self._writer)

    async def lock(self, environment: EnvironmentView, wanted: WantedLock) -> LockView:
        """Lock, or replace what the lock says; return when changes are refused. Raises ApiError."""
        locked = await self._locked(environment, wanted)
        if not self._writer.dry_run:
            await self._require_force(environment, locked)
        return locked

    async def unlock(self, environment: EnvironmentView, *, override: bool) -> str:
        """Remove the lock. Raises ApiError; 404 if there is none, 409 while finalizers hold it.

        Returns:
            The resourceVersion of the removal, empty if it is not known.
        """
        lock, live = self._catalog.locks.get(environment.namespace, environment.name), False
        if lock is None or lock.declared_by is not None:
            lock, live = await self._live.lock(environment, lock), True
        for _ in range(MAX_TRIES):
            if lock is None:
                raise errors.not_found("lock", environment.name)
            require_undeclared({"spec.reason": lock.declared_by}, override=override)
            try:
                return await self._remove(lock, live=live)
            except (ConflictError, NotFoundError):
                lock, live = await self._live.lock(environment, lock), True
        raise errors.busy("Others are changing the same lock; try again")

    # --- writing

    async def _remove(self, lock: LockView, *, live: bool) -> str:
        """End the lock in the caller's name, then delete it: no policy can stamp a deletion."""
        if await self._may_end(lock):
            lock, live = await self._end(lock, live=live), False
            if self._writer.dry_run:
                return ""
        return await self._departure(lock, await self._writer.delete(lock, exact=not live))

    async def _may_end(self, lock: LockView) -> bool:
        """Whether the caller can end the lock before its deletion, which leaves no name.

        What a finalizer holds is left as it is: it locks until it is gone.
        """
        if lock.is_ended or lock.deleting or lock.finalizers:
            return False
        right = Right("patch", names.LOCKS, self._writer.namespace)
        return await self._facade.access.allowed(self._call.caller, right, self._call.upstream)

    async def _end(self, lock: LockView, *, live: bool) -> LockView:
        """End the lock in the caller's name. Raises ConflictError and NotFoundError like every write."""
        spec: dict[str, Any] = {"until": lock.created_at}
        if lock.locked_by != self._call.caller.username:
            # Somebody else's reason must not stand beside the caller's name.
            spec["reason"] = UNLOCKED
        raw = await self._writer.edit(lock, spec) if live else await self._writer.patch(lock, spec)
        ended = self._catalog.read.lock(raw)
        return ended if self._writer.dry_run else self._catalog.locks.wrote(ended)

    async def _locked(self, environment: EnvironmentView, wanted: WantedLock) -> LockView:
        lock, live = self._catalog.locks.get(environment.namespace, environment.name), False
        if lock is not None and (wanted.is_said_by(lock) or lock.declared_by is not None or lock.deleting):
            # Perhaps nothing is written then, and the cache may lag: see what is there.
            lock, live = await self._live.lock(environment, lock), True
        for _ in range(MAX_TRIES):
            if lock is not None and lock.deleting and live:
                raise _lock_goes(lock)
            if lock is not None and wanted.is_said_by(lock) and live:
                return lock
            try:
                raw = await self._put(environment, lock, wanted, live=live)
            except (ConflictError, NotFoundError):
                lock, live = await self._live.lock(environment, lock), True
                continue
            locked = self._catalog.read.lock(raw)
            if not self._writer.dry_run:
                locked = self._catalog.locks.wrote(locked)
            return locked
        raise errors.busy("Others are changing the same lock; try again")

    async def _put(
        self, environment: EnvironmentView, lock: LockView | None, wanted: WantedLock, *, live: bool
    ) -> dict[str, Any]:
        if lock is None:
            body = translate.wanted_lock(environment.name, {"reason": wanted.reason, "until": wanted.until})
            return await self._writer.create(
                names.LOCKS, body, kind="lock", shown=environment.name, slug=environment.name
            )
        require_undeclared({"spec.reason": lock.declared_by}, override=wanted.override)
        self._require_mine(lock, wanted)
        spec: dict[str, Any] = {"reason": wanted.reason}
        if wanted.until is not None or lock.until is not None:
            spec["until"] = wanted.until
        # What was just read is written on with its generation: labels and annotations hold up nobody.
        return await self._writer.edit(lock, spec) if live else await self._writer.patch(lock, spec)

    def _require_mine(self, lock: LockView, wanted: WantedLock) -> None:
        """Raises ApiError 409 for somebody else's lock that holds, unless it is taken over.

        Its reason is not told: a user who may write locks may lack the right to read them.
        """
        now, user = self._facade.clock.now(), self._call.caller.username
        if wanted.take_over or lock.is_over(now) or lock.locked_by in {None, user}:
            return
        raise errors.conflict(
            ConflictReason.ENVIRONMENT_LOCKED,
            printable(f"this lock was set by {lock.locked_by}: to change it, repeat with take_over=true", 1024),
            locked_by=lock.locked_by,
        )

    async def _departure(self, lock: LockView, held: dict[str, Any] | None) -> str:
        """Wait until the watch tells that the lock is gone. Raises ApiError 409 while finalizers hold it."""
        if self._writer.dry_run:
            return ""
        if held is None:
            self._catalog.locks.deleted(lock)
            return await self._catalog.locks.gone_at(lock.uid, DEPARTURE_SECONDS)
        going = self._catalog.read.lock(held)
        self._catalog.locks.wrote(going)
        version = await self._catalog.locks.gone_at(lock.uid, DEPARTURE_SECONDS)
        if not version:
            raise _lock_goes(going)
        return version

    # --- in force

    async def _require_force(self, environment: EnvironmentView, lock: LockView) -> None:
        """Return when the API server refuses changes in the environment. Raises ApiError 503 if it still accepts them.

        Its policy hears of a lock by a watch of its own, a moment after the lock was stored.
        """
        slug = EnvironmentSlug.parse(environment.name)
        right = Right("create", names.DEPLOYMENTS, self._writer.namespace)
        if await self._facade.access.allowed(self._call.caller, right, self._call.upstream):
            for _ in range(PROBES):
                refusal = await self._refusal(slug)
                if refusal is not None and refusal.details.get("reason") == ConflictReason.ENVIRONMENT_LOCKED:
                    return
                if refusal is not None:
                    # Something else refuses first, so that the lock cannot be seen.
                    break
                await asyncio.sleep(PROBE_SECONDS)
            else:
                raise errors.busy("The lock is stored, but changes are not refused yet; repeat the call")
        if not await self._catalog.locks.versions.wait_for(lock.resource_version, WATCH_SECONDS):
            raise errors.busy("The lock is stored, but its watch does not tell of it yet; repeat the call")
        await asyncio.sleep(MARGIN_SECONDS)

    async def _refusal(self, slug: EnvironmentSlug) -> ApiError | None:
        """Why a release cannot be deployed now; None if it could be."""
        try:
            await self._writer.probe(slug)
        except ConflictError:
            return None
        except ApiError as refused:
            if refused.status in {403, 409, 422}:
                return refused
            raise
        return None


def _lock_goes(lock: LockView) -> ApiError:
    return errors.being_deleted(f"The lock of {lock.name}", lock.finalizers)
