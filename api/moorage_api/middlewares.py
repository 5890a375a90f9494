"""The way of every request, from the outside to the inside, in the order that the contract wants.

request id, log, metrics      around everything, so that every answer has them
errors                        every exception becomes a documented answer
soundness                     HTTP that two readers could understand differently is refused
route and method              404, 405
authentication                401, and a bucket for addresses that fail: 429 before the API server is asked
rate limit                    429, for each user
freshness                     503 while the cache cannot be trusted
workspace and permission      403, 404; needs parsed ids
version                       503 if the cache has not come as far as the client has
query and body                422, 413, 415
handler                       404, 409, 412 and the write
"""

import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson
from aiohttp import web

from moorage_api import errors
from moorage_api.access import Caller, Upstream
from moorage_api.bodies import ClientGoneError, read_body, read_query
from moorage_api.calls import Answer, Call, Facade, Operation, Permission
from moorage_api.errors import ApiError, UnavailableReason
from moorage_api.limits import RateLimit
from moorage_api.metrics import Metrics
from moorage_api.router import NoSuchMethodError, NoSuchPathError, Router
from moorage_crds.identifiers import InvalidIdentifierError, OrgId, WorkspaceId
from moorage_crds.store import StoreError, TransientError
from moorage_crds.workspace import Workspace

_log = logging.getLogger(__name__)
_access_log = logging.getLogger("moorage.access")

#: All header lines together, in bytes.
MAX_HEADERS: Final = 32 * 1024
#: How long a request waits for the version that its client has seen, in seconds.
VERSION_SECONDS: Final = 2.0

#: Not sent to anybody: what the log says when the client did not wait.
CLIENT_GONE: Final = 499

_REQUEST_ID: Final = re.compile(r"[!-~]{1,128}")
_TOKEN: Final = re.compile(r"[!-~]+")
_VERSION: Final = re.compile(r"\s*([a-z]{1,63})=([1-9][0-9]{0,19})\s*")
_ONCE: Final = (
    "Authorization",
    "Host",
    "Content-Type",
    "Content-Length",
    "Transfer-Encoding",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Resource-Version",
)
_UNROUTED: Final = "unrouted"


