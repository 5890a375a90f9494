"""The store over the API server, and all that a process needs of one cluster together.

What is sent once and what again, `connection` says; here a further page of a list is asked for again, so that a long
list need not start again.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

from moorage_crds import names
from moorage_crds.identifiers import NamespaceName
from moorage_crds.kube import paths
from moorage_crds.kube.connection import JSON, Connection
from moorage_crds.kube.paths import AllowList, UrlPath
from moorage_crds.kube.patience import Patience
from moorage_crds.kube.reviewer import KubernetesReviewer, attributes_of
from moorage_crds.kube.session import PATIENT, TIMEOUT, Cluster
from moorage_crds.objects import RawObject
from moorage_crds.store import ConflictError, InvalidError, ObjectRef, Page, Right, TransientError, Warned, nobody

#: Objects per page of a list: one page is decoded in a few milliseconds.
PAGE_SIZE: Final = 500
#: Records are small and many. For every page the API server walks over all that is left of the list, so that the pages
#: of a long list cost it more than the objects do. Larger ones would show in our own memory.
RECORDS_PAGE_SIZE: Final = 1_000
#: Before a page of a list that has begun is asked for again; what the API server asks for instead, up to the longest.
#: Seconds.
PAGE_PAUSES: Final = (0.5, 1.0, 2.0)
LONGEST_PAUSE: Final = 10.0

_MERGE_PATCH: Final = "application/merge-patch+json"
_APPLY_PATCH: Final = "application/apply-patch+yaml"
_JSON_PATCH: Final = "application/json-patch+json"
_METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class KubernetesStore:
    """`ResourceStore` over the API server."""

    def __init__(self, connection: Connection, *, field_manager: str) -> None:
        self.connection = connection
        self._field_manager = field_manager

    def as_caller(self, token: str, warned: Warned = nobody) -> "KubernetesStore":
        """The same store, acting with a caller's own token."""
        return KubernetesStore(self.connection.as_caller(token, warned), field_manager=self._field_manager)

    def with_patience(self, patience: Patience) -> "KubernetesStore":
        """The same store, which waits and asks again when the API server turns a request away."""
        return KubernetesStore(self.connection.with_patience(patience), field_manager=self._field_manager)

    async def get(self, ref: ObjectRef) -> RawObject:
        """Read one object (quorum read)."""
        return await self.connection.call("GET", paths.item(ref.plural, ref.namespace, ref.name))

    async def pages(
        self,
        plural: str,
        *,
        namespace: NamespaceName | None = None,
        selector: str | None = None,
        fields: str | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[Page]:
        """List in pages of `PAGE_SIZE` (or `RECORDS_PAGE_SIZE`), all of one version."""
        query = {"limit": str(RECORDS_PAGE_SIZE if plural == names.RECORDS else PAGE_SIZE)}
        if selector:
            query["labelSelector"] = selector
        if fields:
            query["fieldSelector"] = fields
        accept = _METADATA_LIST if metadata_only else JSON
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

    async def guarded_patch(
        self,
        ref: ObjectRef,
        *,
        tests: Mapping[str, Any],
        values: Mapping[str, Any],
        dry_run: bool = False,
    ) -> RawObject:
        """JSON patch behind `test`s. A test for null passes where nothing is."""
        steps: list[RawObject] = [{"op": "test", "path": path, "value": value} for path, value in tests.items()]
        steps += [
            {"op": "remove", "path": path} if value is None else {"op": "add", "path": path, "value": value}
            for path, value in values.items()
        ]
        try:
            return await self.connection.call(
                "PATCH",
                paths.item(ref.plural, ref.namespace, ref.name),
                query=self._write_query(dry_run),
                body=steps,
                content_type=_JSON_PATCH,
            )
        except InvalidError as error:
            # The API server does not say which step failed. What breaks the schema or a CEL rule has its causes.
            if error.causes:
                raise
            raise ConflictError(str(error)) from error

    async def apply(self, ref: ObjectRef, body: RawObject, *, manager: str) -> RawObject:
        """Server-side apply as that field manager; JSON is YAML, too."""
        return await self.connection.call(
            "PATCH",
            paths.item(ref.plural, ref.namespace, ref.name),
            query={"fieldManager": manager},
            body=body,
            content_type=_APPLY_PATCH,
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
    ) -> RawObject | None:
        """Delete exactly that object; with `resource_version` exactly that state of it."""
        preconditions = {"uid": uid}
        if resource_version:
            preconditions["resourceVersion"] = resource_version
        body: RawObject = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        if dry_run:
            body["dryRun"] = ["All"]
        answer = await self.connection.call("DELETE", paths.item(ref.plural, ref.namespace, ref.name), body=body)
        # What went at once is answered by a Status, what finalizers hold by the object itself.
        return None if answer.get("kind") == "Status" else answer

    async def server_version(self) -> RawObject:
        """The version of the API server (`/version`)."""
        return await self.connection.call("GET", paths.VERSION)

    async def may_i(self, right: Right) -> bool:
        """SelfSubjectAccessReview: may the account of this process do that?"""
        answer = await self.connection.call(
            "POST",
            paths.OWN_ACCESS_REVIEWS,
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes_of(right)},
            },
        )
        return (answer.get("status") or {}).get("allowed") is True

    def _write_query(self, dry_run: bool) -> dict[str, str]:
        query = {"fieldManager": self._field_manager}
        if dry_run:
            query["dryRun"] = "All"
        return query


class Client:
    """What a process needs of one cluster, closed together: store, reviewer, and the connection for reflectors.

    Args:
        cluster: whose.
        calls: what may be sent.
        field_manager: of what is written.
        limit: connections at a time.
        patient: wait long for an answer, as work does for which nobody waits.
        warned: hears warnings of the API server.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        calls: AllowList,
        field_manager: str,
        limit: int = 64,
        patient: bool = False,
        warned: Warned = nobody,
    ) -> None:
        self._session = cluster.new_session(limit=limit, timeout=PATIENT if patient else TIMEOUT)
        connection = Connection(cluster, self._session, calls, warned=warned)
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
