"""The way of every request, from the outside to the inside, in the order that the contract wants.

request id, log, metrics      around everything, so that every answer has them
errors                        every exception becomes a documented answer
soundness                     HTTP that two readers could understand differently is refused
route and method              404, 405
authentication                401; 429 for what an address sends beyond its share of tokens that fail
rate limit                    429, for each user
freshness                     503 while the cache cannot be trusted
workspace and permission      403, 404; needs parsed ids
query, body and headers       422, 413, 415; handlers begin with what else can be checked without an object
version                       503 if the cache is behind what the client has seen
handler                       404, 409, 412 and the write
"""

import logging
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import orjson
from aiohttp import web

from moorage_api.access import Caller
from moorage_api.cache.catalog import Catalog
from moorage_api.contract import errors, idempotency
from moorage_api.contract.echo import printable
from moorage_api.contract.errors import ApiError, UnavailableReason
from moorage_api.edge.addresses import Proxies, group
from moorage_api.edge.heads import (
    AUTHENTICATED,
    bearer_token,
    client_address,
    request_id,
    require_sound,
    target,
)
from moorage_api.edge.limits import RateLimit
from moorage_api.edge.metrics import Metrics
from moorage_api.edge.reading import ClientGoneError, read_body, read_query
from moorage_api.edge.router import NoSuchMethodError, NoSuchPathError, Router
from moorage_api.edge.streams import send
from moorage_api.operation import (
    Answer,
    Asked,
    Call,
    Facade,
    InCluster,
    InWorkspace,
    Operation,
    Permission,
    Public,
    Stream,
    Visit,
)
from moorage_api.reads import etag
from moorage_api.reviews.answers import Upstream
from moorage_crds.identifiers import InvalidIdentifierError, OrgId, WorkspaceId
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.names import binding_name
from moorage_crds.store import StoreError, TransientError

_log = logging.getLogger(__name__)
_access_log = logging.getLogger("moorage.access")

#: How long a request waits for the version that its client has seen, in seconds.
VERSION_SECONDS: Final = 2.0

#: Not sent to anybody: what the log says when the client did not wait.
CLIENT_GONE: Final = 499

_VERSION: Final = re.compile(r"\s*([a-z]{1,63})=([1-9][0-9]{0,19})\s*")
_UNROUTED: Final = "unrouted"

#: Headers that an operation looks at, each with what refuses a value that can be none.
_CHECKS: Final[Mapping[str, Callable[[str], None]]] = {
    "Idempotency-Key": idempotency.require_key,
    "If-Match": etag.require_match,
    "If-None-Match": etag.require_none_match,
}

VisitT = TypeVar("VisitT", bound=Visit)


@dataclass(slots=True)
class _Trace:
    """What the log wants to know at the end."""

    request_id: str
    client: str = ""
    operation: str = _UNROUTED
    route: str = ""
    user: str = ""
    visit: Visit | None = None
    reason: str = ""
    upstream: Upstream = field(default_factory=Upstream)