@dataclass(slots=True)
class _Trace:
    """What the log wants to know at the end."""

    request_id: str
    operation: str = _UNROUTED
    route: str = ""
    user: str = ""
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
        #: Set when the process is about to end: clients are asked to take a new connection, elsewhere.
        self.stopping = False

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """One request, one answer. Raises ConnectionError alone, when the client is gone."""
        started = self._facade.clock.monotonic()
        trace = _Trace(_request_id(request.headers))
        try:
            response = self.response(await self._answer(request, trace), trace.request_id)
        except ClientGoneError:
            response = web.Response(status=CLIENT_GONE)
            response.force_close()
        except Exception as error:
            response = self.error(self._translated(error, trace), trace.request_id)
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

    def response(self, answer: Answer, request_id: str) -> web.Response:
        """An answer as HTTP."""
        headers = {
            "Content-Type": answer.content_type,
            "X-Request-Id": request_id,
            "Cache-Control": "private, no-cache",
            "X-Content-Type-Options": "nosniff",
            "Server": "moorage",
            **answer.headers,
        }
        stale = self._facade.freshness.stale_seconds
        if stale:
            headers["Warning"] = '110 - "Response is Stale"'
            headers["Age"] = str(int(stale))
        if answer.status == 304:
            del headers["Content-Type"]
        body = answer.body if isinstance(answer.body, bytes) else orjson.dumps(answer.body)
        return web.Response(body=body, status=answer.status, headers=headers)

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
        if _access_log.isEnabledFor(logging.INFO):
            fields = {
                "request_id": trace.request_id,
                "method": request.method,
                "route": trace.route,
                "status": status,
                "user": trace.user,
                "remote": request.remote,
                "duration_ms": round(seconds * 1000, 3),
                "upstream_ms": round(upstream * 1000, 3),
            }
            _access_log.info("request", extra={"fields": fields})

    # --- the steps

    async def _answer(self, request: web.BaseRequest, trace: _Trace) -> Answer:
        _require_sound(request)
        path, _, query = _target(request).partition("?")
        operation, params = self._route(request.method, path)
        trace.operation, trace.route = operation.name, operation.path
        if operation.public is not None:
            return await operation.public(self._facade)
        caller = await self._authenticate(request, trace.upstream)
        trace.user = caller.username
        self._require_rate(caller)
        self._require_fresh()
        workspace = await self._require_permission(operation, caller, params, trace.upstream)
        call = Call(operation, trace.request_id, params, request.headers, caller, workspace, upstream=trace.upstream)
        await self._require_version(request.headers)
        if operation.query is not None:
            call.query = read_query(query, operation.query)
        if operation.body is not None:
            call.body = await read_body(request, operation.body)
        if operation.handler is None:
            raise errors.internal()
        return await operation.handler(self._facade, call)

    def _route(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        try:
            return self._router.resolve(method, path)
        except NoSuchMethodError as error:
            raise errors.method_not_allowed(error.allowed) from None
        except NoSuchPathError:
            raise errors.not_found("path", path) from None

    async def _authenticate(self, request: web.BaseRequest, upstream: Upstream) -> Caller:
        access, token = self._facade.access, _token(request.headers)
        if access.accepted_before(token):
            caller = await access.authenticate(token, upstream)
            if caller is not None:
                return caller
        return await self._authenticate_unknown(request.remote or "", token, upstream)

    async def _authenticate_unknown(self, address: str, token: str, upstream: Upstream) -> Caller:
        """Who nobody knows pays before the API server is asked, and gets it back if it accepts the token.

        So an address that guesses is refused without asking, however many of its guesses are on their way at once.
        """
        wait = self._failures.take(address)
        if wait:
            raise errors.rate_limited(wait)
        try:
            caller = await self._facade.access.authenticate(token, upstream)
        except StoreError:
            self._failures.give_back(address)
            raise
        if caller is None:
            raise errors.unauthenticated()
        self._failures.give_back(address)
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

    async def _require_permission(
        self, operation: Operation, caller: Caller, params: Mapping[str, str], upstream: Upstream
    ) -> Workspace:
        """The workspace, if the caller may do that there.

        For a workspace that does not exist the question is asked for the whole cluster, so that an outsider hears the
        same in both cases.
        """
        permission = operation.permission
        workspace = self._workspace(params)
        if permission is not None:
            await self._require_rights(permission, caller, workspace.namespace if workspace else "", upstream)
        if workspace is None:
            raise errors.not_found("workspace", params["workspace_id"])
        return workspace

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
        """Wait until the cache shows what the client has seen elsewhere."""
        text = headers.get("X-Resource-Version")
        if text is None:
            return
        known = self._facade.catalog.versions()
        for part in text.split(","):
            found = _VERSION.fullmatch(part)
            if found is None or found[1] not in known:
                raise errors.invalid(
                    ["header", "X-Resource-Version"],
                    "must be what a write answered, such as deployments=123",
                    value=text,
                )
            if not await known[found[1]].wait_for(found[2], VERSION_SECONDS):
                raise errors.unavailable(
                    UnavailableReason.NOT_SYNCED, "This replica has not seen that version yet; try again"
                )


def _request_id(headers: Mapping[str, str]) -> str:
    given = headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _token(headers: Mapping[str, str]) -> str:
    """The bearer token; empty if there is none that could be one."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    token = token.strip(" ")
    return token if scheme.lower() == "bearer" and _TOKEN.fullmatch(token) else ""


def _target(request: web.BaseRequest) -> str:
    """The request target as path and query; the absolute form is taken too."""
    target = request.raw_path
    if target.startswith("/"):
        return target.partition("#")[0]
    scheme, separator, rest = target.partition("://")
    if separator and scheme.lower() in {"http", "https"}:
        return "/" + rest.partition("/")[2]
    return target


def _require_sound(request: web.BaseRequest) -> None:
    """Refuse what two readers of HTTP could understand differently."""
    if request.version not in {(1, 0), (1, 1)}:
        raise errors.bad_request("Only HTTP/1.0 and HTTP/1.1 are spoken here")
    headers = request.headers
    for name in _ONCE:
        if name in headers and len(headers.getall(name)) > 1:
            raise errors.bad_request(f"The header {name} is there more than once")
    if "Transfer-Encoding" in headers and "Content-Length" in headers:
        raise errors.bad_request("Content-Length and Transfer-Encoding exclude each other")
    if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEADERS:
        raise errors.headers_too_large()
