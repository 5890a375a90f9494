"""The way straight to the API server: for people who have a kubeconfig. The policies refuse as they refuse kubectl."""

import secrets
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar

from moorage_cli.people import checks, cluster_changes, cluster_gates
from moorage_cli.people.model import (
    Change,
    Exit,
    Explained,
    Freezing,
    Line,
    Lock,
    Newest,
    Opinion,
    Place,
    Promoting,
    Promotion,
    TroubleError,
    mismatch,
    no_environment,
    no_rule,
)
from moorage_crds import names
from moorage_crds.clock import Clock, SystemClock
from moorage_crds.identifiers import BindingName, EnvironmentSlug, InvalidIdentifierError, NamespaceName
from moorage_crds.kinds import approval, deployment, environment, evidence, lock, record
from moorage_crds.kinds.deployment import Change as StoredChange
from moorage_crds.kinds.deployment import Deployment
from moorage_crds.kinds.registry import kind_of, refusal_by
from moorage_crds.objects import RawObject, metadata
from moorage_crds.store import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ObjectRef,
    ResourceStore,
    StoreError,
    UnauthenticatedError,
)

ResultT = TypeVar("ResultT")

_CODES: Final = (
    (NotFoundError, Exit.NOT_FOUND),
    (UnauthenticatedError, Exit.NO_RIGHT),
    (ConflictError, Exit.CONFLICT),
    (InvalidError, Exit.USAGE),
)


