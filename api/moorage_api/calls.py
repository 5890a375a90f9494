"""What travels through the facade: the operation that was asked for, the call with all that is known, the answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from pydantic import BaseModel

from moorage_api.access import Access, Caller, Upstream
from moorage_api.cache.catalog import Catalog
from moorage_api.cache.freshness import Freshness
from moorage_api.config import ApiSettings
from moorage_crds.clock import Clock
from moorage_crds.store import ResourceStore, Right
from moorage_crds.workspace import Workspace


class CallersStore(ResourceStore, Protocol):
    """The store of the process, which can act with a caller's token instead."""

    def as_caller(self, token: str) -> ResourceStore:
        """The same store with that token."""
        ...


@dataclass(frozen=True, slots=True)
class Facade:
    """All that handlers need, built once at start."""

    catalog: Catalog
    access: Access
    store: CallersStore
    freshness: Freshness
    clock: Clock
    settings: ApiSettings


@dataclass(frozen=True, slots=True)
class Permission:
    """What a call needs, in the words of REST and as Kubernetes rights (verb, resource), all of them."""

    name: str
    rights: tuple[tuple[str, str], ...]

    def in_namespace(self, namespace: str) -> list[Right]:
        """The rights to ask for; an empty namespace means in the whole cluster."""
        return [Right(verb, resource, namespace) for verb, resource in self.rights]


@dataclass(slots=True)
class Answer:
    """What goes back. `body` is JSON values, or bytes that are sent as they are."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def at_version(self, plural: str, version: str) -> Self:
        """Tell the client which version of a kind its write made; empty (not known): say nothing."""
        if version:
            self.headers["X-Resource-Version"] = f"{plural}={version}"
        return self


@dataclass(slots=True)
class Call:
    """One request of an authenticated caller in a workspace, checked as far as the operation says.

    Attributes:
        params: decoded path parameters, not parsed yet.
        query: the operation's query model.
        body: the operation's body model.
        headers: as sent; names without case.
        upstream: the time spent waiting for the API server, for the log.
    """

    operation: "Operation"
    request_id: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    caller: Caller
    workspace: Workspace
    query: Any = None
    body: Any = None
    upstream: Upstream = field(default_factory=Upstream)


Handler = Callable[[Facade, Call], Awaitable[Answer]]
PublicHandler = Callable[[Facade], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: everything that is checked before its handler runs, and everything its documentation says.

    Attributes:
        handler: of a call of an authenticated caller.
        public: instead of `handler`, for what needs no authentication.
        success: status and model of the answer.
        errors: statuses of the errors that it can answer beside the usual ones.
        headers: names of the request headers that it looks at.
    """

    name: str
    method: str
    path: str
    summary: str
    success: tuple[int, type[BaseModel] | None]
    handler: Handler | None = None
    public: PublicHandler | None = None
    permission: Permission | None = None
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    errors: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    description: str = ""
