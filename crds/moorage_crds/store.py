"""Ports: our resources in the cluster, reviews of identity and rights, and what can go wrong with them.

    StoreError
    ├── NotFoundError           404
    ├── ConflictError           409: changed meanwhile, or a precondition (uid, resourceVersion) does not hold
    │   └── AlreadyExistsError  409 on create
    ├── InvalidError            422: schema, CEL, a failed `test`; carries the causes
    ├── ForbiddenError          403: RBAC, or an admission policy, which is then named
    ├── UnauthenticatedError    401
    ├── GoneError               410: the version or page is too old; list again
    └── TransientError          worth a retry; carries the delay that the server asked for
        ├── ThrottledError      429
        └── UnavailableError    timeouts, connections, 5xx, answers that are no JSON

No exception of an HTTP library or of a client leaves `moorage_crds.kube`: adapters turn them into these.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from moorage_crds.identifiers import Identifier, NamespaceName
from moorage_crds.objects import RawObject


class StoreError(Exception):
    """The cluster did not do what was asked. The text is for logs; it never goes to a REST client."""


class NotFoundError(StoreError):
    """There is no such object (or no such kind)."""


class ConflictError(StoreError):
    """The object changed meanwhile, or a precondition does not hold."""


class AlreadyExistsError(ConflictError):
    """An object of that name exists."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason of a 422: machine-readable reason, message, and the field (`spec.release`)."""

    reason: str
    message: str
    field: str


class InvalidError(StoreError):
    """The object breaks schema, CEL rule or `test` of a patch."""

    def __init__(self, message: str, causes: Sequence[Cause] = ()) -> None:
        super().__init__(message)
        self.causes = tuple(causes)


#: How the API server words a refusal by a ValidatingAdmissionPolicy.
_POLICY_REFUSAL = re.compile(
    r"ValidatingAdmissionPolicy '(?P<policy>[^']+)' with binding '[^']*' denied request: (?P<message>.*)", re.DOTALL
)


class ForbiddenError(StoreError):
    """No right, or refused by an admission policy.

    Attributes:
        policy: name of the ValidatingAdmissionPolicy that refused; None if it was RBAC or something else.
        refusal: the policy's own message; the whole text if no policy is named.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        found = _POLICY_REFUSAL.search(message)
        self.policy = found["policy"] if found else None
        self.refusal = found["message"] if found else message


class UnauthenticatedError(StoreError):
    """The API server does not accept the token."""


class GoneError(StoreError):
    """The version or the page is too old: list again."""


class TransientError(StoreError):
    """Worth a retry.

    Attributes:
        retry_after: seconds that the server asked to wait; None if it did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ThrottledError(TransientError):
    """Too many requests."""


class UnavailableError(TransientError):
    """No usable answer: timeout, connection, 5xx, broken JSON. Whether a write took place is not known."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Which object: parsed names only. No namespace for what is cluster-scoped."""

    plural: str
    namespace: NamespaceName | None
    name: Identifier


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list: raw objects, and the version of the list they all belong to."""

    items: Sequence[RawObject]
    resource_version: str


class ResourceStore(Protocol):
    """Our resources in the cluster, through one identity.

    Every method may raise any `StoreError`; only the telling ones are named.
    """

    async def get(self, ref: ObjectRef) -> RawObject:
        """Read one object from the API server (quorum read). Raises NotFoundError."""
        ...

    def pages(
        self,
        plural: str,
        *,
        namespace: NamespaceName | None = None,
        selector: str | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[Page]:
        """List all objects in pages, in the order of namespace and name.

        `selector` is a label selector; `metadata_only` leaves spec and status out (PartialObjectMetadata).
        Raises GoneError when the pages have become too old: begin again.
        """
        ...

    async def create(
        self, plural: str, namespace: NamespaceName, body: RawObject, *, dry_run: bool = False
    ) -> RawObject:
        """Create `body`, whose name is inside. Raises AlreadyExistsError."""
        ...

    async def merge_patch(self, ref: ObjectRef, patch: RawObject, *, dry_run: bool = False) -> RawObject:
        """JSON merge patch (RFC 7386). A resourceVersion or uid in it is a precondition: ConflictError."""
        ...

    async def replace_status(self, ref: ObjectRef, *, uid: str, status: Mapping[str, Any]) -> RawObject:
        """Write a whole status, if the object still has that uid; InvalidError if not."""
        ...

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str | None = None, dry_run: bool = False
    ) -> None:
        """Delete exactly that object in that version. Raises NotFoundError, ConflictError."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the API server authenticated, complete, as an access review wants it."""

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Right:
    """One right that can be asked for; an empty namespace means in all of them."""

    verb: str
    resource: str
    namespace: str = ""
    group: str = "moorage.dev"
    name: str = ""


class Reviewer(Protocol):
    """Asks the cluster who somebody is and what they may do. Raises StoreError when there is no answer."""

    async def authenticate(self, token: str) -> Identity | None:
        """TokenReview without audiences, which means the API server's own. None: not a valid token."""
        ...

    async def allowed(self, identity: Identity, right: Right) -> bool:
        """SubjectAccessReview."""
        ...


ViewT_contra = TypeVar("ViewT_contra", contravariant=True)


class Sink(Protocol[ViewT_contra]):
    """What a reflector fills with views of objects. All calls come from one task, in the order of the cluster."""

    def replace(self, views: Sequence[ViewT_contra], resource_version: str) -> None:
        """The complete new content: what is not in it is gone."""
        ...

    def apply(self, kind: str, view: ViewT_contra) -> None:
        """One event: ADDED, MODIFIED or DELETED."""
        ...

    def progress(self, resource_version: str) -> None:
        """A bookmark: everything up to this version has been delivered."""
        ...
