"""The values that travel through the facade: operation, call with all that is known of it, answer."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from pydantic import BaseModel

from moorage_api.access import Access, Caller
from moorage_api.cache.catalog import Catalog
from moorage_api.cache.freshness import Freshness
from moorage_api.config import ApiSettings
from moorage_api.reviews.answers import Upstream
from moorage_api.session.sessions import Sessions
from moorage_crds.clock import Clock
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.store import ResourceStore, Right, Warned, nobody


class CallersStore(ResourceStore, Protocol):
    """The store of the process, which can act with a caller's token instead."""

    def as_caller(self, token: str, warned: Warned = nobody) -> ResourceStore:
        """The same store with that token; `warned` hears what the API server warns of."""
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
    sessions: Sessions


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
    """What goes back. `body` is JSON values, or bytes that are sent as they are; `cookies` are for `Set-Cookie`."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    cookies: list[str] = field(default_factory=list)

    def at_version(self, plural: str, version: str) -> Self:
        """Tell the client which version of a kind its write made; empty (not known): say nothing."""
        if version:
            self.headers["X-Resource-Version"] = f"{plural}={version}"
        return self


@dataclass(slots=True)
class Stream:
    """An answer without an end: Server-Sent Events, piece by piece."""

    chunks: AsyncIterator[bytes]


@dataclass(slots=True)
class Visit:
    """One request of anybody.

    Attributes:
        params: decoded path parameters, not parsed yet.
        headers: as sent; names without case.
        query: the operation's query model.
        body: the operation's body model.
        upstream: the time spent waiting for the API server, for the log.
        client: what counts as one client: an address, or a network of IPv6.
    """

    operation: "Operation"
    request_id: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    query: Any = field(default=None, kw_only=True)
    body: Any = field(default=None, kw_only=True)
    upstream: Upstream = field(default_factory=Upstream, kw_only=True)
    client: str = field(default="", kw_only=True)


@dataclass(slots=True)
class Asked(Visit):
    """One request of an authenticated caller, which is about no single workspace."""

    caller: Caller


@dataclass(slots=True)
class Call(Asked):
    """One request of an authenticated caller in a workspace, checked as its operation demands."""

    workspace: Workspace


Handling = Callable[[Facade, Visit], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Public:
    """Anybody may ask; nobody is authenticated."""

    handler: Handling


@dataclass(frozen=True, slots=True)
class InCluster:
    """Every authenticated caller may ask. The handler checks the rights to what it shows."""

    handler: Callable[[Facade, Asked], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class InWorkspace:
    """Callers with the rights in the workspace that the path names may ask."""

    handler: Callable[[Facade, Call], Awaitable[Answer | Stream]]
    permission: Permission


Scope = Public | InCluster | InWorkspace


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: everything that is checked before its handler runs, and everything its documentation says.

    Attributes:
        scope: who may ask, and what answers.
        success: status and model of the answer.
        errors: statuses of the errors that it can answer beside the usual ones.
        headers: names of the request headers that it looks at.
        documented: it is part of the API; the files and the login of the page are not.
        basic: takes the token as the password of `Authorization: Basic`, too, for tools that know nothing else.
    """

    name: str
    method: str
    path: str
    summary: str
    success: tuple[int, type[BaseModel] | None]
    scope: Scope
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    errors: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    description: str = ""
    basic: bool = False
    documented: bool = True

    @property
    def public(self) -> bool:
        """Whether it needs no authentication."""
        return isinstance(self.scope, Public)

    @property
    def permission(self) -> Permission | None:
        """What it needs in the workspace of its path; None where it has no workspace."""
        return self.scope.permission if isinstance(self.scope, InWorkspace) else None
