"""Writes in the caller's name: what the cluster refuses becomes the documented answer, here and nowhere else.

Conflicts and vanished objects are passed on: the flows read again and decide again.
"""

import secrets
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from moorage_api.cache.views import BindingView, EnvironmentView, FreezeView, LockView
from moorage_api.changes import refusals
from moorage_api.changes.refusals import Attempt
from moorage_api.contract import errors
from moorage_api.contract.errors import ApiError, ConflictReason
from moorage_api.operation import Call, Facade
from moorage_api.reads import gates, translate
from moorage_crds import names, store
from moorage_crds.gates.verdict import NEW_RELEASE, AskedChange
from moorage_crds.identifiers import BindingName, EnvironmentSlug, Identifier, NamespaceName
from moorage_crds.kinds import cluster_freeze
from moorage_crds.kinds.approval import Approval
from moorage_crds.objects import RawObject
from moorage_crds.store import ConflictError, ForbiddenError, NotFoundError, ObjectRef, Right, StoreError

#: How often a write is decided again before the answer is "busy".
MAX_TRIES = 5
#: How long the answer of a DELETE waits for our watch, in seconds: the API server answers it without a version, and the
#: event that follows has one.
DEPARTURE_SECONDS = 1.0

ResultT = TypeVar("ResultT")
Patched = BindingView | EnvironmentView | FreezeView | LockView
Written = Patched | Approval

_KINDS: dict[type, tuple[str, type[Identifier], str]] = {
    BindingView: (names.DEPLOYMENTS, BindingName, "deployment"),
    EnvironmentView: (names.ENVIRONMENTS, EnvironmentSlug, "environment"),
    LockView: (names.LOCKS, EnvironmentSlug, "lock"),
    FreezeView: (names.FREEZES, EnvironmentSlug, "freeze"),
    Approval: (names.APPROVALS, EnvironmentSlug, "approval"),
}


def ref(view: Written) -> ObjectRef:
    """Where an object is."""
    plural, identifier, _ = _KINDS[type(view)]
    return ObjectRef(plural, NamespaceName.parse(view.namespace), identifier.parse(view.name))


