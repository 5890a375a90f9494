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
        └── UnavailableError    timeouts, connections, 5xx, answers that are not JSON

No exception of an HTTP library or of a client leaves `moorage_crds.kube`: adapters turn them into these.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from moorage_crds import names
from moorage_crds.identifiers import Identifier, NamespaceName
from moorage_crds.objects import RawObject


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAnswer:
    """What the API server said when it did not do what was asked; empty where it said nothing.

    Attributes:
        verb: HTTP method of the request, or `WATCH`.
        path: template of its path, which names the kind: `/apis/moorage.dev/v1/namespaces/{namespace}/deployments`.
        status: HTTP status; 0: there was no answer.
        reason: Kubernetes' own word, such as `AlreadyExists`.
        text: the whole message, unchanged.
    """

    verb: str = ""
    path: str = ""
    status: int = 0
    reason: str = ""
    text: str = ""


NO_ANSWER: Final = FailedAnswer()


class StoreError(Exception):
    """The cluster did not do what was asked. Its text is for logs; it never goes to a REST client.

    Attributes:
        message: what is wrong, in the words of the component that refused.
        answer: what the API server said.
    """

    def __init__(self, message: str, answer: FailedAnswer = NO_ANSWER) -> None:
        said = f"{answer.verb} {answer.path}: {answer.status} {answer.text}"
        super().__init__(said if answer.status else message)
        self.message = message
        self.answer = answer


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
    """The object breaks schema, CEL rule or `test` of a patch.

    Attributes:
        causes: what is wrong, field by field; empty if nothing says so.
    """

    def __init__(self, message: str, causes: Sequence[Cause] = (), answer: FailedAnswer = NO_ANSWER) -> None:
        super().__init__(message, answer)
        self.causes = tuple(causes)


class ForbiddenError(StoreError):
    """No right, or refused by admission.

    Attributes:
        policy: name of the ValidatingAdmissionPolicy that refused, `message` being its own text; None if it was
            something else.
        by_authorizer: the right is missing (RBAC), and nothing else was looked at.
    """

    def __init__(
        self, message: str, *, policy: str | None = None, by_authorizer: bool = False, answer: FailedAnswer = NO_ANSWER
    ) -> None:
        super().__init__(message, answer)
        self.policy = policy
        self.by_authorizer = by_authorizer


class UnauthenticatedError(StoreError):
    """The API server does not accept the token."""


class GoneError(StoreError):
    """The version or the page is too old: list again."""


class TransientError(StoreError):
    """Worth a retry.

    Attributes:
        retry_after: seconds that the server asked to wait; None if it did not say.
    """

    def __init__(self, message: str, answer: FailedAnswer = NO_ANSWER, *, retry_after: float | None = None) -> None:
        super().__init__(message, answer)
        self.retry_after = retry_after


class ThrottledError(TransientError):
    """Too many requests."""


class UnavailableError(TransientError):
    """No usable answer: timeout, connection, 5xx, broken JSON. Whether a write took place is not known.

    Attributes:
        webhook: the admission webhook that the API server could not reach; None if it was nothing of that kind.
    """

    def __init__(
        self,
        message: str,
        answer: FailedAnswer = NO_ANSWER,
        *,
        retry_after: float | None = None,
        webhook: str | None = None,
    ) -> None:
        super().__init__(message, answer, retry_after=retry_after)
        self.webhook = webhook


Warned = Callable[[str], None]
"""Hears each warning that the API server sends with an answer."""


def nobody(_: str) -> None:
    """Hears no warning."""


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
        fields: str | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[Page]:
        """List all objects in pages, in the order of namespace and name.

        `selector` is a label selector, `fields` a field selector; `metadata_only` leaves spec and status out
        (PartialObjectMetadata).
        Raises GoneError when the pages have become too old: begin again.
        """
        ...

    async def create(
        self, plural: str, namespace: NamespaceName | None, body: RawObject, *, dry_run: bool = False
    ) -> RawObject:
        """Create `body`, whose name is inside; no namespace for what is cluster-scoped. Raises AlreadyExistsError."""
        ...

    async def merge_patch(self, ref: ObjectRef, patch: RawObject, *, dry_run: bool = False) -> RawObject:
        """JSON merge patch (RFC 7386). A resourceVersion in it is a precondition: ConflictError.

        A uid in it is one, too, but another uid alone is an InvalidError: send both.
        """
        ...

    async def guarded_patch(
        self,
        ref: ObjectRef,
        *,
        tests: Mapping[str, Any],
        values: Mapping[str, Any],
        dry_run: bool = False,
    ) -> RawObject:
        """Set some fields if others are what is expected, whatever else of the object changes meanwhile.

        Args:
            ref: which object.
            tests: JSON pointer → the value that must be there; None: nothing may be there.
            values: JSON pointer → the new value; None takes out what is there. What holds it must be there.
            dry_run: ask only.

        Raises:
            ConflictError: a test failed.
        """
        ...

    async def apply(self, ref: ObjectRef, body: RawObject, *, manager: str) -> RawObject:
        """Server-side apply, never forced: ConflictError if another manager owns a field with another value.

        A resourceVersion in it is a precondition: ConflictError. Another uid alone is an InvalidError: send both.
        """
        ...

    async def replace_status(self, ref: ObjectRef, *, uid: str, status: Mapping[str, Any]) -> RawObject:
        """Write a whole status, if the object still has that uid; InvalidError if not."""
        ...

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str | None = None, dry_run: bool = False
    ) -> RawObject | None:
        """Delete exactly that object in that version. Raises NotFoundError, ConflictError.

        Returns:
            None if it is gone; else the object as it stands now: it is being deleted, and goes when the last of its
            finalizers is removed.
        """
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
    group: str = names.GROUP
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


class ClusterInfo(Protocol):
    """What `moorage preflight` asks of the cluster besides objects."""

    async def server_version(self) -> RawObject:
        """The version of the API server."""
        ...

    async def may_i(self, right: Right) -> bool:
        """May this account do that?"""
        ...
