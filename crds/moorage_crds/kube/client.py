"""The store and the reviewer over HTTP: raw JSON, allow-listed paths, every failure turned into a `StoreError`.

Nothing is repeated blindly: after a lost reply it is not known whether a write took place, so that is for the caller
to find out. The exceptions: after a 401, which the API server answers before it does anything, the credentials are read
again and the request is sent once more; a further page of a list is asked for again, so that a long list need not
begin anew; and aiohttp repeats a GET or DELETE whose kept-alive connection turned out to be dead. Every DELETE names
the uid that it means, so at worst one that worked is answered 404.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from moorage_crds import names
from moorage_crds.identifiers import NamespaceName
from moorage_crds.kube import paths
from moorage_crds.kube.paths import AllowList, UrlPath
from moorage_crds.kube.session import Cluster
from moorage_crds.objects import RawObject
from moorage_crds.store import (
    AlreadyExistsError,
    Cause,
    ConflictError,
    ForbiddenError,
    GoneError,
    Identity,
    InvalidError,
    NotFoundError,
    ObjectRef,
    Page,
    Right,
    StoreError,
    ThrottledError,
    TransientError,
    UnauthenticatedError,
    UnavailableError,
)

#: Objects per page of a list: one page is decoded in a few milliseconds.
PAGE_SIZE: Final = 500
#: Records are small and many. For every page the API server walks over all that is left of the list, so that the pages
#: of a long list cost it more than the objects do. Larger ones would show in our own memory.
RECORDS_PAGE_SIZE: Final = 1_000
#: Before a page of a list that has begun is asked for again; what the API server asks for instead, up to the longest.
#: Seconds.
PAGE_PAUSES: Final = (0.5, 1.0, 2.0)
LONGEST_PAUSE: Final = 10.0

_JSON: Final = "application/json"
_MERGE_PATCH: Final = "application/merge-patch+json"
_JSON_PATCH: Final = "application/json-patch+json"
_METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

_PLAIN_ERRORS: Final[dict[int, type[StoreError]]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    410: GoneError,
}

#: How the API server words a no of admission. Policies and webhooks choose the status themselves (a policy without a
#: reason says 422, a webhook without a code 400), so that these words are the only sign of it.
_ADMISSION_REFUSAL: Final = re.compile(
    r"(^|is forbidden: )ValidatingAdmissionPolicy '[^']*'( with binding '[^']*')? denied request: "
    r'|^admission webhook "[^"]*" denied the request'
)


class Connection:
    """Sends allow-listed requests as one identity: the process's own, or a caller's token."""

    def __init__(
        self, cluster: Cluster, session: aiohttp.ClientSession, calls: AllowList, *, caller: str | None = None
    ) -> None:
        self.cluster = cluster
        self.session = session
        self.calls = calls
        self._caller = caller

    def as_caller(self, token: str) -> "Connection":
        """The same connection pool, with somebody else's token."""
        return Connection(self.cluster, self.session, self.calls, caller=token)

    async def headers(self, *, renew: bool = False) -> dict[str, str]:
        """The headers that say who asks."""
        value = f"Bearer {self._caller}" if self._caller else await self.cluster.authorization(renew=renew)
        return {"Authorization": value} if value else {}

    def url(self, path: UrlPath, query: Mapping[str, str] | None = None) -> URL:
        """The final address; nothing normalizes it any more."""
        text = f"?{urlencode(query)}" if query else ""
        return URL(f"{self.cluster.server}{path.text}{text}", encoded=True)

    async def call(
        self,
        method: str,
        path: UrlPath,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> RawObject:
        """One request, one JSON answer.

        Raises:
            StoreError: whatever went wrong, as the docstring of `moorage_crds.store` draws it.
            ForbiddenCallError: the request is not on the allow-list; nothing was sent.
        """
        self.calls.require(method, path)
        headers = {"Accept": accept}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = orjson.dumps(body)
        url = self.url(path, query)
        try:
            return await self._send(method, path, url, headers | await self.headers(), data)
        except UnauthenticatedError:
            if self._caller:
                raise
            return await self._send(method, path, url, headers | await self.headers(renew=True), data)

    async def _send(
        self, method: str, path: UrlPath, url: URL, headers: Mapping[str, str], data: bytes | None
    ) -> RawObject:
        try:
            async with self.session.request(method, url, headers=headers, data=data, allow_redirects=False) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, RuntimeError) as error:
            # RuntimeError: uvloop refuses a new socket whose number a dying connection still has.
            raise UnavailableError(f"{method} {path.template}: {type(error).__name__} {error}") from error
        return decode(method, path, response.status, response.headers.get("Retry-After"), content)


