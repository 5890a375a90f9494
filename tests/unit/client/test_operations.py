"""The client has every operation of the document, and what it sends the real facade takes."""

import ast
import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from facade_world import World

from moorage_client import ApiError, AsyncMoorage, ConflictError, InvalidRequestError, Moorage, NotFoundError
from moorage_client.models import DeployRequest
from moorage_dev import client_code
from moorage_dev.layout import ROOT

DOCUMENT = json.loads((ROOT / "docs/openapi.json").read_text(encoding="utf-8"))
SHOP = ("acme", "shop")
SPECS = [(path, spec) for path, methods in DOCUMENT["paths"].items() for spec in methods.values()]


class Memory(httpx.AsyncBaseTransport):
    """The facade in memory instead of a network."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        own = ("authorization", "if-match", "if-none-match", "idempotency-key", "x-resource-version")
        headers = {name.title(): request.headers[name] for name in own if name in request.headers}
        content = await request.aread() or None
        reply = await self.world.call(
            request.method, request.url.raw_path.decode(), content, user=None, headers=headers
        )
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.content)


@pytest.fixture
def memory() -> Memory:
    return Memory(World())


@pytest.fixture
async def client(memory: Memory) -> AsyncIterator[AsyncMoorage]:
    async with AsyncMoorage("http://facade", "alice", transport=memory) as made:
        yield made


@pytest.mark.parametrize("kind", [Moorage, AsyncMoorage])
@pytest.mark.parametrize(("path", "spec"), SPECS, ids=[spec["operationId"] for _, spec in SPECS])
def test_every_operation_is_a_method_with_all_its_parameters(kind: type, path: str, spec: Any) -> None:
    made = getattr(kind, client_code.snake(spec["operationId"]))
    arguments = set(inspect.signature(made).parameters)
    wanted = {one["name"] for one in spec["parameters"] if one.get("in") == "query"}
    wanted |= {part[1:-1] for part in path.split("/") if part.startswith("{")}
    wanted |= {"body"} if "requestBody" in spec else set()
    assert {client_code.argument(name) for name in wanted} <= arguments


def test_the_client_knows_nobody() -> None:
    """It installs without the server: standard library and httpx, nothing else."""
    found: set[str] = set()
    for path in Path(ROOT, "client/moorage_client").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
    assert not {name for name in found if name.startswith("moorage")} - {"moorage_client"}
    assert "httpx" in found
    assert not found & {"kubernetes", "aiohttp", "kopf", "pydantic", "orjson", "yaml"}


async def test_a_day_of_an_environment(client: AsyncMoorage, memory: Memory) -> None:
    await client.create_environment(*SHOP, {"name": "Staging", "slug": "staging"})
    for release in ("1", "2", "3"):
        await client.deploy_release(*SHOP, "staging", {"app_id": "web", "release_id": release, "reason": f"r{release}"})
    back = await client.rollback_app(*SHOP, "staging", "web")
    await client.lock_environment(*SHOP, "staging", {"reason": "stocktaking"})
    locked = await client.get_environment(*SHOP, "staging")
    with pytest.raises(ConflictError) as refused:
        await client.deploy_release(*SHOP, "staging", {"app_id": "web", "release_id": "4"})
    await client.unlock_environment(*SHOP, "staging")
    await client.undeploy_app(*SHOP, "staging", "web", reason="done")
    lines = [line async for line in client.all_deployments(*SHOP, "staging", limit=2)]

    assert back["release_id"] == "2"
    assert locked is not None
    assert (locked["active_deployments"], locked["lock"] and locked["lock"]["reason"]) == ({"web": "2"}, "stocktaking")
    assert (refused.value.reason, refused.value.details["locked_by"]) == ("EnvironmentLocked", "alice")
    assert [line["action"] for line in lines] == ["undeploy", "rollback", "deploy", "deploy", "deploy"]
    assert len({line["deployment_id"] for line in lines}) == 5


async def test_errors_are_classes_with_reason_and_details(client: AsyncMoorage) -> None:
    with pytest.raises(NotFoundError) as missing:
        await client.get_environment(*SHOP, "nowhere")
    with pytest.raises(InvalidRequestError) as invalid:
        await client.create_environment(*SHOP, {"name": "", "slug": "Not A Slug"})

    assert missing.value.details["resource_type"] == "environment"
    assert missing.value.request_id
    assert {problem["loc"][1] for problem in invalid.value.problems} == {"name", "slug"}


async def test_a_read_asks_for_what_the_own_writes_have_made(client: AsyncMoorage, memory: Memory) -> None:
    await client.create_environment(*SHOP, {"name": "Staging", "slug": "staging"})
    await client.deploy_release(*SHOP, "staging", {"app_id": "web", "release_id": "1"})
    await client.get_environment(*SHOP, "staging")

    writes, read = memory.sent[:-1], memory.sent[-1]
    assert all("x-resource-version" not in one.headers for one in writes)
    assert {part.partition("=")[0] for part in read.headers["x-resource-version"].split(",")} == {
        "deployments",
        "environments",
    }


async def test_ids_are_sent_as_one_segment_of_the_path(client: AsyncMoorage, memory: Memory) -> None:
    for strange in ("a/b", "../secrets", "a?b=c", "a#b", "ä", "%2e"):
        with pytest.raises(NotFoundError):
            await client.get_environment(*SHOP, strange)
        assert memory.sent[-1].url.raw_path.decode().count("/") == 7
        assert not memory.sent[-1].url.query


async def test_several_values_of_a_parameter_are_sent_one_by_one(client: AsyncMoorage, memory: Memory) -> None:
    gates, body = ["freeze/sale", "promotion"], DeployRequest(app_id="a", release_id="1", reason="outage")
    with pytest.raises(ApiError):
        await client.deploy_release("o", "w", "e", body, override=gates)
    assert memory.sent[-1].url.params.get_list("override") == gates


async def test_the_client_without_asyncio_does_the_same(memory: Memory) -> None:
    loop = asyncio.get_running_loop()

    def answer(request: httpx.Request) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(memory.handle_async_request(request), loop).result()

    def day() -> list[str]:
        with Moorage("http://facade", "alice", transport=httpx.MockTransport(answer)) as client:
            client.create_environment(*SHOP, {"name": "Staging", "slug": "staging"})
            for release in ("1", "2", "3"):
                client.deploy_release(*SHOP, "staging", {"app_id": "web", "release_id": release})
            return [line["release_id"] for line in client.all_deployments(*SHOP, "staging", limit=1)]

    assert await asyncio.to_thread(day) == ["3", "2", "1"]
