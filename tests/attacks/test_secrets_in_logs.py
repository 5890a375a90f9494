"""No secret reaches a log or an answer, and nobody can write lines of his own into the log."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster import LiveCluster, Workspace, Workspaces
from raw_http import exchange
from services import Facade, Facades
from waiting import eventually

ROUNDS = 12
#: What breaks lines, terminals and JSON, or hides text.
INJECTIONS = (
    "\r\n{\"level\":\"info\",\"message\":\"forged\"}",
    "\n",
    "\x1b[2J\x1b[31mred",
    "\u202egnp.exe",
    "\u2028forged",
    "\x85forged",
    "\"},\"forged\":{\"",
    "%s%n{0}",
    "\0",
)  # fmt: skip


class Canaries:
    """Secrets that are put everywhere."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def new(self) -> str:
        """One that was not used before."""
        self.all.append(f"canary{secrets.token_hex(8)}")
        return self.all[-1]


def provoke(facade: Facade, space: Workspace, canaries: Canaries, injection: str) -> int:
    """Requests with canaries and an injection in every input; how many."""
    new = canaries.new
    path, token = space.rest, facade.cluster.token("alice")
    quoted = "".join(f"%{byte:02x}" for byte in injection.encode())
    calls: list[tuple[str, str, Any, dict[str, str]]] = [
        ("GET", f"{path}/{new()}{quoted}", None, {}),
        ("GET", f"{path}?cursor={new()}{quoted}", None, {}),
        ("GET", f"/{new()}{quoted}", None, {}),
        ("GET", f"/v1/orgs/{new()}{quoted}/workspaces/{space.name}/environments", None, {}),
        ("POST", path, {"name": new() + injection, "slug": new() + injection}, {}),
        ("POST", path, {new() + injection: 1}, {}),
        ("POST", path, f'{{"name": "{new()}'.encode(), {}),
        ("POST", f"{path}/prod/deploy", {"app_id": "web", "release_id": new() + injection, "reason": new()}, {}),
        ("DELETE", f"{path}/prod/deploy/{new()}?reason={new()}{quoted}", None, {}),
        ("PUT", f"{path}/prod/lock", {"reason": new() + injection}, {}),
        ("GET", f"{path}/prod", None, {"If-None-Match": new(), "User-Agent": new(), "Cookie": new()}),
        ("POST", f"{path}/prod/deploy/web/rollback", {}, {"Idempotency-Key": new()}),
        ("GET", f"{path}/prod", None, {"X-Resource-Version": new()}),
    ]
    for method, target, body, headers in calls:
        answer = facade.call(method, target, token=token, body=body, headers=headers)
        assert answer.status < 500, (method, target, answer)
    for bad in (new(), f"{new()}.{new()}.{new()}", new() * 40):
        answer = facade.call("GET", f"{path}/prod", token=bad)
        assert answer.status == 401
        assert bad.encode() not in answer.body
    # As bytes: what no client library sends.
    lines = [f"GET {path}/prod HTTP/1.1", "Host: moorage", f"Authorization: Basic {new()}"]
    lines += [f"X-Request-Id: {new()} {injection.encode('unicode_escape').decode()}", f"X-Other: {new()}\x1b[31m"]
    exchange(facade.service.url, "\r\n".join([*lines, "Connection: close", "", ""]).encode(), until_closed=True)
    exchange(facade.service.url, f"{new()}\x1b[31m\r\n\r\n".encode(), until_closed=True)
    return len(calls) + 5


def require_clean(log: Path, canaries: Canaries, tokens: list[str]) -> int:
    """Every line is one JSON object that somebody of us wrote; the number of lines."""
    content = log.read_bytes()
    leaked = [canary for canary in [*canaries.all, *tokens] if canary.encode() in content]
    assert leaked == []
    assert b"\x1b" not in content
    lines = content.decode("utf-8").split("\n")
    assert lines.pop() == ""
    for line in lines:
        event = json.loads(line)
        assert {"time", "level", "logger", "process", "message"} <= set(event)
        assert "forged" not in event
        assert event["message"] != "forged"
    return len(lines)


def test_no_secret_and_no_forged_line_reaches_a_log(
    cluster: LiveCluster, facades: Facades, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    space = workspace("prod")
    facade = facades.start({"MOORAGE_LOG_LEVEL": "DEBUG"})
    canaries = Canaries()
    requests = sum(provoke(facade, space, canaries, INJECTIONS[number % len(INJECTIONS)]) for number in range(ROUNDS))
    # Two in each round are not HTTP, and logged as such.
    eventually(lambda: _requests_in(facade.service.child.log) >= requests - 2 * ROUNDS)
    tokens = [cluster.token("alice"), json.loads(_kubeconfig(cluster))["users"][0]["user"]["token"]]
    lines = require_clean(facade.service.child.log, canaries, tokens)
    # Nor anything that the cluster keeps, but for the reasons of changes, which are meant to be read.
    kept = json.dumps([space.list(plural) for plural in ("environments", "deployments", "environmentlocks")])
    assert not any(token in kept for token in tokens)
    events = cluster.raw("GET", f"/api/v1/namespaces/{space.namespace}/events").body.decode()
    assert not any(canary in events for canary in canaries.all)
    figures(f"{len(canaries.all)} canaries in {requests} requests at level DEBUG: {lines} lines, 0 leaked, 0 forged")


def _requests_in(log: Path) -> int:
    return log.read_bytes().count(b'"message":"request"')


def _kubeconfig(cluster: LiveCluster) -> str:
    """The facade's own kubeconfig."""
    return (cluster.folder / "moorage-api.kubeconfig").read_text(encoding="utf-8")
