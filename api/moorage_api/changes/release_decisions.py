"""Decides what a request for another release leads to: on one known state, without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.chains import ChainLines
from moorage_api.cache.line import Line
from moorage_api.cache.views import BindingView, EnvironmentView, pending_line
from moorage_api.changes.writer import require_undeclared
from moorage_api.contract import errors, idempotency
from moorage_api.contract.errors import ACTIVE, ConflictReason
from moorage_api.contract.idempotency import Fingerprint
from moorage_crds import names
from moorage_crds.identifiers import AppId
from moorage_crds.kinds.deployment import Action, Change


@dataclass(frozen=True, slots=True)
class WantedChange:
    """A change that somebody asks for.

    Attributes:
        action: deploy, undeploy or rollback.
        release: the release to deploy or to go back to; None: the last different one (rollback) or none (undeploy).
        line: the `deployment_id` to go back to (rollback).
        expected: refuse if another release is active.
        fingerprint: of the Idempotency-Key; None without one.
        override: change it although a GitOps tool declares it.
        gates: those that the change passes although they refuse.
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
    gates: tuple[str, ...] = ()

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
            # Absent where there are none: keys of before stay what they were.
            *self.gates,
        ]


@dataclass(frozen=True, slots=True)
class ChangeResult:
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
class KnownState:
    """The state that is decided on.

    Attributes:
        binding: the Deployment; None if there is none.
        log: its change log as far back as it goes, if the API server was asked.
        live: the API server was asked; else it is the cache's, which may lag.
        tests: hold while nobody changes the release of the live Deployment.
    """

    binding: BindingView | None
    log: tuple[Change, ...] = ()
    live: bool = False
    tests: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """The write that is due: this release on that state; a new Deployment if there is none.

    Attributes:
        tests: what of the state must still be there; None: all of it.
    """

    binding: BindingView | None
    release: str | None
    tests: Mapping[str, Any] | None = None


class ReleaseDecisions:
    """Decisions for one user, on what the catalog knows of the history."""

    def __init__(self, catalog: Catalog, user: str) -> None:
        self._catalog = catalog
        self._user = user

    def decision(self, wanted: WantedChange, known: KnownState) -> ChangeResult | Edit:
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
            return ChangeResult(names.record_name(binding.uid, binding.last_sequence), active, binding.resource_version)
        require_undeclared({"spec.release": binding.declared_by}, override=wanted.override)
        return Edit(binding, target, known.tests)

    def _require_possible(self, wanted: WantedChange, binding: BindingView | None, active: str | None) -> None:
        if self._is_absent(wanted, binding):
            raise errors.not_found("deployment", wanted.app)
        if binding is not None and binding.app != wanted.app:
            raise errors.conflict(
                ConflictReason.APP_NAME_COLLISION,
                f"The app {binding.app} has the same name here but for case and '_' or '-'",
                app_id=binding.app,
            )
        if binding is not None and binding.deleting:
            raise errors.being_deleted(f"The Deployment {binding.name}", binding.finalizers, app_id=binding.app)
        if wanted.expected is not None and wanted.expected != active:
            raise errors.conflict(
                ConflictReason.RELEASE_MISMATCH,
                "Another release is active than the one that was expected",
                **{ACTIVE: active},
            )

    def _is_absent(self, wanted: WantedChange, binding: BindingView | None) -> bool:
        """Whether there is nothing that could be taken out, or (not even in the history) rolled back."""
        if wanted.action is Action.UNDEPLOY:
            return binding is None or binding.release is None or binding.app != wanted.app
        return wanted.action is Action.ROLLBACK and binding is None and not self._chains(wanted)

    def _target(self, wanted: WantedChange, known: KnownState, active: str | None) -> str | None:
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

    def _chains(self, wanted: WantedChange) -> list[ChainLines]:
        environment = wanted.environment
        chains = self._catalog.history.chains(environment, self._catalog.birth(environment))
        return [chain for chain in chains if chain.app == wanted.app]

    def _lines(self, wanted: WantedChange, known: KnownState) -> list[Line]:
        """All known lines of the app, newest first; those too that only the log of the live binding has."""
        chains = {chain.uid: chain for chain in self._chains(wanted)}
        lines = [line for chain in chains.values() for line in chain.descending()]
        binding = known.binding
        if binding is not None and (chain := chains.get(binding.uid)) is not None:
            lines += [pending_line(binding, change) for change in known.log if chain.get(change.sequence) is None]
        return sorted(lines, key=lambda line: line.key, reverse=True)

    def is_behind(self, wanted: WantedChange, binding: BindingView | None) -> bool:
        """Whether what is wanted depends on the history, and the last change of the binding is not there.

        Its record is still on its way to us.
        """
        if binding is None or (wanted.fingerprint is None and wanted.action is not Action.ROLLBACK):
            return False
        chain = self._catalog.history.chain(binding.uid)
        return binding.last_sequence > 0 and (chain is None or chain.get(binding.last_sequence) is None)

    def _repeated(self, wanted: WantedChange, known: KnownState) -> ChangeResult | None:
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
            version = _version_that_shows(line, known)
            return ChangeResult(names.record_name(line.uid, line.sequence), line.release, version, past=True)
        return None


def _version_that_shows(line: Line, known: KnownState) -> str:
    """A version of the Deployment that is no older than a line of its history; empty if none is known."""
    binding = known.binding
    if binding is None:
        return ""
    shows = binding.uid == line.uid and binding.last_sequence >= line.sequence
    # What the API server has now is newer than every line.
    return binding.resource_version if known.live or shows else ""


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
