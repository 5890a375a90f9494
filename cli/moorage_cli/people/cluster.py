"""The way straight to the API server: for people who have a kubeconfig. The policies refuse as they refuse kubectl."""

import secrets
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from moorage_cli.people import checks, cluster_changes, cluster_gates, cluster_reads
from moorage_cli.people.model import (
    Asked,
    Change,
    Exit,
    Explained,
    Freezing,
    Line,
    ListedFreeze,
    Locking,
    Newest,
    Opinion,
    Place,
    Promoting,
    Promotion,
    State,
    TroubleError,
    no_environment,
)
from moorage_cli.people.refusals import mismatch, no_deployment, no_override, no_rule, not_known, not_mine, too_busy
from moorage_crds import names
from moorage_crds.clock import Clock, SystemClock
from moorage_crds.identifiers import BindingName, EnvironmentSlug, InvalidIdentifierError, NamespaceName
from moorage_crds.kinds import approval, deployment, environment, evidence, lock, workspace
from moorage_crds.kinds.deployment import Deployment
from moorage_crds.kinds.registry import kind_of, refusal_by
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.moments import to_moment
from moorage_crds.objects import RawObject, metadata
from moorage_crds.store import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ObjectRef,
    ResourceStore,
    StoreError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)

ResultT = TypeVar("ResultT")