class Writer:
    """Writes of one call, with the caller's token."""

    def __init__(self, facade: Facade, call: Call, *, dry_run: bool) -> None:
        self._facade = facade
        self._override = frozenset(getattr(call.query, "override", None) or ())
        self._call = call
        self._store = facade.store.as_caller(call.caller.token, call.upstream.warn)
        self.dry_run = dry_run
        self.namespace = NamespaceName.parse(call.workspace.namespace)

    async def create(self, plural: str, body: RawObject, *, kind: str, shown: str, slug: str) -> RawObject:
        """Create an object.

        Args:
            plural: its kind.
            body: the object.
            kind: the REST word for it.
            shown: its id in REST.
            slug: the environment that it belongs to.

        Raises:
            ConflictError: the name is taken.
            ApiError: every other refusal.
        """
        attempt = Attempt(self._permission, "create", plural, kind, shown)
        try:
            sent = self._store.create(plural, self.namespace, body, dry_run=self.dry_run)
            return await self._send(sent, attempt, change=_change(slug, body["spec"]))
        except NotFoundError as error:
            # Not the object, which is new, but its Namespace.
            raise errors.not_found("workspace", self._call.workspace.workspace) from error

    async def patch(self, view: Patched, spec: RawObject, *, dry_run: bool | None = None) -> RawObject:
        """Merge into the spec of exactly that state of that object.

        Raises:
            ConflictError: it changed meanwhile.
            NotFoundError: it is gone.
            ApiError: every other refusal.
        """
        sent = self._store.merge_patch(
            ref(view), translate.patch(view, spec), dry_run=self.dry_run if dry_run is None else dry_run
        )
        return await self._send(sent, self._attempt("patch", view), change=_change_of(view, spec.get("release")))

    async def edit(self, view: EnvironmentView | LockView, spec: Mapping[str, Any]) -> RawObject:
        """Set fields of the spec of an object that was just read, if nobody has changed its spec since.

        Raises:
            ConflictError: somebody has.
            NotFoundError: it is gone.
            ApiError: every other refusal.
        """
        sent = self._store.guarded_patch(
            ref(view),
            tests={"/metadata/uid": view.uid, "/metadata/generation": view.generation},
            values={f"/spec/{field}": value for field, value in spec.items()},
            dry_run=self.dry_run,
        )
        return await self._send(sent, self._attempt("patch", view), change=_change_of(view))

    async def change_release(
        self,
        view: BindingView,
        release: str | None,
        note: RawObject,
        *,
        tests: Mapping[str, Any] | None,
        dry_run: bool | None = None,
    ) -> RawObject:
        """Set the release of a binding, with the note on it.

        A state of the cache is written on with its version, because the cache may lag in everything. A state that was
        just read is written on with its release and its number (`tests`): who changes labels all the time holds up
        nobody.

        Raises:
            ConflictError: it changed meanwhile.
            NotFoundError: it is gone.
            ApiError: every other refusal.
        """
        if tests is None:
            return await self.patch(view, {"release": release, "change": note}, dry_run=dry_run)
        sent = self._store.guarded_patch(
            ref(view),
            tests=tests,
            values=translate.release_values(release, note),
            dry_run=self.dry_run if dry_run is None else dry_run,
        )
        return await self._send(sent, self._attempt("patch", view), change=_change_of(view, release))

    async def delete(self, view: Written, *, exact: bool, dry_run: bool | None = None) -> RawObject | None:
        """Delete exactly that object, and with `exact` exactly that state of it.

        Returns:
            None if it is gone; else the object as it stands, held by finalizers.

        Raises:
            ConflictError: it changed meanwhile, or is another one.
            NotFoundError: it is gone.
            ApiError: every other refusal.
        """
        sent = self._store.delete(
            ref(view),
            uid=view.uid,
            resource_version=view.resource_version if exact else None,
            dry_run=self.dry_run if dry_run is None else dry_run,
        )
        return await self._send(sent, self._attempt("delete", view), change=_change_of(view))

    async def bindings(self, slug: EnvironmentSlug) -> list[RawObject]:
        """The live Deployments of an environment, listed with the facade's own account."""
        attempt = Attempt(self._permission, "list", names.DEPLOYMENTS, "deployment", slug)
        sent = self._listed(names.DEPLOYMENTS, self.namespace, fields=f"spec.environment={slug}")
        return await self._send(sent, attempt, own=True)

    async def read(self, where: ObjectRef) -> RawObject | None:
        """The live object, read with the facade's own account; None if there is none."""
        attempt = Attempt(self._permission, "get", where.plural, "object", where.name)
        try:
            return await self._send(self._facade.store.get(where), attempt, own=True)
        except NotFoundError:
            return None

    @property
    def _permission(self) -> str:
        permission = self._call.operation.permission
        return permission.name if permission else ""

    def _attempt(self, verb: str, view: Written) -> Attempt:
        plural, _, kind = _KINDS[type(view)]
        shown = view.app if isinstance(view, BindingView) else view.name
        return Attempt(self._permission, verb, plural, kind, shown)

    async def _send(
        self, sent: Awaitable[ResultT], attempt: Attempt, *, change: AskedChange | None = None, own: bool = False
    ) -> ResultT:
        started = self._facade.clock.monotonic()
        try:
            return await sent
        except (ConflictError, NotFoundError):
            raise
        except StoreError as error:
            raise await self._refusal(error, attempt, change=change, own=own) from error
        finally:
            self._call.upstream.seconds += self._facade.clock.monotonic() - started

    async def _refusal(self, error: StoreError, attempt: Attempt, *, change: AskedChange | None, own: bool) -> ApiError:
        if own and isinstance(error, store.UnauthenticatedError | ForbiddenError):
            # It is our own account that is not accepted: nothing that the caller could change.
            return errors.cluster_unavailable(None)
        self._distrust(error, attempt)
        refused = refusals.from_store(error, attempt)
        if change is not None and refused.details.get("reason") in gates.REASONS:
            await self._explain(refused, change)
        return refused

    async def _explain(self, refused: ApiError, change: AskedChange) -> None:
        """Say which gates are in the way. The API server may know of some that our watch has not told us about yet."""
        catalog, workspace = self._facade.catalog, self._call.workspace
        if refused.details["reason"] == ConflictReason.ENVIRONMENT_LOCKED:
            refused.details |= await self._lock_details(EnvironmentSlug.parse(change.environment))
        asked = replace(change, override=self._override, user=self._call.caller.username)
        change = gates.change_of(catalog, self.namespace, asked)
        now = self._facade.clock.now()
        standing = gates.gates_of(catalog, workspace, change)
        if not gates.explains(refused, standing, change, now=now):
            await self._learn_freezes()
            standing = gates.gates_of(catalog, workspace, change)
        gates.explain(refused, standing, change, now=now)

    async def _learn_freezes(self) -> None:
        """Read all Freezes that may be in the way with the facade's own account."""
        attempt = Attempt(self._permission, "list", names.FREEZES, "freeze", "")
        catalog = self._facade.catalog
        for raw in await self._send(self._listed(names.FREEZES, self.namespace), attempt, own=True):
            catalog.freezes.wrote(catalog.read.freeze(raw))
        for raw in await self._send(self._listed(names.CLUSTER_FREEZES, None), attempt, own=True):
            catalog.wrote_plain(cluster_freeze.KIND, raw)

    async def find(self, where: ObjectRef) -> RawObject | None:
        """The live object of a kind that the facade's own account may only list; None if there is none."""
        attempt = Attempt(self._permission, "list", where.plural, "object", where.name)
        sent = self._listed(where.plural, self.namespace, fields=f"metadata.name={where.name}")
        return next(iter(await self._send(sent, attempt, own=True)), None)

    async def _listed(
        self, plural: str, namespace: NamespaceName | None, *, fields: str | None = None
    ) -> list[RawObject]:
        pages = self._facade.store.pages(plural, namespace=namespace, fields=fields)
        return [raw async for page in pages for raw in page.items]

    def _distrust(self, error: StoreError, attempt: Attempt) -> None:
        """What a review said a moment ago is not true any more."""
        access, caller = self._facade.access, self._call.caller
        if isinstance(error, store.UnauthenticatedError):
            access.distrust(caller)
        elif isinstance(error, ForbiddenError) and error.by_authorizer:
            access.distrust(caller, Right(attempt.verb, attempt.resource, self.namespace))

    async def probe(self, slug: EnvironmentSlug) -> None:
        """Ask by dry run whether a release could be deployed into the environment now. Raises ApiError if not."""
        app = f"lock-probe-{secrets.token_hex(4)}"
        spec = {"environment": str(slug), "app": app, "release": "probe"}
        body = translate.wanted_binding(names.binding_name(slug, app), spec)
        attempt = Attempt(self._permission, "create", names.DEPLOYMENTS, "deployment", app)
        # What is warned of here nobody has asked for.
        quiet = self._facade.store.as_caller(self._call.caller.token)
        sent = quiet.create(names.DEPLOYMENTS, self.namespace, body, dry_run=True)
        await self._send(sent, attempt, change=_change(slug, spec))

    async def _lock_details(self, slug: EnvironmentSlug) -> dict[str, str]:
        catalog = self._facade.catalog
        lock = catalog.locks.get(self.namespace, slug)
        if lock is None:
            # The API server knows of a lock that our watch has not told us about yet.
            raw = await self.read(ObjectRef(names.LOCKS, self.namespace, slug))
            if raw is None:
                return {}
            lock = catalog.read.lock(raw)
            catalog.locks.wrote(lock)
        return {"lock_reason": lock.reason, "locked_by": lock.locked_by or names.UNKNOWN_USER}


def _change(slug: str, spec: Mapping[str, Any]) -> AskedChange:
    """The effect of a new object on the gates of that environment; only a Deployment changes a release."""
    return AskedChange(slug, spec.get("app", ""), spec.get("release", NEW_RELEASE))


def _change_of(view: Written, release: str | None = NEW_RELEASE) -> AskedChange:
    """The same of a change of an object. `release`: the wanted one, of a Deployment."""
    if isinstance(view, BindingView):
        return AskedChange(view.environment, view.app, release)
    return AskedChange(view.name)


def require_undeclared(owners: Mapping[str, str | None], *, override: bool) -> None:
    """Refuse to change what GitOps tools declare: they would put it back.

    Args:
        owners: each field that would change → the field manager that declares it, None if nobody does.
        override: write anyway.

    Raises:
        ApiError: 409 ManagedDeclaratively, with every declared field.
    """
    declared = {field: manager for field, manager in owners.items() if manager is not None}
    if not declared or override:
        return
    manager = next(iter(declared.values()))
    raise errors.conflict(
        ConflictReason.MANAGED_DECLARATIVELY,
        f"{manager} declares this and would put it back; change it there, or repeat with override_ownership=true",
        managed_by=manager,
        fields=list(declared),
    )
