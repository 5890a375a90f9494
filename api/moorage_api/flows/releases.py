"""Changing which release of an app is active: deploy, undeploy, rollback.

Each is decided on one known state of the binding and sent with the version of that state, so that of two callers at
once one decides anew. Rules about the change itself (locks, back-pressure, schema) are the API server's.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from moorage_api import errors, idempotency, translate
from moorage_api.cache.history import Chain
from moorage_api.calls import Call, Facade
from moorage_api.errors import ApiError, ConflictReason
from moorage_api.flows.writing import MAX_TRIES, Writer, require_undeclared
from moorage_api.idempotency import Fingerprint
from moorage_api.views import BindingView, EnvironmentView, Line
from moorage_crds import deployment, names
from moorage_crds.deployment import Action, Change
from moorage_crds.identifiers import AppId, BindingName, EnvironmentSlug
from moorage_crds.objects import RawObject
from moorage_crds.store import ConflictError, NotFoundError, ObjectRef

_RELEASE_FIELD: Final = ["spec.release"]
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
        version: resourceVersion that the write made; empty if nothing was written.
    """

    deployment_id: str
    release: str | None
    version: str = ""


class ReleaseChanges:
    """Changes of releases for one call."""

    def __init__(self, facade: Facade, call: Call, *, dry_run: bool) -> None:
        self._catalog = facade.catalog
        self._user = call.caller.username
        self._writer = Writer(facade, call, dry_run=dry_run)

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
        binding = self._catalog.binding(self._writer.namespace, BindingName(where.name))
        log: tuple[Change, ...] = ()
        if wanted.fingerprint is not None and binding is not None and self._behind(binding):
            binding, log = await self._live(where, binding)
        for last in (*[False] * (MAX_TRIES - 1), True):
            done = self._repeated(wanted, binding, log) or self._unchanged(wanted, binding)
            if done is not None:
                return done
            try:
                return await self._write(wanted, binding)
            except (ConflictError, NotFoundError):
                binding, log = await self._live(where, binding)
            except ApiError as refused:
                if not _is_outdated(refused) or last:
                    raise
                await asyncio.sleep(POLICY_SECONDS)
        raise errors.busy("Others are changing the same app; try again")

    # --- deciding

    def _unchanged(self, wanted: Wanted, binding: BindingView | None) -> Outcome | None:
        """The outcome if the wanted state is there already. Raises what speaks against the change."""
        active = binding.release if binding is not None else None
        other = binding is not None and binding.app != wanted.app
        if self._is_absent(wanted, binding):
            raise errors.not_found("deployment", wanted.app)
        if binding is not None and other:
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
        if wanted.action is Action.UNDEPLOY or binding is None or self._target(wanted, active) != active:
            return None
        return Outcome(names.record_name(binding.uid, binding.last_sequence), active)

    def _is_absent(self, wanted: Wanted, binding: BindingView | None) -> bool:
        """Whether there is nothing that could be taken out, or (not even in the history) rolled back."""
        if wanted.action is Action.UNDEPLOY:
            return binding is None or binding.release is None or binding.app != wanted.app
        return wanted.action is Action.ROLLBACK and binding is None and not self._chains(wanted)

    def _target(self, wanted: Wanted, active: str | None) -> str | None:
        """The release that shall be active; None for an undeploy."""
        if wanted.action is not Action.ROLLBACK:
            return wanted.release
        chains = self._chains(wanted)
        if wanted.line is not None:
            return _release_of_line(chains, wanted.line)
        if wanted.release is not None:
            return _release_that_was_there(chains, wanted.release)
        return _last_different(chains, active)

    def _chains(self, wanted: Wanted) -> list[Chain]:
        environment = wanted.environment
        chains = self._catalog.history.chains(environment, self._catalog.birth(environment))
        return [chain for chain in chains if chain.app == wanted.app]

    # --- idempotency

    def _behind(self, binding: BindingView) -> bool:
        """The history here lacks the last change of the binding: its record is still on its way to us."""
        chain = self._catalog.history.chain(binding.uid)
        return binding.last_sequence > 0 and (chain is None or chain.get(binding.last_sequence) is None)

    def _repeated(self, wanted: Wanted, binding: BindingView | None, log: tuple[Change, ...]) -> Outcome | None:
        """The outcome of the earlier request with the same key."""
        if wanted.fingerprint is None:
            return None
        for line in (line for chain in self._chains(wanted) for line in chain.descending()):
            found = self._answered(wanted.fingerprint, line.uid, line)
            if found is not None:
                return found
        for change in reversed(log):
            found = self._answered(wanted.fingerprint, binding.uid, change) if binding is not None else None
            if found is not None:
                return found
        return None

    def _answered(self, wanted: Fingerprint, uid: str, change: Line | Change) -> Outcome | None:
        found = idempotency.split(change.request_id)
        if found is None or found.key != wanted.key or change.by not in {None, self._user}:
            return None
        if found.content != wanted.content:
            raise errors.invalid(
                ["header", "Idempotency-Key"],
                "this key was used for another request; take a new one",
                kind="idempotency_key_reused",
            )
        return Outcome(names.record_name(uid, change.sequence), change.release)

    # --- writing

    async def _write(self, wanted: Wanted, binding: BindingView | None) -> Outcome:
        target = self._target(wanted, binding.release if binding is not None else None)
        request_id = wanted.fingerprint.request_id if wanted.fingerprint else idempotency.random_request_id()
        note = translate.note(
            reason=wanted.reason,
            request_id=request_id,
            # An undeploy is one by itself, and a deploy may well be a rollback: there the policy's rule decides, as for
            # every other door.
            action=str(wanted.action) if wanted.action is Action.ROLLBACK else None,
        )
        if binding is None:
            raw = await self._create(wanted, target, note)
        else:
            require_undeclared(binding.declared_by, _RELEASE_FIELD, override=wanted.override)
            raw = await self._writer.patch(binding, {"release": target, "change": note})
        view = self._catalog.read.binding(raw)
        if not self._writer.dry_run:
            self._catalog.bindings.wrote(view)
        return Outcome(names.record_name(view.uid, view.last_sequence), target, view.resource_version)

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

    async def _live(self, where: ObjectRef, known: BindingView | None) -> tuple[BindingView | None, tuple[Change, ...]]:
        """The binding as the API server has it, with its log."""
        raw = await self._writer.read(where)
        if raw is None:
            if known is not None:
                self._catalog.bindings.deleted(known)
            return None, ()
        view = self._catalog.read.binding(raw)
        self._catalog.bindings.wrote(view)
        return view, deployment.from_object(raw).log