_CODES: Final = (
    (NotFoundError, Exit.NOT_FOUND),
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
        environments = await self._list(names.ENVIRONMENTS)
        bindings = await self._list(names.DEPLOYMENTS)
        return cluster_reads.places(environments, bindings, await self._list(names.LOCKS))

    async def history(self, environment: str, *, app: str | None = None) -> Sequence[Line]:
        """Records, and what of the change logs has none yet; the newest first."""
        if app is not None:
            checks.app(app)
        await self._require(environment)
        return await self._lines(environment, app)

    async def changes(self, asked: Asked) -> Sequence[Line]:
        """The same of the whole workspace, and of environments that are gone."""
        checks.asked(asked)
        found = cluster_reads.chosen(await self._lines(asked.environment, asked.app), asked)
        if asked.environment is not None and not found:
            await self._require(asked.environment)
        return found

    async def _lines(self, environment: str | None, app: str | None) -> list[Line]:
        wanted = {"spec.environment": environment, "spec.app": app}
        fields = ",".join(f"{field}={value}" for field, value in wanted.items() if value is not None) or None
        # Not at once: a change that is recorded between the two would be in neither answer, were the records first.
        bindings = await self._bindings(fields)
        return cluster_reads.lines(await self._list(names.RECORDS, fields), bindings)

    async def state(self, environment: str, app: str) -> State:
        """One app in one environment now."""
        checks.question(environment, app, None)
        slug = await self._require(environment)
        known = await self._binding(
            ObjectRef(names.DEPLOYMENTS, self._namespace, BindingName.of(slug, checks.app(app)))
        )
        if known is None or known.app != app:
            return State(environment, app)
        return cluster_reads.state(known)

    async def change(self, wanted: Change) -> str:
        """One write, on the state that was read: who changes it meanwhile makes this one a conflict."""
        checks.change(wanted)
        slug = await self._require(wanted.environment)
        ref = ObjectRef(names.DEPLOYMENTS, self._namespace, BindingName.of(slug, checks.app(wanted.app)))
        known = await self._binding(ref)
        active = known.release if known else None
        if active is None and wanted.release is None:
            raise no_deployment(wanted.app)
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
        note: dict[str, Any] = {"requestId": request_id, "completeFor": request_id}
        note |= {"reason": wanted.reason} if wanted.reason else {}
        note |= {"action": "rollback"} if wanted.is_rollback else {}
        note |= {"override": sorted(set(wanted.override))} if wanted.override else {}
        if known is None:
            spec = {"environment": wanted.environment, "app": wanted.app, "release": wanted.release, "change": note}
            body = {**kind_of(names.DEPLOYMENTS).header, "metadata": {"name": str(ref.name)}, "spec": spec}
            return await self._store.create(names.DEPLOYMENTS, self._namespace, body, dry_run=wanted.dry_run)
        tests: dict[str, Any] = {"/metadata/uid": known.uid, "/spec/release": known.release}
        values = {"/spec/release": wanted.release, "/spec/change": note}
        return await self._store.guarded_patch(ref, tests=tests, values=values, dry_run=wanted.dry_run)

    async def newest(self) -> Sequence[Newest]:
        """The newest change of every app that is there."""
        bindings = await self._bindings()
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
        bindings = await self._bindings()
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

    async def lock(self, wanted: Locking) -> None:
        """Lock an environment; again: replace what its lock says, if it is the user's own or is taken over."""
        checks.lock(wanted)
        slug = await self._require(wanted.environment)
        ref = ObjectRef(names.LOCKS, self._namespace, slug)
        spec = {"reason": wanted.reason, "until": wanted.until}
        present = {key: value for key, value in spec.items() if value is not None}
        body = {**kind_of(names.LOCKS).header, "metadata": {"name": str(slug)}, "spec": present}
        try:
            await self._store.create(names.LOCKS, self._namespace, body, dry_run=wanted.dry_run)
        except ConflictError:
            if not wanted.take_over:
                await self._require_mine(ref)
            # Null takes away what the lock said before.
            await said(self._store.merge_patch(ref, {"spec": spec}, dry_run=wanted.dry_run))
        except StoreError as error:
            raise _trouble(error) from error

    async def _require_mine(self, ref: ObjectRef) -> None:
        """As the facade asks it. Raises TroubleError for somebody else's lock that holds."""
        found = lock.from_object(await said(self._store.get(ref)))
        end = to_moment(found.until)
        is_over = end is not None and end <= self._clock.now()
        if not is_over and found.locked_by not in {None, await said(cluster_gates.user_of(self._store))}:
            raise not_mine(str(found.locked_by))

    async def unlock(self, environment: str, *, dry_run: bool) -> None:
        """Unlock an environment."""
        slug = await self._require(environment)
        ref = ObjectRef(names.LOCKS, self._namespace, slug)
        try:
            await self._end(ref, dry_run=dry_run)
        except (NotFoundError, ForbiddenError):
            # The deletion says so, or needs less.
            pass
        except StoreError as error:
            raise _trouble(error) from error
        await self._delete(ref, dry_run=dry_run)

    async def _end(self, ref: ObjectRef, *, dry_run: bool) -> None:
        """End a lock in the user's name, as the facade does it: the deletion that follows leaves none."""
        raw = await self._store.get(ref)
        found = lock.from_object(raw)
        if found.ended_by is not None or found.deleting or metadata(raw).get("finalizers"):
            return
        is_mine = found.locked_by == await cluster_gates.user_of(self._store)
        spec = {"until": found.created_at, **({} if is_mine else {"reason": "unlocked"})}
        await self._store.merge_patch(ref, {"spec": spec}, dry_run=dry_run)

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

    async def freezes(self) -> Sequence[ListedFreeze]:
        """The Freezes of the workspace, by name."""
        now = self._clock.now()
        found = [cluster_reads.listed_freeze(raw, now) for raw in await self._list(names.FREEZES)]
        return sorted(found, key=lambda one: one.freeze)

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

    async def _bindings(self, fields: str | None = None) -> list[Deployment]:
        return [deployment.from_object(raw) for raw in await self._list(names.DEPLOYMENTS, fields)]

    async def _list(self, plural: str, fields: str | None = None) -> list[RawObject]:
        async def collect() -> list[RawObject]:
            pages = self._store.pages(plural, namespace=self._namespace, fields=fields)
            return [raw async for page in pages for raw in page.items]

        return await said(collect())


async def cluster_workspaces(store: ResourceStore, clock: Clock | None = None) -> list[tuple[str, ClusterRegister]]:
    """All workspaces of the cluster in which the user may list environments, by name. Raises TroubleError."""

    async def collect() -> list[Workspace]:
        raws = [raw async for page in store.pages(names.NAMESPACES) for raw in page.items]
        return [one for one in map(workspace.from_object, raws) if one is not None]

    async def shows(namespace: str) -> bool:
        try:
            async for _ in store.pages(names.ENVIRONMENTS, namespace=NamespaceName.parse(namespace)):
                return True
        except ForbiddenError:
            return False
        return True

    claims: dict[tuple[str, str], list[Workspace]] = {}
    for one in await said(collect()):
        claims.setdefault((one.org, one.workspace), []).append(one)
    # Of several Namespaces with the same labels the facade shows one, too.
    chosen = {f"{org}/{name}": workspace.chosen(found) for (org, name), found in sorted(claims.items())}
    return [
        (name, ClusterRegister(store, one.namespace, clock))
        for name, one in chosen.items()
        if one is not None and await said(shows(one.namespace))
    ]


async def said(asked: Awaitable[ResultT]) -> ResultT:
    """What was asked, its errors as trouble."""
    try:
        return await asked
    except StoreError as error:
        raise _trouble(error) from error


def _trouble(error: StoreError) -> TroubleError:
    if isinstance(error, ForbiddenError):
        return _refused(error)
    if isinstance(error, UnauthenticatedError):
        return not_known()
    if isinstance(error, ThrottledError):
        return too_busy(error.message)
    if isinstance(error, UnavailableError):
        return TroubleError(Exit.TROUBLE, f"the cluster gives no usable answer: {error.message}")
    code = next((code for kind, code in _CODES if isinstance(error, kind)), Exit.TROUBLE)
    return TroubleError(code, error.message, reason=error.answer.reason)


def _refused(error: ForbiddenError) -> TroubleError:
    if error.policy == names.POLICY_APPROVAL_RIGHTS:
        return TroubleError(Exit.NO_RIGHT, f"you may not {names.APPROVE_VERB} {names.ENVIRONMENTS} there")
    if error.policy == names.POLICY_OVERRIDES:
        return no_override()
    if error.by_authorizer:
        return TroubleError(Exit.NO_RIGHT, error.message)
    refusal = refusal_by(error.policy or "")
    return TroubleError(Exit.REFUSED, refusal.message or error.message, reason=refusal.reason)
