"""Changing which release of an app is active: deploy, undeploy, rollback.

Each is decided on one known state of the binding (`release_decisions`) and written on that state, so that of two
callers at once, one decides again. Rules about the change itself (locks, back-pressure, schema) are the API server's.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime
from typing import Final

from moorage_api.cache.views import BindingView, EnvironmentView
from moorage_api.changes.emptying import Emptying, unrecorded
from moorage_api.changes.fresh_reads import Found, Live
from moorage_api.changes.release_decisions import ChangeResult, Edit, KnownState, ReleaseDecisions, WantedChange
from moorage_api.changes.writer import MAX_TRIES, Writer
from moorage_api.contract import errors, idempotency
from moorage_api.contract.errors import ApiError, ConflictReason
from moorage_api.operation import Call, Facade
from moorage_api.reads import gates, translate
from moorage_crds import names
from moorage_crds.gates.verdict import AskedChange
from moorage_crds.identifiers import BindingName, EnvironmentSlug
from moorage_crds.kinds.deployment import Action
from moorage_crds.objects import RawObject
from moorage_crds.store import ConflictError, NotFoundError, ObjectRef, Right, StoreError

#: What the policies' own watch of locks may need until an unlock has reached it; waited at most `MAX_TRIES` times.
POLICY_SECONDS: Final = 0.05
#: How long a deploy that came too late waits for the record of what it took back, to delete what it made. Seconds.
RECORD_SECONDS: Final = 1.0

#: Refusals by gates that go by the time of the write.
_BY_TIME: Final = frozenset(
    {ConflictReason.ENVIRONMENT_FROZEN, ConflictReason.NOT_PROMOTED, ConflictReason.APPROVAL_REQUIRED}
)

_log = logging.getLogger(__name__)


class ReleaseChanges:
    """Changes of releases for one call."""

    def __init__(self, facade: Facade, call: Call, *, dry_run: bool) -> None:
        self._facade = facade
        self._call = call
        self._catalog = facade.catalog
        self._decisions = ReleaseDecisions(facade.catalog, call.caller.username)
        self._writer = Writer(facade, call, dry_run=dry_run)
        self._live = Live(self._catalog, self._writer)
        self._emptying = Emptying(facade, self._writer)

    async def change(self, wanted: WantedChange) -> ChangeResult:
        """Make the change, or find that it is made already.

        Raises:
            ApiError: every refusal.
        """
        if wanted.environment.deleting and wanted.action is not Action.UNDEPLOY:
            raise _environment_goes(await self._live.environment(wanted.environment))
        where = ObjectRef(
            names.DEPLOYMENTS,
            self._writer.namespace,
            BindingName.of(EnvironmentSlug.parse(wanted.environment.name), wanted.app),
        )
        known = KnownState(self._catalog.binding(self._writer.namespace, BindingName(where.name)))
        if self._decisions.is_behind(wanted, known.binding):
            known = await self._ask(where, known.binding)
        for last in (*[False] * (MAX_TRIES - 1), True):
            decision = await self._decided(wanted, where, known)
            if isinstance(decision, ChangeResult):
                await self._require_environment(wanted)
                return decision
            try:
                return await self._write(wanted, decision)
            except (ConflictError, NotFoundError):
                known = await self._ask(where, decision.binding)
            except ApiError as refused:
                pause = _pause(refused, self._facade.clock.now())
                if pause is None or last:
                    raise
                await asyncio.sleep(pause)
        raise errors.busy("Others are changing the same app; try again")

    # --- deciding

    async def _decided(self, wanted: WantedChange, where: ObjectRef, known: KnownState) -> ChangeResult | Edit:
        """What is to be done.

        The cache may lag behind other doors. It is enough to decide on a write, whose version the API server checks, or
        to find what was done in the past. That there is nothing to do, or that it cannot be done, the API server is
        asked about before it is said.
        """
        if not known.live:
            with suppress(ApiError):
                decision = self._decisions.decision(wanted, known)
                # Its record may be here before its Deployment: then the API server knows the version that shows it.
                if isinstance(decision, ChangeResult) and decision.past and decision.version:
                    return decision
                if isinstance(decision, Edit):
                    await self._require_unlocked(wanted, decision)
                    return decision
            known = await self._ask(where, known.binding)
        decision = self._decisions.decision(wanted, known)
        if isinstance(decision, Edit):
            await self._require_unlocked(wanted, decision)
        return decision

    async def _require_unlocked(self, wanted: WantedChange, edit: Edit) -> None:
        """Refuse what a lock forbids that we know of; it is asked for once more, because an unlock may be on its way.

        The API server's policy refuses it too, but hears of a lock only a moment after it was made: a lock that was
        answered here holds here from then on.
        """
        known = self._catalog.lock_of(wanted.environment)
        lock = await self._live.lock(wanted.environment, known) if known is not None else None
        if lock is not None and not lock.is_over(self._facade.clock.now()):
            refused = errors.locked(wanted.environment.name, reason=lock.reason, by=lock.locked_by)
            overridden = frozenset(wanted.gates)
            user = self._call.caller.username
            asked = AskedChange(wanted.environment.name, wanted.app, edit.release, override=overridden, user=user)
            change = gates.change_of(self._catalog, wanted.environment.namespace, asked)
            standing = gates.gates_of(self._catalog, self._call.workspace, change)
            gates.explain(refused, standing, change, now=self._facade.clock.now())
            raise refused

    async def _ask(self, where: ObjectRef, known: BindingView | None) -> KnownState:
        """The binding as the API server has it, with its log."""
        found = await self._live.binding(where, known)
        return KnownState(found.view, found.log, live=True, tests=found.tests)

    # --- writing

    async def _write(self, wanted: WantedChange, edit: Edit) -> ChangeResult:
        request_id = wanted.fingerprint.request_id if wanted.fingerprint else idempotency.random_request_id()
        note = translate.note(
            reason=wanted.reason,
            request_id=request_id,
            # An undeploy is one by itself, and a deploy may well be a rollback: there the policy's rule decides, as for
            # every other door.
            action=str(wanted.action) if wanted.action is Action.ROLLBACK else None,
            override=wanted.gates,
        )
        if edit.binding is None:
            raw = await self._create(wanted, edit.release, note)
        else:
            raw = await self._writer.change_release(edit.binding, edit.release, note, tests=edit.tests)
        view = self._catalog.read.binding(raw)
        if not self._writer.dry_run:
            self._catalog.bindings.wrote(view)
            await self._require_environment(wanted, Found(view, (), translate.same_release(raw)), edit)
        return ChangeResult(names.record_name(view.uid, view.last_sequence), edit.release, view.resource_version)

    async def _create(self, wanted: WantedChange, target: str | None, note: RawObject) -> RawObject:
        environment = wanted.environment.name
        name = names.binding_name(environment, wanted.app)
        spec = {
            "environment": environment,
            "app": str(wanted.app),
            "release": target,
            "change": translate.without_nulls(note),
        }
        return await self._writer.create(
            names.DEPLOYMENTS,
            translate.wanted_binding(name, spec),
            kind="deployment",
            shown=wanted.app,
            slug=environment,
        )

    # --- the environment

    async def _require_environment(
        self, wanted: WantedChange, made: Found | None = None, edit: Edit | None = None
    ) -> None:
        """Nothing is deployed into an environment that is gone or goes: what was just `made` there is taken back.

        Who deletes an environment looks for bindings after that, and who deploys looks for the environment after that:
        whatever the order, one of the two sees the other, so that no release stays behind without its environment.
        """
        if self._writer.dry_run or wanted.action is Action.UNDEPLOY:
            return
        present = await self._live.of_that_name(wanted.environment)
        gone = present is None or present.uid != wanted.environment.uid
        if present is not None and not gone and not present.deleting:
            return
        if made is not None and made.view is not None:
            await self._take_back(made.view, made, created=edit is not None and edit.binding is None)
        if present is None or gone:
            raise errors.not_found("environment", wanted.environment.name)
        raise _environment_goes(present)

    async def _take_back(self, view: BindingView, made: Found, *, created: bool) -> None:
        """Undeploy what this call deployed, and delete what it created, if nobody has changed it since."""
        try:
            # A conflict means that somebody else has changed it meanwhile: then it is theirs.
            undeployed = await self._emptying.undeploy_exactly(view, made)
            if created and await self._may_delete():
                await self._delete(undeployed)
        except StoreError:
            return
        except ApiError as refused:
            fields = {"namespace": view.namespace, "deployment": view.name, "why": refused.message}
            _log.warning("a deploy into an environment that is gone was not taken back", extra={"fields": fields})

    async def _may_delete(self) -> bool:
        right = Right("delete", names.DEPLOYMENTS, self._writer.namespace)
        return await self._facade.access.allowed(self._call.caller, right, self._call.upstream)

    async def _delete(self, undeployed: BindingView) -> None:
        def present() -> list[BindingView]:
            known = self._catalog.bindings.get(undeployed.namespace, undeployed.name)
            return [known] if known is not None and known.uid == undeployed.uid else []

        if await self._emptying.wait(present, unrecorded, patience=RECORD_SECONDS):
            for binding in present():
                await self._emptying.delete(binding)


def _environment_goes(environment: EnvironmentView) -> ApiError:
    return errors.being_deleted(f"The environment {environment.name}", environment.finalizers)


def _pause(refused: ApiError, now: datetime) -> float | None:
    """How long to wait until the same change may pass, in seconds; None: as long as the gates that refuse it.

    A policy hears of an unlock, or of the end of a Freeze, a moment later. And a change in the same second as the one
    before leaves no time (ADR 0008), so that a gate that goes by the time refuses it: the next second is one.
    """
    details = refused.details
    if details.get("reason") == ConflictReason.ENVIRONMENT_LOCKED and "lock_reason" not in details:
        return POLICY_SECONDS
    if details.get("reason") in _BY_TIME and not details.get("gates", True):
        return 1 - now.microsecond / 1_000_000 + POLICY_SECONDS
    return None
