"""What the client really sends, to a server that answers as it is told: fences, single attempts, reviews."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

import moorage_crds.kube.client
from moorage_crds import names
from moorage_crds.identifiers import BindingName, NamespaceName
from moorage_crds.kube.client import Client
from moorage_crds.kube.paths import FACADE_CALLS, OPERATOR_CALLS
from moorage_crds.kube.session import connect
from moorage_crds.store import ObjectRef, UnavailableError

SHOP = NamespaceName.parse("shop")
WEB = ObjectRef(names.DEPLOYMENTS, SHOP, BindingName.parse("production.web"))


class Server:
    """Answers every request alike, after those in `first`, and remembers it; without an answer it hangs up."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] | None = {}
        self.first: list[tuple[int, dict[str, Any]]] = []
        self.seen: list[tuple[str, str, str, Any]] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        content_type = request.headers.get("Content-Type", "")
        self.seen.append((request.method, request.path, content_type, orjson.loads(body) if body else None))
        if self.first:
            status, answer = self.first.pop(0)
            return web.json_response(answer, status=status)
        if self.answer is None:
            assert request.transport is not None
            request.transport.close()
        return web.json_response(self.answer or {})


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Server, Client]]:
    """A server, and a client for it that may send what operator and facade may."""
    server = Server()
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    calls = OPERATOR_CALLS | FACADE_CALLS
    async with connect(path) as cluster, Client(cluster, calls=calls, field_manager="tests") as client:
        yield server, client
    await runner.cleanup()


async def test_status_is_written_behind_a_test_of_the_uid(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, client):
        await client.store.replace_status(WEB, uid="some-uid", status={"release": "v1"})
    (method, path, content_type, body) = server.seen[0]
    assert (method, content_type) == ("PATCH", "application/json-patch+json")
    assert path.endswith("/production.web/status")
    assert body[0] == {"op": "test", "path": "/metadata/uid", "value": "some-uid"}


async def test_delete_says_which_object_it_means(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, client):
        await client.store.delete(WEB, uid="some-uid", resource_version="7")
    assert server.seen[0][3]["preconditions"] == {"uid": "some-uid", "resourceVersion": "7"}


# aiohttp itself sends a DELETE once more when the connection goes away; the uid in it makes that harmless.
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_write_without_an_answer_is_not_sent_again(tmp_path: Path, method: str) -> None:
    async with serving(tmp_path) as (server, client):
        server.answer = None
        sent = {
            "POST": lambda: client.store.create(names.RECORDS, SHOP, {"metadata": {"name": "x"}}),
            "PATCH": lambda: client.store.merge_patch(WEB, {"spec": {}}),
        }
        with pytest.raises(UnavailableError):
            await sent[method]()
    assert [request[0] for request in server.seen] == [method]


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"user": {"username": "alice"}},
        {"authenticated": False, "user": {"username": "alice"}},
        {"authenticated": "true", "user": {"username": "alice"}},
        {"authenticated": True, "user": {"username": " "}},
        {"authenticated": True},
    ],
)
async def test_review_that_does_not_say_yes_identifies_nobody(tmp_path: Path, status: dict[str, Any]) -> None:
    async with serving(tmp_path) as (server, client):
        server.answer = {"status": status}
        assert await client.reviewer.authenticate("some-token") is None


async def test_a_further_page_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moorage_crds.kube.client, "PAGE_PAUSES", (0.0, 0.0, 0.0))
    page = {"metadata": {"resourceVersion": "7", "continue": "more"}, "items": [{"number": 1}]}
    last = {"metadata": {"resourceVersion": "7"}, "items": [{"number": 2}]}
    async with serving(tmp_path) as (server, client):
        server.first = [(200, page), (504, {}), (429, {}), (200, last)]
        items = [item async for found in client.store.pages(names.RECORDS) for item in found.items]
    assert items == [{"number": 1}, {"number": 2}]


async def test_a_list_that_cannot_begin_or_go_on_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moorage_crds.kube.client, "PAGE_PAUSES", (0.0, 0.0, 0.0))
    page = {"metadata": {"resourceVersion": "7", "continue": "more"}, "items": []}
    for answers, requests in ([(504, {})], 1), ([(200, page), *[(504, {})] * 4], 5):
        async with serving(tmp_path) as (server, client):
            server.first = list(answers)
            with pytest.raises(UnavailableError):
                _ = [found async for found in client.store.pages(names.RECORDS)]
        assert len(server.seen) == requests