class ClusterRegister:
    """`Register` over the API server.

    Args:
        store: acts as the user of the kubeconfig.
        namespace: the Namespace of the workspace.
        clock: says whether an Approval has ended.
    """

    def __init__(self, store: ResourceStore, namespace: str, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or SystemClock()
        try:
            self._namespace: NamespaceName = NamespaceName.parse(namespace)
        except InvalidIdentifierError as error:
            raise TroubleError(Exit.USAGE, str(error)) from None

    async def places(self) -> Sequence[Place]:
        """All environments, by slug."""
        found = [environment.from_object(raw) for raw in await self._list(names.ENVIRONMENTS)]
        bindings = [deployment.from_object(raw) for raw in await self._list(names.DEPLOYMENTS)]
        locks = {one.name: one for one in map(lock.from_object, await self._list(names.LOCKS))}
        return [
            Place(
                environment=one.name,
                name=one.display_name,
                is_default=one.is_default,
                active={
                    binding.app: binding.release
                    for binding in sorted(bindings, key=lambda binding: binding.app)
                    if binding.environment == one.name and binding.release is not None
                },
                lock=Lock(locks[one.name].locked_by or names.UNKNOWN_USER, locks[one.name].reason)
                if one.name in locks
                else None,
            )
            for one in sorted(found, key=lambda one: one.name)
        ]

    async def history(self, environment: str, *, app: str | None = None) -> Sequence[Line]:
        """Records, and what of the change logs has none yet; the newest first."""
        wanted = f",spec.app={checks.app(app)}" if app is not None else ""
        await self._require(environment)
        fields = f"spec.environment={environment}{wanted}"
        bindings = [deployment.from_object(raw) for raw in await self._list(names.DEPLOYMENTS, fields)]
        lines = [_recorded(raw) for raw in await self._list(names.RECORDS, fields)]
        known = {line.deployment_id for line in lines}
        waiting = [_waiting(one, change) for one in bindings for change in deployment.due_changes(one)]
        lines += [line for line in waiting if line.deployment_id not in known]
        return sorted(lines, key=lambda line: (line.at is None, line.at or "", line.sequence), reverse=True)

    async def change(self, wanted: Change) -> str:
        """One write, on the state that was read: who changes it meanwhile makes this one a conflict."""
        checks.change(wanted)
        slug = await self._require(wanted.environment)
        ref = ObjectRef(names.DEPLOYMENTS, self._namespace, BindingName.of(slug, checks.app(wanted.app)))
        known = await self._binding(ref)
        active = known.release if known else None
        if active is None and wanted.release is None:
            raise TroubleError(Exit.NOT_FOUND, f"there is no deployment {wanted.app}")
        if wanted.expected is not None and wanted.expected != active:
            raise mismatch(wanted, active)
        if known is not None and active == wanted.release:
            return names.record_name(known.uid, max(known.logged, known.recorded))
        made = await said(self._write(ref, wanted, known))
        view = deployment.from_object(made)
        return names.record_name(view.uid, view.logged)

    async def _write(self, ref: ObjectRef, wanted: Change, known: Deployment | None) -> RawObject:
        # The whole note, so that a reason counts although it is the one of an earlier change.
        request_id = secrets.token_hex(16)
        note = {"requestId": request_id, "completeFor": request_id}
        note |= {"reason": wanted.reason} if wanted.reason else {}
        note |= {"action": "rollback"} if wanted.is_rollback else {}
        if known is None:
            spec = {"environment": wanted.environment, "app": wanted.app, "release": wanted.release, "change": note}
            body = {**kind_of(names.DEPLOYMENTS).header, "metadata": {"name": str(ref.name)}, "spec": spec}
            return await self._store.create(names.DEPLOYMENTS, self._namespace, body, dry_run=wanted.dry_run)
        tests: dict[str, Any] = {"/metadata/uid": known.uid, "/spec/release": known.release}
        values = {"/spec/release": wanted.release, "/spec/change": note}
        return await self._store.guarded_patch(ref, tests=tests, values=values, dry_run=wanted.dry_run)

    async def newest(self) -> Sequence[Newest]:
        """The newest change of every app that is there."""
        bindings = [deployment.from_object(raw) for raw in await self._list(names.DEPLOYMENTS)]
        there = {str(metadata(raw)["name"]) for raw in await self._list(names.ENVIRONMENTS)}
        return cluster_changes.newest(bindings, there)

    async def promote(self, wanted: Promoting) -> Sequence[Promotion]:
        """Each app by a change of its own, as `change` makes it."""
        checks.promotion(wanted)
        slug = await self._require(wanted.environment)
        place = await said(self._store.get(ObjectRef(names.ENVIRONMENTS, self._namespace, slug)))
        rule = environment.from_object(place).protection.promotion
        origin = wanted.origin or (rule.origin if rule is not None else None)
        if origin is None:
            raise no_rule(wanted.environment)
        await self._require(origin)
        bindings = [deployment.from_object(raw) for raw in await self._list(names.DEPLOYMENTS)]
        return await cluster_changes.promoted(wanted, origin, bindings, self.change)

    async def decide(self, opinion: Opinion) -> str:
        """One Approval, in the name of the user; what still counts is not said again."""
        checks.opinion(opinion)
        slug = await self._require(opinion.environment)
        place = await said(self._store.get(ObjectRef(names.ENVIRONMENTS, self._namespace, slug)))
        known = [approval.from_object(raw) for raw in await self._list(names.APPROVALS)]
        binding = await self._binding(
            ObjectRef(names.DEPLOYMENTS, self._namespace, BindingName.of(slug, checks.app(opinion.app)))
        )
        mine = cluster_changes.said_before(opinion, known, await said(cluster_gates.user_of(self._store)))
        asked = environment.from_object(place).protection.approvals
        valid_for = asked.valid_for if asked is not None else None
        turn, now = cluster_changes.turn_of(binding), self._clock.now()
        for one in mine:
            if evidence.counts(one, turn, valid_for, now):
                return one.name
        body = cluster_changes.approval_of(opinion, secrets.token_hex(3))
        created = self._store.create(names.APPROVALS, self._namespace, body, dry_run=opinion.dry_run)
        return str(metadata(await said(created))["name"])

    async def create_environment(self, environment: str, *, dry_run: bool) -> None:
        """Make an environment that is not there, with its slug as its name."""
        slug = checks.slug(environment)
        header = kind_of(names.ENVIRONMENTS).header
        body = {**header, "metadata": {"name": str(slug)}, "spec": {"displayName": str(slug)}}
        await said(self._store.create(names.ENVIRONMENTS, self._namespace, body, dry_run=dry_run))

    async def lock(self, environment: str, reason: str, *, dry_run: bool) -> None:
        """Lock an environment; again: replace the reason."""
        checks.reason(reason)
        slug = await self._require(environment)
        ref = ObjectRef(names.LOCKS, self._namespace, slug)
        body = {**kind_of(names.LOCKS).header, "metadata": {"name": str(slug)}, "spec": {"reason": reason}}
        try:
            await self._store.create(names.LOCKS, self._namespace, body, dry_run=dry_run)
        except ConflictError:
            await said(self._store.merge_patch(ref, {"spec": {"reason": reason}}, dry_run=dry_run))
        except StoreError as error:
            raise _trouble(error) from error

    async def unlock(self, environment: str, *, dry_run: bool) -> None:
        """Unlock an environment."""
        slug = await self._require(environment)
        await self._delete(ObjectRef(names.LOCKS, self._namespace, slug), dry_run=dry_run)

    async def _delete(self, ref: ObjectRef, *, dry_run: bool) -> None:
        try:
            found = await self._store.get(ref)
        except NotFoundError:
            word = kind_of(ref.plural).rest_word
            raise TroubleError(Exit.NOT_FOUND, f"there is no {word} {ref.name}") from None
        except StoreError as error:
            raise _trouble(error) from error
        await said(self._store.delete(ref, uid=str(metadata(found)["uid"]), dry_run=dry_run))

    async def explain(self, environment: str, app: str | None, release: str | None, at: datetime) -> Explained:
        """What every gate says of a change at a moment."""
        checks.question(environment, app, release)
        slug = await self._require(environment)
        place = await said(self._store.get(ObjectRef(names.ENVIRONMENTS, self._namespace, slug)))
        return await said(cluster_gates.explained(self._store, self._list, place, (app, release), at))

    async def freeze(self, wanted: Freezing, *, dry_run: bool) -> None:
        """Create a Freeze; again: replace what it says."""
        checks.freeze(wanted)
        name = checks.slug_of_freeze(wanted.name)
        # Null takes away what an older Freeze of that name says.
        spec: dict[str, Any] = dict.fromkeys(("mode", "weekly", "yearly", "timeZone", "enforcement"))
        spec |= {"reason": wanted.reason, "windows": [{"from": wanted.begins, "until": wanted.until}]}
        spec |= {"environments": list(wanted.environments) or None, "apps": list(wanted.apps) or None}
        spec |= {"allowRollback": wanted.allow_rollback}
        present = {key: value for key, value in spec.items() if value is not None}
        body = {**kind_of(names.FREEZES).header, "metadata": {"name": str(name)}, "spec": present}
        ref = ObjectRef(names.FREEZES, self._namespace, name)
        try:
            await self._store.create(names.FREEZES, self._namespace, body, dry_run=dry_run)
        except ConflictError:
            await said(self._store.merge_patch(ref, {"spec": spec}, dry_run=dry_run))
        except StoreError as error:
            raise _trouble(error) from error

    async def unfreeze(self, name: str, *, dry_run: bool) -> None:
        """Delete a Freeze."""
        await self._delete(ObjectRef(names.FREEZES, self._namespace, checks.slug_of_freeze(name)), dry_run=dry_run)

    async def _binding(self, ref: ObjectRef) -> Deployment | None:
        try:
            return deployment.from_object(await self._store.get(ref))
        except NotFoundError:
            return None
        except StoreError as error:
            raise _trouble(error) from error

    async def _require(self, slug: str) -> EnvironmentSlug:
        name = checks.slug(slug)
        try:
            await self._store.get(ObjectRef(names.ENVIRONMENTS, self._namespace, name))
        except NotFoundError:
            known = [str(metadata(raw)["name"]) for raw in await self._list(names.ENVIRONMENTS)]
            raise no_environment(slug, known) from None
        except StoreError as error:
            raise _trouble(error) from error
        return name

    async def _list(self, plural: str, fields: str | None = None) -> list[RawObject]:
        async def collect() -> list[RawObject]:
            pages = self._store.pages(plural, namespace=self._namespace, fields=fields)
            return [raw async for page in pages for raw in page.items]

        return await said(collect())


async def said(asked: Awaitable[ResultT]) -> ResultT:
    """What was asked, its errors as trouble."""
    try:
        return await asked
    except StoreError as error:
        raise _trouble(error) from error


def _trouble(error: StoreError) -> TroubleError:
    if isinstance(error, ForbiddenError) and error.policy == names.POLICY_APPROVAL_RIGHTS:
        return TroubleError(Exit.NO_RIGHT, f"you may not {names.APPROVE_VERB} {names.ENVIRONMENTS} there")
    if isinstance(error, ForbiddenError) and not error.by_authorizer:
        refusal = refusal_by(error.policy or "")
        return TroubleError(Exit.REFUSED, refusal.message or error.message, reason=refusal.reason)
    if isinstance(error, ForbiddenError):
        return TroubleError(Exit.NO_RIGHT, error.message)
    code = next((code for kind, code in _CODES if isinstance(error, kind)), Exit.TROUBLE)
    return TroubleError(code, error.message, reason=error.answer.reason)


def _recorded(raw: RawObject) -> Line:
    one, claim = record.from_object(raw), record.imported_claim(raw)
    line = _line(one.name, one.binding.environment, one.binding.app, one.change, recorded=True)
    return replace(line, by=None, at=claim.at, imported=True, claimed_by=claim.by) if claim is not None else line


def _waiting(binding: Deployment, change: StoredChange) -> Line:
    name = names.record_name(binding.uid, change.sequence)
    return _line(name, binding.environment, binding.app, change, recorded=False)


def _line(name: str, slug: str, app: str, change: StoredChange, *, recorded: bool) -> Line:
    return Line(
        deployment_id=name,
        environment=slug,
        app=app,
        action=str(change.action),
        previous=change.previous,
        release=change.release,
        by=change.by,
        at=change.at,
        reason=change.reason,
        sequence=change.sequence,
        recorded=recorded,
    )