def decode(method: str, path: UrlPath, status: int, retry_after: str | None, content: bytes) -> RawObject:
    """Turn an HTTP answer into an object.

    Raises:
        StoreError: every answer that is not a 2xx with a JSON object.
    """
    where = f"{method} {path.template}"
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        answer = None
    if status < 300 and isinstance(answer, dict):
        return answer
    message = answer.get("message", "") if isinstance(answer, dict) else ""
    raise error_for(where, status, message, answer if isinstance(answer, dict) else {}, retry_after)


def error_for(
    where: str, status: int, message: str, answer: Mapping[str, Any], retry_after: str | None = None
) -> StoreError:
    """The StoreError of a `Status` object of the API server. A no of admission is a ForbiddenError always."""
    text = f"{where}: {status} {message}"
    if _ADMISSION_REFUSAL.search(message):
        return ForbiddenError(text)
    if status == 409:
        exists = answer.get("reason") == "AlreadyExists"
        return AlreadyExistsError(text) if exists else ConflictError(text)
    if status in {400, 422}:
        return InvalidError(text, _causes(answer))
    if status == 429:
        return ThrottledError(text, retry_after=_seconds(retry_after))
    plain = _PLAIN_ERRORS.get(status)
    return plain(text) if plain else UnavailableError(text, retry_after=_seconds(retry_after))


def _causes(answer: Mapping[str, Any]) -> list[Cause]:
    details = answer.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return [
        Cause(str(cause.get("reason", "")), str(cause.get("message", "")), str(cause.get("field", "")))
        for cause in causes or ()
    ]


def _seconds(retry_after: str | None) -> float | None:
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:  # an HTTP date: our own backoff is as good
        return None