class Edge:
    """Answers requests.

    Args:
        facade: what handlers need.
        router: all operations.
        metrics: what is counted.
    """

    def __init__(self, facade: Facade, router: Router[Operation], metrics: Metrics) -> None:
        settings, clock = facade.settings, facade.clock
        self._facade = facade
        self._router = router
        self._metrics = metrics
        self._users = RateLimit(settings.rate_limit, settings.rate_burst, clock)
        self._failures = RateLimit(settings.failed_rate_limit, settings.failed_rate_burst, clock)
        self._proxies = Proxies(settings.trusted_proxies)
        #: Set when the process is about to end: clients are asked to take a new connection, elsewhere.
        self.stopping = False

    def stop(self) -> None:
        """The process is about to end: clients are asked to take a new connection, elsewhere, and streams end."""
        self.stopping = True
        self._facade.catalog.history.journal.listeners.end()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, one answer. Raises ConnectionError alone, when the client is gone."""
        started = self._facade.clock.monotonic()
        trace = _Trace(request_id(request.headers), client_address(request, self._proxies))
        try:
            answer = await self._answer(request, trace)
            if isinstance(answer, Stream):
                # Its time is that to its beginning: it lasts as long as somebody reads.
                self._finish(request, 200, trace, started)
                return await send(request, answer, trace.request_id)
            response = self.response(answer, trace.request_id, warnings=trace.upstream.warnings)
        except ClientGoneError:
            response = web.Response(status=CLIENT_GONE)
            response.force_close()
        except Exception as error:
            refused = self._translated(error, trace)
            trace.reason = str(refused.details.get("reason") or "")
            response = self.error(refused, trace.request_id)
        if self.stopping:
            response.force_close()
        self._finish(request, response.status, trace, started)
        return response

    def no_request(self, error: ApiError, *, remote: str | None) -> web.Response:
        """The answer where there is no request to route: too many connections, or no HTTP. Counted, logged, closed."""
        trace = _Trace(secrets.token_hex(8))
        response = self.error(error, trace.request_id)
        response.force_close()
        self._metrics.answered(trace.operation, response.status, seconds=0.0, upstream=0.0)
        fields = {"request_id": trace.request_id, "status": response.status, "remote": remote, "why": error.message}
        _access_log.info("no request", extra={"fields": fields})
        return response

    # --- answers

    def response(self, answer: Answer, request_id: str, *, warnings: Iterable[str] = ()) -> web.Response:
        """An answer as HTTP, with what the API server warned of."""
        headers = {
            "Content-Type": answer.content_type,
            "X-Request-Id": request_id,
            "Cache-Control": "private, no-cache",
            "X-Content-Type-Options": "nosniff",
            "Server": "moorage",
            **answer.headers,
        }
        stale = self._facade.freshness.stale_seconds
        said = [f"299 - {_quoted(text)}" for text in warnings]
        if stale:
            said.insert(0, '110 - "Response is Stale"')
            headers["Age"] = str(int(stale))
        stopped_at = self._facade.freshness.recording_stopped_at()
        if stopped_at is not None:
            headers["X-Recording-Stopped-At"] = stopped_at
        if said:
            headers["Warning"] = ", ".join(said)
        if answer.status == 304:
            del headers["Content-Type"]
        body = answer.body if isinstance(answer.body, bytes) else orjson.dumps(answer.body)
        response = web.Response(body=body, status=answer.status, headers=headers)
        for cookie in answer.cookies:
            response.headers.add("Set-Cookie", cookie)
        return response

    def error(self, error: ApiError, request_id: str) -> web.Response:
        """An error as HTTP."""
        answer = Answer(error.body(self._facade.clock.now()), error.status, error.headers)
        response = self.response(answer, request_id)
        if error.close:
            response.force_close()
        return response

    def _translated(self, error: Exception, trace: _Trace) -> ApiError:
        if isinstance(error, ApiError):
            return error
        if isinstance(error, StoreError):
            # Only reviews and reads with our own account get here: the caller can do nothing about them.
            _log.warning("no answer from the cluster", extra={"fields": {"id": trace.request_id, "error": str(error)}})
            return errors.cluster_unavailable(error.retry_after if isinstance(error, TransientError) else None)
        _log.error("unexpected error", exc_info=error, extra={"fields": {"request_id": trace.request_id}})
        return errors.internal()

    def _finish(self, request: web.BaseRequest, status: int, trace: _Trace, started: float) -> None:
        seconds = self._facade.clock.monotonic() - started
        upstream = trace.upstream.seconds
        self._metrics.answered(trace.operation, status, seconds=seconds, upstream=upstream)
        if trace.reason:
            self._metrics.refused(trace.reason)
        if _access_log.isEnabledFor(logging.INFO):
            fields = {
                "request_id": trace.request_id,
                "method": request.method,
                "route": trace.route,
                "status": status,
                "user": trace.user,
                "remote": trace.client or None,
                "duration_ms": round(seconds * 1000, 3),
                "upstream_ms": round(upstream * 1000, 3),
                **(_place(self._facade.catalog, trace.visit) if trace.visit is not None else {}),
                **({"reason": trace.reason} if trace.reason else {}),
            }
            _access_log.info("request", extra={"fields": fields})

    # --- the steps

    async def _answer(self, request: web.BaseRequest, trace: _Trace) -> Answer | Stream:
        require_sound(request)
        path, _, query = target(request).partition("?")
        operation, params = self._route(request.method, path)
        trace.operation, trace.route = operation.name, operation.path
        client = group(trace.client)
        visit = Visit(operation, trace.request_id, params, request.headers, upstream=trace.upstream, client=client)
        match operation.scope:
            case Public(handler):
                return await handler(self._facade, await _read(request, query, visit))
            case InCluster(handler):
                asked = await _read(request, query, await self._asked(request, visit, trace))
                await self._require_version(request.headers)
                return await handler(self._facade, asked)
            case InWorkspace(handler, permission):
                asked = await self._asked(request, visit, trace)
                # Who is not known yet fills no log with names.
                trace.visit = asked
                trace.visit = call = await _read(request, query, await self._call(asked, permission))
                await self._require_version(request.headers)
                return _marked(call, await handler(self._facade, call))

    async def _asked(self, request: web.BaseRequest, visit: Visit, trace: _Trace) -> Asked:
        """The request with its caller, within the caller's rate."""
        caller = await self._authenticate(request, trace, basic=visit.operation.basic)
        trace.user = caller.username
        self._require_rate(caller)
        self._require_fresh()
        return Asked(
            visit.operation,
            visit.request_id,
            visit.params,
            visit.headers,
            caller,
            upstream=visit.upstream,
            client=visit.client,
        )

    async def _call(self, asked: Asked, permission: Permission) -> Call:
        """The request with its workspace, where the caller has the permission.

        For a workspace that does not exist the question is asked for the whole cluster, so that an outsider hears the
        same in both cases.
        """
        workspace = self._workspace(asked.params)
        await self._require_rights(permission, asked.caller, workspace.namespace if workspace else "", asked.upstream)
        if workspace is None:
            raise errors.not_found("workspace", asked.params["workspace_id"])
        return Call(
            asked.operation,
            asked.request_id,
            asked.params,
            asked.headers,
            asked.caller,
            workspace,
            upstream=asked.upstream,
        )

    def _route(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        try:
            return self._router.resolve(method, path)
        except NoSuchMethodError as error:
            raise errors.method_not_allowed(error.allowed) from None
        except NoSuchPathError:
            raise errors.not_found("path", path) from None

    async def _authenticate(self, request: web.BaseRequest, trace: _Trace, *, basic: bool) -> Caller:
        """Who calls. What is refused without a review is counted for the address; a token that is good never is."""
        access, client = self._facade.access, group(trace.client)
        token = bearer_token(request.headers, basic=basic)
        if "Authorization" not in request.headers:
            token = self._facade.sessions.token(request.method, request.headers)
        if not token or access.refused(token):
            wait = self._failures.take(client)
            raise errors.rate_limited(wait) if wait else errors.unauthenticated()
        caller = await access.authenticate(token, trace.upstream, address=client)
        if caller is None:
            self._failures.take(client)
            raise errors.unauthenticated()
        request[AUTHENTICATED] = True
        return caller

    def _require_rate(self, caller: Caller) -> None:
        wait = self._users.take(caller.username)
        if wait:
            raise errors.rate_limited(wait)

    def _require_fresh(self) -> None:
        freshness = self._facade.freshness
        if not freshness.synced:
            raise errors.unavailable(UnavailableReason.NOT_SYNCED, "The cache is not filled yet; try again")
        if not freshness.usable:
            raise errors.unavailable(
                UnavailableReason.NOT_SYNCED, "The cluster has not been heard of for too long; try again"
            )

    async def _require_rights(self, permission: Permission, caller: Caller, namespace: str, upstream: Upstream) -> None:
        for right in permission.in_namespace(namespace):
            if not await self._facade.access.allowed(caller, right, upstream):
                raise errors.forbidden(permission.name, right.verb, right.resource)

    def _workspace(self, params: Mapping[str, str]) -> Workspace | None:
        try:
            org, name = OrgId.parse(params["org_id"]), WorkspaceId.parse(params["workspace_id"])
        except InvalidIdentifierError:
            return None
        return self._facade.catalog.workspace(org, name)

    async def _require_version(self, headers: Mapping[str, str]) -> None:
        """Wait until the cache shows what the client has seen elsewhere. Raises ApiError: 422, 503."""
        known, text = self._facade.catalog.versions(), headers.get("X-Resource-Version")
        if text is None:
            return
        seen = [_VERSION.fullmatch(part) for part in text.split(",")]
        if not all(found is not None and found[1] in known for found in seen):
            raise errors.invalid(
                ["header", "X-Resource-Version"], "must be what a write answered, such as deployments=123", value=text
            )
        for found in seen:
            if found is not None and not await known[found[1]].wait_for(found[2], VERSION_SECONDS):
                raise errors.unavailable(
                    UnavailableReason.NOT_SYNCED, "This replica has not seen that version yet; try again"
                )


async def _read(request: web.BaseRequest, query: str, visit: VisitT) -> VisitT:
    """The same request with its query and body, checked by the operation's models, and its headers. Raises ApiError."""
    operation = visit.operation
    for name in operation.headers:
        if name in visit.headers:
            _CHECKS[name](visit.headers[name])
    if operation.query is not None:
        visit.query = read_query(query, operation.query)
    if operation.body is not None:
        visit.body = await read_body(request, operation.body)
    return visit


def _place(catalog: Catalog, visit: Visit) -> dict[str, str]:
    """What a request is about, for the log: why a change was refused is asked for long after it was.

    Only names of what is there: a client may send anything in their places, a token by mistake, too.
    """
    said = visit.params
    workspace = catalog.workspace(said["org_id"], said["workspace_id"])
    if workspace is None:
        return {}
    found = {"workspace": f"{said['org_id']}/{said['workspace_id']}"}
    environment = catalog.environment(workspace.namespace, said.get("environment_id", ""))
    if environment is None:
        return found
    found["environment"] = environment.name
    app = said.get("app_id") or getattr(visit.body, "app_id", None) or getattr(visit.query, "app_id", None)
    if isinstance(app, str):
        binding = catalog.bindings.get(workspace.namespace, binding_name(environment.name, app))
        if binding is not None and binding.app == app:
            found["app"] = app
    return found


def _marked(call: Call, answer: Answer | Stream) -> Answer | Stream:
    """The answer to a dry run says so: its body is that of the real thing, with an id that the next change may get."""
    if isinstance(answer, Answer) and getattr(call.query, "dry_run", False):
        answer.headers["X-Dry-Run"] = "true"
    return answer


def _quoted(text: str) -> str:
    """A text as a header can carry it: on one line, and short."""
    plain = printable(" ".join(text.split()), 1024).encode("ascii", "replace").decode()
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
