"""Streams of events: nothing is lost over a break, rights are asked for again, and slow readers are let go."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from facade_sockets import listening
from facade_world import BASE, NAMESPACE, World

from moorage_api.access import TOKEN_SECONDS
from moorage_api.cache.listeners import MAX_OF_USER, MAX_WAITING
from moorage_api.reads import events
from moorage_api.reads.matrix import Matrix, MatrixSight
from moorage_api.reviews.answers import BELIEVED_SECONDS
from moorage_client.events import Event, Parser
from moorage_crds import names
from moorage_crds.moments import to_text
from moorage_crds.store import UnavailableError
from moorage_dev import patience

PATH = BASE.removesuffix("/environments") + "/events"


@dataclass
class Reader:
    """The client's side of a stream."""

    stream: asyncio.StreamReader
    head: bytes
    parser: Parser = field(default_factory=Parser)
    last: str = ""

    async def next(self, name: str) -> dict[str, Any]:
        """The data of the next event of that name; others are passed over."""
        while True:
            event = await self.event()
            if event.name == name:
                return dict(json.loads(event.data))

    async def environment(self, **told: str) -> None:
        """Read until an environment is told with these fields."""
        while not told.items() <= (await self.next("environment")).items():
            pass

    async def event(self) -> Event:
        while True:
            line = await asyncio.wait_for(self.stream.readline(), patience.scaled(30))
            assert line, "the stream has ended"
            event = self.parser.feed(line.decode().rstrip("\r\n"))
            if event is not None:
                self.last = event.id or self.last
                return event

    async def rest(self) -> bytes:
        """What comes until the server closes."""
        return await asyncio.wait_for(self.stream.read(), patience.scaled(30))


