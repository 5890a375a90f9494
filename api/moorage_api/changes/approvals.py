"""Giving Approvals and taking them back, in the caller's name; the API server decides who may do either."""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from moorage_api.cache.views import EnvironmentView
from moorage_api.changes.writer import DEPARTURE_SECONDS, MAX_TRIES, Writer
from moorage_api.contract import errors
from moorage_api.operation import Call, Facade
from moorage_api.reads import approvals, translate
from moorage_crds import names
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.kinds import approval
from moorage_crds.kinds.approval import Approval
from moorage_crds.objects import RawObject, metadata
from moorage_crds.store import ConflictError, NotFoundError, ObjectRef

#: Characters of the hash in the name of an Approval.
_DIGITS: Final = 24
#: Names that are tried before one that nobody can foresee: anybody can make the hash, and an Approval of that name.
MOST_NAMES: Final = 8


@dataclass(frozen=True, slots=True)
class WantedApproval:
    """Somebody's yes or no to a release."""

    app: str
    release: str
    decision: str
    comment: str | None

    def spec(self, environment: str) -> dict[str, Any]:
        """The spec of the kind."""
        said = {
            "environment": environment,
            "app": self.app,
            "release": self.release,
            "decision": self.decision,
            "comment": self.comment,
        }
        return translate.without_nulls(said)

    def name(self, environment: EnvironmentView, user: str) -> EnvironmentSlug:
        """One name for each person, release and decision: a call that is repeated says the same thing once."""
        said = orjson.dumps([environment.uid, self.app, self.release, self.decision, user])
        return EnvironmentSlug.parse(f"{self.decision.lower()}-{hashlib.sha256(said).hexdigest()[:_DIGITS]}")


class ApprovalChanges:
    """Changes of Approvals for one call."""

    def __init__(self, facade: Facade, call: Call, *, dry_run: bool) -> None:
        self._clock = facade.clock
        self._catalog = facade.catalog
        self._user = call.caller.username
        self._writer = Writer(facade, call, dry_run=dry_run)

    async def give(self, environment: EnvironmentView, wanted: WantedApproval) -> Approval:
        """Say it. What was said before and still counts stays; what has been used up or has ended is replaced.

        Raises:
            ApiError: every refusal.
        """
        for name in self._names(environment, wanted):
            given = await self._give_as(name, environment, wanted)
            if given is not None:
                return given
        raise errors.busy("Others are taking the names of Approvals; try again")

    def _names(self, environment: EnvironmentView, wanted: WantedApproval) -> Iterator[EnvironmentSlug]:
        """The names to try. What the caller has said already comes first: a name taken then may be free by now."""
        known = tuple(self._catalog.approvals_of(environment.namespace, environment.name))
        yield from (EnvironmentSlug.parse(one.name) for one in known if self._says(environment, one, wanted))
        first = wanted.name(environment, self._user)
        yield first
        yield from (EnvironmentSlug.parse(f"{first}-{number}") for number in range(2, MOST_NAMES + 1))
        yield EnvironmentSlug.parse(f"{first}-{secrets.token_hex(8)}")

    async def _give_as(
        self, name: EnvironmentSlug, environment: EnvironmentView, wanted: WantedApproval
    ) -> Approval | None:
        """Say it by that name. None if something else, or somebody else's, has it. Raises ApiError."""
        body = translate.wanted_approval(name, wanted.spec(environment.name))
        for _ in range(MAX_TRIES):
            try:
                raw = await self._writer.create(names.APPROVALS, body, kind="approval", shown=name, slug="")
                return self._taken(raw)
            except ConflictError:
                known = await self._live(name)
            if known is None:
                continue
            if not self._says(environment, known, wanted):
                return None
            if approvals.counts(self._catalog, environment, known, self._clock.now()):
                return known
            await self._remove(known)
            if self._writer.dry_run:
                # The old one is still there, and keeps its name.
                body = translate.wanted_approval(f"{name}-again", wanted.spec(environment.name))
        raise errors.busy("Others are changing the same Approval; try again")

    async def take_back(self, environment: EnvironmentView, name: EnvironmentSlug) -> str:
        """Delete an Approval. Raises ApiError; 404 if there is none, 409 while finalizers hold it.

        Returns:
            The resourceVersion of the removal, empty if it is not known.
        """
        known = await self._live(name)
        if known is None or known.environment != environment.name:
            raise errors.not_found("approval", name)
        try:
            held = await self._writer.delete(known, exact=False)
        except (ConflictError, NotFoundError):
            # Another one has its name by now, or none: the one that was meant is gone.
            raise errors.not_found("approval", name) from None
        if self._writer.dry_run:
            return ""
        cache = self._catalog.plain(approval.KIND)
        if held is not None:
            self._taken(held)
        else:
            self._catalog.deleted_plain(approval.KIND, known)
        version = await cache.gone_at(known.uid, DEPARTURE_SECONDS)
        if held is not None and not version:
            raise _goes(held)
        return version

    def _says(self, environment: EnvironmentView, known: Approval, wanted: WantedApproval) -> bool:
        """Whether an Approval says just that, and is the caller's own."""
        said = (known.environment, known.app, known.release, str(known.decision), known.by)
        return said == (environment.name, wanted.app, wanted.release, wanted.decision, self._user)

    async def _remove(self, known: Approval) -> None:
        """Delete what has been used up or has ended. Raises ApiError 409 while finalizers hold it."""
        try:
            held = await self._writer.delete(known, exact=False)
        except (ConflictError, NotFoundError):
            return
        if self._writer.dry_run:
            return
        if held is not None:
            raise _goes(held)
        self._catalog.deleted_plain(approval.KIND, known)

    async def _live(self, name: EnvironmentSlug) -> Approval | None:
        raw = await self._writer.find(ObjectRef(names.APPROVALS, self._writer.namespace, name))
        return self._taken(raw) if raw is not None else None

    def _taken(self, raw: RawObject) -> Approval:
        if not self._writer.dry_run:
            self._catalog.wrote_plain(approval.KIND, raw)
        return approval.from_object(raw)


def _goes(held: RawObject) -> errors.ApiError:
    meta = metadata(held)
    return errors.being_deleted(f"The Approval {meta['name']}", meta.get("finalizers") or ())