def _is_outdated(refused: ApiError) -> bool:
    """Whether a policy refused because of a lock that is not there any more: it hears of an unlock a moment later."""
    details = refused.details
    return details.get("reason") == ConflictReason.ENVIRONMENT_LOCKED and "lock_reason" not in details


def _slug_of(environment: EnvironmentView) -> EnvironmentSlug:
    return EnvironmentSlug.parse(environment.name)


def _newest_first(chains: list[Chain]) -> list[Line]:
    return sorted((line for chain in chains for line in chain.descending()), key=lambda line: line.key, reverse=True)


def _release_of_line(chains: list[Chain], wanted: str) -> str:
    for line in _newest_first(chains):
        if names.record_name(line.uid, line.sequence) == wanted:
            if line.release is None:
                raise _nothing("That change took the app out: it left no release to go back to")
            return line.release
    raise errors.not_found("deployment", wanted)


def _release_that_was_there(chains: list[Chain], release: str) -> str:
    truncated = any(chain.oldest_sequence() > 1 for chain in chains)
    if truncated or any(release in {line.release, line.previous} for chain in chains for line in chain.descending()):
        return release
    raise _nothing("That release was never active for this app here")


def _last_different(chains: list[Chain], active: str | None) -> str:
    for line in _newest_first(chains):
        for release in (line.release, line.previous):
            if release is not None and release != active:
                return release
    raise _nothing("There is no earlier release to go back to")


def _nothing(message: str) -> errors.ApiError:
    return errors.conflict(ConflictReason.NOTHING_TO_ROLL_BACK, message)
