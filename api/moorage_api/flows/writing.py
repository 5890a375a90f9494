"""Writes in the caller's name: what the cluster refuses becomes the documented answer, here and nowhere else.

Conflicts and vanished objects stay what they are: the flows read again and decide anew.
"""

from collections.abc import Awaitable, Mapping
from typing import TypeVar

from moorage_api import errors, refusals, translate
from moorage_api.calls import Call, Facade
from moorage_api.errors import ApiError, ConflictReason
from moorage_api.refusals import Attempt
from moorage_api.views import BindingView, EnvironmentView, LockView
from moorage_crds import names, store
from moorage_crds.deployment import UNKNOWN_USER
from moorage_crds.identifiers import BindingName, EnvironmentSlug, Identifier, NamespaceName
from moorage_crds.objects import RawObject
from moorage_crds.store import ConflictError, ForbiddenError, NotFoundError, ObjectRef, Right, StoreError

#: How often a write is decided anew before the answer is "busy".
MAX_TRIES = 5
#: How long the answer of a DELETE waits for our watch, in seconds: the API server answers it without a version, and the
#: event that follows has one.
DEPARTURE_SECONDS = 1.0

ResultT = TypeVar("ResultT")
Written = BindingView | EnvironmentView | LockView

_KINDS: dict[type, tuple[str, type[Identifier], str]] = {
    BindingView: (names.DEPLOYMENTS, BindingName, "deployment"),
    EnvironmentView: (names.ENVIRONMENTS, EnvironmentSlug, "environment"),
    LockView: (names.LOCKS, EnvironmentSlug, "lock"),
}


def ref(view: Written) -> ObjectRef:
    """Where an object is."""
    plural, identifier, _ = _KINDS[type(view)]
    return ObjectRef(plural, NamespaceName.parse(view.namespace), identifier.parse(view.name))


class Writer:
    """Writes of one call, with the caller's token."""

    def __init__(self, facade: Facade, call: Call, *, dry_run: bool) -> None:
        self._facade = facade
        self._call = call
        self._store = facade.store.as_caller(call.caller.token)
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
            return await self._send(sent, attempt, slug=slug)
        except NotFoundError as error:
            # Not the object, which is new, but its Namespace.
            raise errors.not_found("workspace", self._call.workspace.workspace) from error

    async def patch(self, view: Written, spec: RawObject, *, dry_run: bool | None = None) -> RawObject:
        """Merge into the spec of exactly that state of that object.

        Raises:
            ConflictError: it changed meanwhile.
            NotFoundError: it is gone.
            ApiError: every other refusal.
        """
        sent = self._store.merge_patch(
            ref(view), translate.patch(view, spec), dry_run=self.dry_run if dry_run is None else dry_run
        )
        return await self._send(sent, self._attempt("patch", view), slug=_slug(view))

    async def delete(self, view: Written, *, exact: bool, dry_run: bool | None = None) -> None:
        """Delete exactly that object, and with `exact` exactly that state of it.

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
        await self._send(sent, self._attempt("delete", view), slug=_slug(view))

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
        self, sent: Awaitable[ResultT], attempt: Attempt, *, slug: str | None = None, own: bool = False
    ) -> ResultT:
        started = self._facade.clock.monotonic()
        try:
            return await sent
        except (ConflictError, NotFoundError):
            raise
        except StoreError as error:
            raise await self._refusal(error, attempt, slug=slug, own=own) from error
        finally:
            self._call.upstream.seconds += self._facade.clock.monotonic() - started

    async def _refusal(self, error: StoreError, attempt: Attempt, *, slug: str | None, own: bool) -> ApiError:
        if own and isinstance(error, store.UnauthenticatedError | ForbiddenError):
            # It is our own account that is not accepted: nothing that the caller could change.
            return errors.cluster_unavailable(None)
        self._distrust(error, attempt)
        refused = refusals.from_store(error, attempt)
        if refused.details.get("reason") == ConflictReason.ENVIRONMENT_LOCKED and slug is not None:
            refused.details |= await self._lock_details(EnvironmentSlug.parse(slug))
        return refused

    def _distrust(self, error: StoreError, attempt: Attempt) -> None:
        """What a review said a moment ago is not true any more."""
        access, caller = self._facade.access, self._call.caller
        if isinstance(error, store.UnauthenticatedError):
            access.distrust(caller)
        elif isinstance(error, ForbiddenError) and refusals.is_rbac(error):
            access.distrust(caller, Right(attempt.verb, attempt.resource, self.namespace))

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
        return {"lock_reason": lock.reason, "locked_by": lock.locked_by or UNKNOWN_USER}


def _slug(view: Written) -> str:
    return view.environment if isinstance(view, BindingView) else view.name


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
