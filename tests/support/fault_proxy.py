"""A reverse proxy between one operator and the API server that does what a plan says: crashes, lost replies, faults.

Requests are numbered by verb and kind of path, so that a fault-free run gives the list of all writes, and a plan is
one line: `POST deploymentrecords #2: commit, drop reply, kill`. Everything else is forwarded as it is. What an operator
must never send is noted in `problems`, whatever the plan.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from cluster import LiveCluster
from proxy_server import HOP_HEADERS, ProxyServer
from typing_extensions import override
from yarl import URL

from moorage_crds.kube.paths import OPERATOR_CALLS
from moorage_dev.installation import OPERATOR
from moorage_dev.kubeconfigs import Endpoint

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

#: What the plan can do instead of forwarding; `commit` forwards first, and continues only if something was committed.
ACTIONS = frozenset(
    {
        "kill",
        "drop",
        "commit, drop reply",
        "commit, drop reply, kill",
        "commit, reply, kill",
        "commit, garbage",
        "hang",
        "hold",
        *(f"answer {status}" for status in (401, 409, 422, 429, 500, 503, 504)),
        "answer html",
    }
)

_PATH = re.compile(
    r"(?P<prefix>/api/v1|/apis/[^/]+/[^/]+)(?P<spaced>/namespaces/(?P<namespace>[^/]+)(?=/[^/]))?"
    r"/(?P<plural>[^/]+)(/(?P<name>[^/]+))?(?P<sub>/status)?"
)
_PLAN = re.compile(
    r"(?P<verb>[A-Z]+|write) (?P<resource>[a-z/]+|\*) #(?P<number>\d+|\*)"
    r"( in (?P<namespace>[-a-z0-9]+))?: (?P<action>.+)"
)
_REASONS = {409: "AlreadyExists", 422: "Invalid", 401: "Unauthorized", 429: "TooManyRequests"}


@dataclass(slots=True)
class Call:
    """One request.

    Attributes:
        verb: HTTP method.
        resource: plural, with the subresource: `deployments/status`.
        template: path with `{namespace}` and `{name}` in it.
        namespace: empty for requests across namespaces.
        number: its number among those of the same verb and resource (in the same namespace), from 1.
        body: of a write, parsed.
        status: what the API server answered; 0 if it was not asked or has not answered.
        fault: what the plan did.
    """

    verb: str
    resource: str
    template: str
    namespace: str
    number: int
    body: Any = None
    status: int = 0
    fault: str = ""

    @property
    def is_write(self) -> bool:
        """Whether it can change something."""
        return self.verb in WRITES


@dataclass(slots=True)
class Plan:
    """One line of a plan, parsed; `#*` means every one, `write *` every write but those of the Lease."""

    text: str
    verb: str
    resource: str
    number: str
    namespace: str | None
    action: str
    fired: int = 0

    @classmethod
    def parse(cls, text: str) -> "Plan":
        """Read a line.

        Raises:
            ValueError: it is none.
        """
        found = _PLAN.fullmatch(text)
        if found is None or found["action"] not in ACTIONS:
            message = f"no plan: {text!r}"
            raise ValueError(message)
        return cls(text, found["verb"], found["resource"], found["number"], found["namespace"], found["action"])

    def concerns(self, call: Call) -> bool:
        """Whether this request gets the fault."""
        verb = call.is_write if self.verb == "write" else call.verb == self.verb
        resource = call.resource != "leases" if self.resource == "*" else call.resource == self.resource
        number = self.number == "*" or int(self.number) == call.number
        return verb and resource and number and self.namespace in {None, call.namespace}


@dataclass(slots=True)
class _Answer:
    status: int
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=lambda: [("Content-Type", "application/json")])


class FaultProxy(ProxyServer):
    """Listens on a free port from its making until `close`.

    Attributes:
        calls: all requests, in the order of their arrival.
        problems: sentences about requests that an operator must not send, and about statuses that went back.
        kill: called (in a thread) where a plan says so; must return when the process is gone.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.calls: list[Call] = []
        self.problems: list[str] = []
        self.kill: Callable[[], None] = lambda: None
        self._plans: list[Plan] = []
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._generations: dict[str, int] = {}
        self._released = asyncio.Event()
        super().__init__(endpoint)

    @override
    def settings(self, cluster: LiveCluster, account: str = OPERATOR) -> dict[str, str]:
        return super().settings(cluster, account)

    def arm(self, *plans: str) -> None:
        """Follow these plans from now on, and count from 1 again."""
        self._counts.clear()
        self._plans = [Plan.parse(text) for text in plans]

    @property
    def fired(self) -> int:
        """How many faults there were since `arm`."""
        return sum(plan.fired for plan in self._plans)

    def unfired(self) -> list[str]:
        """Plans whose request never came."""
        return [plan.text for plan in self._plans if not plan.fired]

    def release(self) -> None:
        """Let go what is on hold."""
        self._loop.call_soon_threadsafe(self._released.set)

    def writes(self, namespaces: Iterable[str]) -> list[Call]:
        """The writes into these namespaces that the API server has answered with 2xx."""
        chosen = set(namespaces)
        return [one for one in self.calls if one.is_write and one.namespace in chosen and 200 <= one.status < 300]

    @override
    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        call = self._note(request, body)
        plan = next((plan for plan in self._plans if plan.concerns(call)), None)
        try:
            if plan is None:
                return await self._pass(request, call, body)
            return await self._follow(plan, request, call, body)
        except (aiohttp.ClientError, OSError):
            return _hang_up(request)

    async def _follow(self, plan: Plan, request: web.BaseRequest, call: Call, body: bytes) -> web.StreamResponse:
        if plan.action.startswith("commit"):
            answer = await self._ask(request, call, body)
            if call.is_write and answer.status >= 300:
                return _response(answer)
            plan.fired, call.fault = plan.fired + 1, plan.action
            return await self._after_commit(plan.action, request, answer)
        plan.fired, call.fault = plan.fired + 1, plan.action
        if plan.action.startswith("answer "):
            return _response(_fault(plan.action.removeprefix("answer ")))
        if plan.action == "hang":
            await asyncio.Event().wait()
        if plan.action == "hold":
            await self._released.wait()
            return await self._pass(request, call, body)
        await self._kill_if(plan.action == "kill")
        return _hang_up(request)

    async def _after_commit(self, action: str, request: web.BaseRequest, answer: _Answer) -> web.StreamResponse:
        if action == "commit, garbage":
            return _response(_Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers))
        if action == "commit, reply, kill":
            response = _response(answer)
            await response.prepare(request)
            await response.write_eof()
            await self._kill_if(wanted=True)
            return response
        await self._kill_if(action.endswith("kill"))
        return _hang_up(request)

    async def _kill_if(self, wanted: bool) -> None:
        if wanted:
            await asyncio.to_thread(self.kill)

    async def _pass(self, request: web.BaseRequest, call: Call, body: bytes) -> web.StreamResponse:
        if "watch=true" in request.raw_path:
            return await self._stream(request, call)
        return _response(await self._ask(request, call, body))

    async def _ask(self, request: web.BaseRequest, call: Call, body: bytes) -> _Answer:
        async with self._forwarded(request, body) as upstream:
            content = await upstream.read()
            call.status = upstream.status
            self._follow_status(call)
            return _Answer(upstream.status, content, _passed(upstream.headers))

    def _forwarded(self, request: web.BaseRequest, body: bytes) -> Any:
        url = URL(self._endpoint.server + request.raw_path, encoded=True)
        headers = _passed(request.headers)
        return self._session.request(request.method, url, data=body or None, headers=headers, allow_redirects=False)

    async def _stream(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        async with self._forwarded(request, b"") as upstream:
            call.status = upstream.status
            response = web.StreamResponse(status=upstream.status)
            response.headers.extend(_passed(upstream.headers))
            await response.prepare(request)
            async for line in upstream.content:
                await response.write(line)
            return response

    def _note(self, request: web.BaseRequest, body: bytes) -> Call:
        call = _read(request, body)
        key = (call.verb, call.resource, call.namespace)
        self._counts[key] += 1
        call.number = self._counts[key]
        self.calls.append(call)
        problem = _forbidden(call)
        if problem:
            self.problems.append(f"{call.verb} {request.raw_path}: {problem}")
        return call

    def _follow_status(self, call: Call) -> None:
        """What an accepted status says was seen never goes back."""
        if not (call.resource.endswith("/status") and call.status == 200):
            return
        uid, generation = call.body[0]["value"], call.body[1]["value"].get("observedGeneration", 0)
        if generation < self._generations.get(uid, 0):
            self.problems.append(f"observedGeneration of {uid} went back to {generation}")
        self._generations[uid] = generation


def _read(request: web.BaseRequest, body: bytes) -> Call:
    path = request.raw_path.partition("?")[0]
    found = _PATH.fullmatch(path)
    if found is None:
        return Call(request.method, path, path, "", 0)
    spaced = "/namespaces/{namespace}" if found["spaced"] else ""
    named = "/{name}" if found["name"] else ""
    sub = found["sub"] or ""
    template = f"{found['prefix']}{spaced}/{found['plural']}{named}{sub}"
    parsed = orjson.loads(body) if body and request.method in WRITES else None
    return Call(request.method, f"{found['plural']}{sub}", template, found["namespace"] or "", 0, parsed)


def _forbidden(call: Call) -> str:
    """Why an operator must not send this; empty if it may."""
    # Paths without a kind are those of discovery.
    discovers = call.verb == "GET" and call.resource.startswith("/")
    if not discovers and (call.verb, call.template) not in OPERATOR_CALLS:
        return "not on the list of what an operator sends"
    if call.verb == "DELETE" and "{name}" not in call.template:
        return "deletes a collection"
    if call.verb == "POST" and "generateName" in (call.body or {}).get("metadata", {}):
        return "leaves the name to the API server"
    if call.verb in {"PUT", "PATCH", "DELETE"} and not _is_fenced(call.body):
        return "says neither which object nor which version it means"
    return ""


def _is_fenced(body: Any) -> bool:
    if isinstance(body, list):
        return any(step.get("op") == "test" and step.get("path") == "/metadata/uid" for step in body)
    meta = (body or {}).get("preconditions") or (body or {}).get("metadata") or {}
    return bool(meta.get("uid") or meta.get("resourceVersion"))


def _fault(what: str) -> _Answer:
    if what == "html":
        return _Answer(502, b"<html><body>Bad Gateway</body></html>", [("Content-Type", "text/html")])
    status = int(what)
    content = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": "injected"}
    headers = [("Content-Type", "application/json"), *([("Retry-After", "1")] if status in {429, 503} else [])]
    return _Answer(status, orjson.dumps(content | {"reason": _REASONS.get(status, "InternalError")}), headers)


def _passed(headers: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in HOP_HEADERS]


def _response(answer: _Answer) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body)
    response.headers.clear()
    response.headers.extend(answer.headers)
    return response


def _hang_up(request: web.BaseRequest) -> web.Response:
    """Close the connection; the answer goes nowhere."""
    with suppress(AttributeError):
        request.transport.abort()  # type: ignore[union-attr]
    return web.Response(status=502)
