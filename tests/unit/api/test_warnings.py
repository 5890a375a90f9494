"""Warnings of the API server reach the writer, by REST and by the Python client."""

from facade_world import BASE, ORG, WORKSPACE, World
from people import Memory

from moorage_client import AsyncMoorage
from moorage_crds.kube.answers import warnings_of

SAID = 'environment production takes only "proven" releases; a \\ stays'


async def test_a_write_says_what_it_was_warned_of_once() -> None:
    world = World()
    world.environment("staging")
    world.cluster.warnings = [SAID, "second\nline – with a dash"]
    reply = await world.call("POST", f"{BASE}/staging/deploy", {"app_id": "web", "release_id": "1"})
    assert reply.status == 200
    header = reply.headers["Warning"]
    assert header.isascii()
    assert list(warnings_of([header])) == [SAID, "second line ? with a dash"]
    read = await world.call("GET", f"{BASE}/staging")
    assert "Warning" not in read.headers


async def test_the_client_tells_what_was_warned_of() -> None:
    world, heard = World(), list[str]()
    world.environment("staging")
    world.cluster.warnings = [SAID]
    async with AsyncMoorage("http://facade", "alice", transport=Memory(world), warned=heard.append) as client:
        await client.deploy_release(ORG, WORKSPACE, "staging", {"app_id": "web", "release_id": "1"})
        await client.get_environment(ORG, WORKSPACE, "staging")
    assert heard == [SAID]


def test_headers_with_several_warnings_are_read() -> None:
    values = ['299 - "one, two"', '110 - "Response is Stale", 299 - "three \\"four\\""']
    assert list(warnings_of(values)) == ["one, two", 'three "four"']