class KubernetesStore:
    """`ResourceStore` over the API server."""

    def __init__(self, connection: Connection, *, field_manager: str) -> None:
        self.connection = connection
        self._field_manager = field_manager

    def as_caller(self, token: str) -> "KubernetesStore":
        """The same store, acting with a caller's own token."""
        return KubernetesStore(self.connection.as_caller(token), field_manager=self._field_manager)

    async def get(self, ref: ObjectRef) -> RawObject:
        """Read one object (quorum read)."""
        return await self.connection.call("GET", paths.item(ref.plural, ref.namespace, ref.name))

    async def pages(
        self,
        plural: str,
        *,
        namespace: NamespaceName | None = None,
        selector: str | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[Page]:
        """List in pages of `PAGE_SIZE` (or `RECORDS_PAGE_SIZE`), all of one version."""
        query = {"limit": str(RECORDS_PAGE_SIZE if plural == names.RECORDS else PAGE_SIZE)}
        if selector:
            query["labelSelector"] = selector
        accept = _METADATA_LIST if metadata_only else _JSON
        path = paths.collection(plural, namespace)
        while True:
            answer = await self._page(path, query, accept)
            meta = answer.get("metadata") or {}
            yield Page(answer.get("items") or [], str(meta.get("resourceVersion", "")))
            if not meta.get("continue"):
                return
            query["continue"] = meta["continue"]

    async def _page(self, path: UrlPath, query: Mapping[str, str], accept: str) -> RawObject:
        for pause in PAGE_PAUSES if "continue" in query else ():
            try:
                return await self.connection.call("GET", path, query=query, accept=accept)
            except TransientError as error:
                await asyncio.sleep(max(pause, min(error.retry_after or 0.0, LONGEST_PAUSE)))
        return await self.connection.call("GET", path, query=query, accept=accept)

    async def create(
        self, plural: str, namespace: NamespaceName | None, body: RawObject, *, dry_run: bool = False
    ) -> RawObject:
        """Create an object whose name is in its body."""
        return await self.connection.call(
            "POST", paths.collection(plural, namespace), query=self._write_query(dry_run), body=body
        )

    async def merge_patch(self, ref: ObjectRef, patch: RawObject, *, dry_run: bool = False) -> RawObject:
        """JSON merge patch."""
        return await self.connection.call(
            "PATCH",
            paths.item(ref.plural, ref.namespace, ref.name),
            query=self._write_query(dry_run),
            body=patch,
            content_type=_MERGE_PATCH,
        )

    async def replace_status(self, ref: ObjectRef, *, uid: str, status: Mapping[str, Any]) -> RawObject:
        """Write a whole status behind a `test` of the uid: a late write must not land on a successor of that name."""
        return await self.connection.call(
            "PATCH",
            paths.status(ref.plural, ref.namespace, ref.name),
            query=self._write_query(dry_run=False),
            body=[
                {"op": "test", "path": "/metadata/uid", "value": uid},
                {"op": "add", "path": "/status", "value": status},
            ],
            content_type=_JSON_PATCH,
        )

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str | None = None, dry_run: bool = False
    ) -> None:
        """Delete exactly that object; with `resource_version` exactly that state of it."""
        preconditions = {"uid": uid}
        if resource_version:
            preconditions["resourceVersion"] = resource_version
        body: RawObject = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        if dry_run:
            body["dryRun"] = ["All"]
        await self.connection.call("DELETE", paths.item(ref.plural, ref.namespace, ref.name), body=body)

    async def server_version(self) -> RawObject:
        """What the API server says of itself (`/version`)."""
        return await self.connection.call("GET", paths.VERSION)

    async def may_i(self, right: Right) -> bool:
        """SelfSubjectAccessReview: may the account of this process do that?"""
        answer = await self.connection.call(
            "POST",
            paths.OWN_ACCESS_REVIEWS,
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": _attributes(right)},
            },
        )
        return (answer.get("status") or {}).get("allowed") is True

    def _write_query(self, dry_run: bool) -> dict[str, str]:
        query = {"fieldManager": self._field_manager}
        if dry_run:
            query["dryRun"] = "All"
        return query


class KubernetesReviewer:
    """`Reviewer` over the API server, with the process's own account."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def authenticate(self, token: str) -> Identity | None:
        """TokenReview without audiences: the API server's own, which works with every issuer."""
        answer = await self._connection.call(
            "POST",
            paths.TOKEN_REVIEWS,
            body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}},
        )
        status: Mapping[str, Any] = answer.get("status") or {}
        user: Mapping[str, Any] = status.get("user") or {}
        username = user.get("username")
        if status.get("authenticated") is not True or not isinstance(username, str) or not username.strip():
            return None
        return Identity(
            username=username,
            uid=user.get("uid") or "",
            groups=tuple(user.get("groups") or ()),
            extra={key: tuple(values) for key, values in (user.get("extra") or {}).items()},
        )

    async def allowed(self, identity: Identity, right: Right) -> bool:
        """SubjectAccessReview with all that is known of the identity."""
        answer = await self._connection.call(
            "POST",
            paths.ACCESS_REVIEWS,
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {
                    "user": identity.username,
                    "uid": identity.uid,
                    "groups": list(identity.groups),
                    "extra": {key: list(values) for key, values in identity.extra.items()},
                    "resourceAttributes": _attributes(right),
                },
            },
        )
        status = answer.get("status") or {}
        # Both at once is no answer that makes sense; it must not become a yes.
        return status.get("allowed") is True and not status.get("denied")


def _attributes(right: Right) -> dict[str, str]:
    wanted = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "namespace": right.namespace,
        "name": right.name,
    }
    return {key: value for key, value in wanted.items() if value}


class Client:
    """What a process needs of one cluster, closed together: store, reviewer, and the connection for reflectors."""

    def __init__(self, cluster: Cluster, *, calls: AllowList, field_manager: str, limit: int = 64) -> None:
        self._session = cluster.new_session(limit=limit)
        connection = Connection(cluster, self._session, calls)
        self.store = KubernetesStore(connection, field_manager=field_manager)
        self.reviewer = KubernetesReviewer(connection)

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._session.close()
