"""Changing which release of an app is active: deploy, undeploy, rollback.

Each is decided on one known state of the binding and sent with the version of that state, so that of two callers at
once one decides anew. Rules about the change itself (locks, back-pressure, schema) are the API server's.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from moorage_api import errors, idempotency, translate
from moorage_api.cache.history import Chain
from moorage_api.calls import Call, Facade
from moorage_api.errors import ApiError, ConflictReason
from moorage_api.flows.live import Live
from moorage_api.flows.writing import MAX_TRIES, Writer, require_undeclared
from moorage_api.idempotency import Fingerprint
from moorage_api.views import BindingView, EnvironmentView, Line, pending_line
from moorage_crds import names
from moorage_crds.deployment import Action, Change
from moorage_crds.identifiers import AppId, BindingName, EnvironmentSlug
from moorage_crds.objects import RawObject
from moorage_crds.store import ConflictError, NotFoundError, ObjectRef

#: What the policies' own watch of locks may need until an unlock has reached it; waited at most `MAX_TRIES` times.
POLICY_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change that somebody asks for.

    Attributes:
        action: deploy, undeploy or rollback.
        release: the release to deploy or to go back to; None: the last different one (rollback) or none (undeploy).
        line: the `deployment_id` to go back to (rollback).
        expected: refuse if another release is active.
        fingerprint: of the Idempotency-Key; None without one.
    """

    environment: EnvironmentView
    app: AppId
    action: Action
    release: str | None = None
    line: str | None = None
    reason: str | None = None
    expected: str | None = None
    fingerprint: Fingerprint | None = None
    override: bool = False

    @property
    def content(self) -> list[str | None]:
        """What makes two requests with one Idempotency-Key different."""
        return [
            self.environment.uid,
            self.app,
            str(self.action),
            self.release,
            self.line,
            self.reason,
            self.expected,
        ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The line of history that answers the request, and the release that is active after it.

    Attributes:
        version: resourceVersion of the Deployment that shows it; empty if that is not known.
        past: the request is answered by a change of the past, whatever is active now.
    """

    deployment_id: str
    release: str | None
    version: str = ""
    past: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """The state that is decided on.

    Attributes:
        binding: the Deployment; None if there is none.
        log: its change log as far back as it goes, if the API server was asked.
        live: the API server was asked; else it is the cache's, which may lag.
    """

    binding: BindingView | None
    log: tuple[Change, ...] = ()
    live: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """The write that is due: this release on exactly that state; a new Deployment if there is none."""

    binding: BindingView | None
    release: str | None


class ReleaseChanges:
    """Changes of releases for one call."""

    def __init__(self, facade: Facade, call: Call, *, dry_run: bool) -> None:
        self._catalog = facade.catalog
        self._user = call.caller.username
        self._writer = Writer(facade, call, dry_run=dry_run)
        self._live = Live(self._catalog, self._writer)

    async def change(self, wanted: Wanted) -> Outcome:
        """Make the change, or find that it is made already.

        Raises:
            ApiError: every refusal.
        """
        where = ObjectRef(
            names.DEPLOYMENTS,
            self._writer.namespace,
            BindingName.of(_slug_of(wanted.environment), wanted.app),
        )
        known = Known(self._catalog.binding(self._writer.namespace, BindingName(where.name)))
        if self._is_behind(wanted, known.binding):
            known = await self._ask(where, known.binding)
        for last in (*[False] * (MAX_TRIES - 1), True):
            decision = await self._decided(wanted, where, known)
            if isinstance(decision, Outcome):
                return decision
            try:
                return await self._write(wanted, decision)
            except (ConflictError, NotFoundError):
                known = await self._ask(where, decision.binding)
            except ApiError as refused:
                if not _is_outdated(refused) or last:
                    raise
                await asyncio.sleep(POLICY_SECONDS)
        raise errors.busy("Others are changing the same app; try again")

    # --- deciding

    async def _decided(self, wanted: Wanted, where: ObjectRef, known: Known) -> Outcome | Edit:
        """What is to be done.

        The cache may lag behind other doors. It is enough to decide on a write, whose version the API server checks, or
        to find what was done in the past. That there is nothing to do, or that it cannot be done, the API server is
        asked about before it is said.
        """
        if not known.live:
            with suppress(ApiError):
                decision = self._decision(wanted, known)
                if isinstance(decision, Edit) or decision.past:
                    return decision
            known = await self._ask(where, known.binding)
        return self._decision(wanted, known)

    def _decision(self, wanted: Wanted, known: Known) -> Outcome | Edit:
        """What is to be done, if that is the state. Raises what speaks against the change."""
        repeated = self._repeated(wanted, known)
        if repeated is not None:
            return repeated
        binding = known.binding
        active = binding.release if binding is not None else None
        self._require_possible(wanted, binding, active)
        target = self._target(wanted, known, active)
        if binding is None:
            return Edit(None, target)
        if target == active:
            return Outcome(names.record_name(binding.uid, binding.last_sequence), active, binding.resource_version)
        require_undeclared({"spec.release": binding.declared_by}, override=wanted.override)
        return Edit(binding, target)

    def _require_possible(self, wanted: Wanted, binding: BindingView | None, active: str | None) -> None:
        if self._is_absent(wanted, binding):
            raise errors.not_found("deployment", wanted.app)
        if binding is not None and binding.app != wanted.app:
            raise errors.conflict(
                ConflictReason.APP_NAME_COLLISION,
                f"The app {binding.app} has the same name here but for case and '_' or '-'",
                app_id=binding.app,
            )
        if wanted.expected is not None and wanted.expected != active:
            raise errors.conflict(
                ConflictReason.RELEASE_MISMATCH,
                "Another release is active than the one that was expected",
                active_release_id=active,
            )

    def _is_absent(self, wanted: Wanted, binding: BindingView | None) -> bool:
        """Whether there is nothing that could be taken out, or (not even in the history) rolled back."""
        if wanted.action is Action.UNDEPLOY:
            return binding is None or binding.release is None or binding.app != wanted.app
        return wanted.action is Action.ROLLBACK and binding is None and not self._chains(wanted)

    def _target(self, wanted: Wanted, known: Known, active: str | None) -> str | None:
        """The release that shall be active; None for an undeploy."""
        if wanted.action is not Action.ROLLBACK:
            return wanted.release
        lines = self._lines(wanted, known)
        if wanted.line is not None:
            return _release_of_line(lines, wanted.line)
        if wanted.release is not None:
            complete = all(chain.oldest_sequence() == 1 for chain in self._chains(wanted))
            return _release_that_was_there(lines, wanted.release, complete=complete)
        return _last_different(lines, active)

    # --- the history of the app

    def _chains(self, wanted: Wanted) -> list[Chain]:
        environment = wanted.environment
        chains = self._catalog.history.chains(environment, self._catalog.birth(environment))
        return [chain for chain in chains if chain.app == wanted.app]

    def _lines(self, wanted: Wanted, known: Known) -> list[Line]:
        """All known lines of the app, newest first; those too that only the log of the live binding has."""
        chains = {chain.uid: chain for chain in self._chains(wanted)}
        lines = [line for chain in chains.values() for line in chain.descending()]
        binding = known.binding
        if binding is not None and (chain := chains.get(binding.uid)) is not None:
            lines += [pending_line(binding, change) for change in known.log if chain.get(change.sequence) is None]
        return sorted(lines, key=lambda line: line.key, reverse=True)

    def _is_behind(self, wanted: Wanted, binding: BindingView | None) -> bool:
        """Whether what is wanted depends on the history, and the last change of the binding is not there.

        Its record is still on its way to us.
        """
        if binding is None or (wanted.fingerprint is None and wanted.action is not Action.ROLLBACK):
            return False
        chain = self._catalog.history.chain(binding.uid)
        return binding.last_sequence > 0 and (chain is None or chain.get(binding.last_sequence) is None)

    def _repeated(self, wanted: Wanted, known: Known) -> Outcome | None:
        """The outcome of the earlier request with the same key. Raises ApiError if that asked for something else."""
        if wanted.fingerprint is None:
            return None
        key = wanted.fingerprint.key
        elsewhere = self._catalog.history.made_by(wanted.environment.namespace, self._user, key)
        lines = self._lines(wanted, known)
        for line in lines if elsewhere is None else (*lines, elsewhere):
            found = idempotency.split(line.request_id)
            if found is None or found.key != key or line.by not in {None, self._user}:
                continue
            if found.content != wanted.fingerprint.content:
                raise _other_request()
            return Outcome(names.record_name(line.uid, line.sequence), line.release, past=True)
        return None

    # --- writing

    async def _write(self, wanted: Wanted, edit: Edit) -> Outcome:
        request_id = wanted.fingerprint.request_id if wanted.fingerprint else idempotency.random_request_id()
        note = translate.note(
            reason=wanted.reason,
            request_id=request_id,
            # An undeploy is one by itself, and a deploy may well be a rollback: there the policy's rule decides, as for
            # every other door.
            action=str(wanted.action) if wanted.action is Action.ROLLBACK else None,
        )
        if edit.binding is None:
            raw = await self._create(wanted, edit.release, note)
        else:
            raw = await self._writer.patch(edit.binding, {"release": edit.release, "change": note})
        view = self._catalog.read.binding(raw)
        if not self._writer.dry_run:
            self._catalog.bindings.wrote(view)
        return Outcome(names.record_name(view.uid, view.last_sequence), edit.release, view.resource_version)

    async def _create(self, wanted: Wanted, target: str | None, note: RawObject) -> RawObject:
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

    async def _ask(self, where: ObjectRef, known: BindingView | None) -> Known:
        """The binding as the API server has it, with its log."""
        binding, log = await self._live.binding_and_log(where, known)
        return Known(binding, log, live=True)


def _is_outdated(refused: ApiError) -> bool:
    """Whether a policy refused because of a lock that is not there any more: it hears of an unlock a moment later."""
    details = refused.details
    return details.get("reason") == ConflictReason.ENVIRONMENT_LOCKED and "lock_reason" not in details


def _slug_of(environment: EnvironmentView) -> EnvironmentSlug:
    return EnvironmentSlug.parse(environment.name)


def _release_of_line(lines: list[Line], wanted: str) -> str:
    for line in lines:
        if names.record_name(line.uid, line.sequence) == wanted:
            if line.release is None:
                raise _nothing("That change took the app out: it left no release to go back to")
            return line.release
    raise errors.not_found("deployment", wanted)


def _release_that_was_there(lines: list[Line], release: str, *, complete: bool) -> str:
    """The release, if it was active once; or if nobody can say that it was not, since the history is not complete."""
    if not complete or any(release in {line.release, line.previous} for line in lines):
        return release
    raise _nothing("That release was never active for this app here")


def _last_different(lines: list[Line], active: str | None) -> str:
    for line in lines:
        for release in (line.release, line.previous):
            if release is not None and release != active:
                return release
    raise _nothing("There is no earlier release to go back to")


def _nothing(message: str) -> errors.ApiError:
    return errors.conflict(ConflictReason.NOTHING_TO_ROLL_BACK, message)


def _other_request() -> errors.ApiError:
    return errors.invalid(
        ["header", "Idempotency-Key"],
        "this key was used for another request; take a new one",
        kind="idempotency_key_reused",
    )