@asynccontextmanager
async def reading(port: int, *, user: str = "alice", last: str = "") -> AsyncIterator[Reader]:
    """Read a stream without the framing of chunks: by HTTP/1.0."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = [f"GET {PATH} HTTP/1.0", "Host: a", f"Authorization: Bearer {user}"]
    head += [f"Last-Event-ID: {last}"] if last else []
    writer.write("\r\n".join([*head, "", ""]).encode())
    try:
        yield Reader(reader, await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), patience.scaled(30)))
    finally:
        writer.close()


async def test_changes_locks_and_environments_are_told() -> None:
    world = World()
    uid = world.environment()
    async with listening(world) as port, reading(port) as reader:
        assert b"text/event-stream" in reader.head
        assert await reader.next("hello") == {"hidden": []}
        assert (await reader.next("environment"))["slug"] == "staging"
        await world.deploy("web", "v1")
        change = await reader.next("change")
        await world.call("PUT", f"{BASE}/staging/lock", {"reason": "stop"})
        locked = await reader.next("environment")
        world.environment("production")
        created = await reader.next("environment")
        world.cluster.remove("environments", NAMESPACE, "production")
        world.deliver()
        gone = await reader.next("environment_gone")

    lines = (await world.call("GET", f"{BASE}/staging/deployments")).json["deployments"]
    assert change == {**lines[0], "environment": "staging"}
    assert change["environment_id"] == uid
    assert locked["lock"]["reason"] == "stop"
    assert (created["slug"], gone["slug"]) == ("production", "production")


async def test_what_an_environment_decides_by_is_told_also_where_bindings_hold_it() -> None:
    """The page asks again who may enter when it hears of the environment."""
    world = World()
    world.environment()
    await world.deploy("web", "v1")
    async with listening(world) as port, reading(port) as reader:
        await reader.next("environment")
        for evidence in ({"known": ["v1"]}, {"known": ["v1"], "approved": []}, None):
            raw = world.cluster.one(names.DEPLOYMENTS, NAMESPACE, "staging.web")
            assert raw is not None
            raw["status"] = {key: one for key, one in {"evidence": evidence}.items() if one is not None}
            world.cluster.put(raw)
            world.deliver()
            async with asyncio.timeout(patience.scaled(30)):
                assert (await reader.next("environment"))["slug"] == "staging"


@pytest.mark.parametrize("recorded", [True, False])
async def test_nothing_is_lost_over_a_break(*, recorded: bool) -> None:
    world = World()
    world.environment()
    async with listening(world) as port:
        async with reading(port) as reader:
            await reader.next("hello")
            await world.deploy("web", "v1")
            seen = {(await reader.next("change"))["release_id"]}
        for number in range(2, 6):
            await world.deploy("web", f"v{number}")
        if recorded:
            world.record("staging.web")
        async with reading(port, last=reader.last) as again:
            while len(seen) < 5:
                seen.add((await again.next("change"))["release_id"])

    assert seen == {"v1", "v2", "v3", "v4", "v5"}


@pytest.mark.parametrize("last", ["x", "1", "1.2.3", "-1.2", "9" * 21 + ".1"])
async def test_who_comes_with_a_strange_id_is_told_to_read_again(last: str) -> None:
    world = World()
    async with listening(world) as port, reading(port, last=last) as reader:
        assert await reader.next("reset") == {}


async def test_who_missed_too_much_is_told_to_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_MISSED", 3)
    world = World()
    world.environment()
    for number in range(5):
        await world.deploy("web", f"v{number}")
    async with listening(world) as port, reading(port, last="1.1") as reader:
        assert await reader.next("reset") == {}


async def test_a_stream_ends_when_the_right_is_gone() -> None:
    world = World()
    world.environment()
    async with listening(world) as port, reading(port) as reader:
        await reader.next("hello")
        world.reviews.rights.clear()
        world.clock.advance(BELIEVED_SECONDS)
        await world.call("PUT", f"{BASE}/staging", {"name": "x"}, user="root")
        assert await reader.next("end") == {"reason": "Forbidden"}
        assert await reader.rest() == b""
    assert not len(world.catalog.history.journal.listeners)


async def test_a_stream_tells_nothing_later_than_other_answers_after_a_right_is_gone() -> None:
    world = World()
    world.environment()

    async def renamed(seconds: float, name: str) -> None:
        world.clock.advance(seconds)
        await world.call("PUT", f"{BASE}/staging", {"name": name}, user="root")

    async with listening(world) as port:
        await world.call("GET", BASE)
        world.clock.advance(5)
        async with reading(port) as reader:
            await reader.next("hello")
            # Another request renews the answer just before the right goes, and the stream looks just before it ends.
            world.clock.advance(5.5)
            await world.call("GET", BASE)
            world.reviews.rights.clear()
            await renamed(BELIEVED_SECONDS - 0.5, "still believed")
            await reader.environment(name="still believed")
            await renamed(0.5, "not believed")
            while (event := await reader.event()).name != "end":
                assert "not believed" not in event.data
    assert (await world.call("GET", BASE)).status == 403


async def test_a_stream_of_an_account_that_is_gone_ends_when_its_token_is_reviewed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.environment()

    async def nobody(_token: str) -> None:
        return None

    async with listening(world) as port, reading(port) as reader:
        await reader.next("hello")
        monkeypatch.setattr(world.reviews, "authenticate", nobody)
        world.clock.advance(TOKEN_SECONDS)
        world.environment("production")
        assert await reader.next("end") == {"reason": "Forbidden"}


async def test_streams_of_a_token_share_what_its_reviews_cost() -> None:
    """Twenty seconds with news in each of them, four times a second: 20 TokenReviews, and 5 questions twice."""
    world = World()
    world.environment()
    async with listening(world) as port, reading(port) as one, reading(port) as two:
        for reader in (one, two):
            await reader.next("hello")
        world.reviews.asked.clear()
        for number in range(80):
            world.clock.advance(0.25)
            # Told as the watch tells it: no request of anybody asks reviews meanwhile.
            world.environment("staging", displayName=f"name {number}")
            for reader in (one, two):
                await reader.environment(name=f"name {number}")
    reviews = Counter(type(asked).__name__ for asked in world.reviews.asked)
    assert reviews == {"str": 20, "Right": 10}


async def test_a_stream_of_which_nobody_can_say_whose_it_is_breaks_and_goes_on() -> None:
    """`end` would say that asking again is of no use."""
    world = World()
    world.environment()
    async with listening(world) as port:
        async with reading(port) as reader:
            await reader.next("hello")
            world.reviews.broken = UnavailableError("down")
            world.clock.advance(BELIEVED_SECONDS)
            world.environment("production")
            rest = await reader.rest()
            assert b"event: end" not in rest
            assert b"production" not in rest
        world.reviews.broken = None
        async with reading(port, last=reader.last) as again:
            await again.environment(slug="production")


async def test_who_may_not_read_the_history_hears_of_no_change() -> None:
    world = World()
    world.environment()
    world.reviews.grant("bob", "list environments")
    async with listening(world) as port, reading(port, user="bob") as reader:
        assert "distance" in (await reader.next("hello"))["hidden"]
        await world.deploy("web", "secret")
        await world.call("PUT", f"{BASE}/staging", {"name": "Renamed"})
        while (event := await reader.event()).data.find("Renamed") < 0:
            assert event.name != "change"
            assert "secret" not in event.data


async def test_a_listener_that_does_not_keep_up_is_let_go() -> None:
    world = World()
    world.environment()
    await world.deploy("web", "v1")
    chain = next(iter(world.catalog.history._shelves.values())).chains
    line = next(iter(chain.values())).last()
    assert line is not None
    with world.catalog.history.journal.listeners.join(NAMESPACE, "alice") as listener:
        for _ in range(MAX_WAITING):
            listener.tell(line)
        assert not listener.ended
        listener.tell(line)
        assert listener.ended


async def test_streams_of_a_user_are_bounded_and_reads_go_on() -> None:
    world = World()
    world.environment()
    journal = world.catalog.history.journal
    async with listening(world, connections=2 * MAX_OF_USER) as port:
        open_ones = [reading(port) for _ in range(MAX_OF_USER)]
        readers = [await one.__aenter__() for one in open_ones]
        for reader in readers:
            await reader.next("hello")
        async with reading(port) as refused:
            assert b" 503 " in refused.head
        assert (await world.call("GET", BASE)).status == 200
        world.edge.stop()
        for one, reader in zip(open_ones, readers, strict=True):
            await reader.rest()
            await one.__aexit__(None, None, None)
    assert not len(journal.listeners)


async def test_streams_need_the_right_to_list_environments() -> None:
    world = World()
    assert (await world.call("GET", PATH, user="mallory")).status == 403
    assert (await world.call("GET", PATH, user=None)).status == 401
    assert (await world.call("GET", f"{PATH}?x=1")).status == 422


async def _locked(world: World, until: str) -> None:
    reply = await world.call("PUT", f"{BASE}/staging/lock", {"reason": "stop", "until": until})
    assert reply.status == 200, reply.content


async def test_environments_are_made_once_for_all_streams_that_may_see_the_same() -> None:
    world = World()
    world.environment()
    columns = events.Columns(world.catalog, Matrix(world.catalog))
    everything, little = MatrixSight(True, True, True, True), MatrixSight(True, True, False, False)
    place = world.catalog.workspaces()[0]

    def told(sight: MatrixSight) -> Mapping[str, Any]:
        return columns.of(place, sight, world.clock.now())

    first = told(everything)
    world.clock.advance(60)
    assert told(everything) is first, "nothing has changed, however late it is"
    until = world.clock.now() + timedelta(seconds=30)
    await _locked(world, to_text(until))
    locked = told(everything)
    assert (locked is first, b"stop" in locked["staging"][0]) == (False, True)
    assert b"stop" not in told(little)["staging"][0]
    assert told(everything) is locked, "another sight does not push it out"
    world.clock.advance(29)
    assert told(everything) is locked
    world.clock.advance(1)
    assert b"stop" not in told(everything)["staging"][0], "a lock that has ended by itself changes no object"


async def test_many_streams_hear_of_the_same_lock_once_each() -> None:
    world = World()
    world.environment()
    async with listening(world) as port, AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(reading(port)) for _ in range(5)]
        for reader in readers:
            assert (await reader.next("environment"))["lock"] is None
        await world.call("PUT", f"{BASE}/staging/lock", {"reason": "stop"})
        for reader in readers:
            assert (await reader.next("environment"))["lock"]["reason"] == "stop"
        await world.call("DELETE", f"{BASE}/staging/lock")
        for reader in readers:
            assert (await reader.next("environment"))["lock"] is None
