"""Which connections go when there are too many, and that honest clients are served while others hold theirs open."""

import asyncio
import contextlib
import itertools
import socket

import pytest
from facade_sockets import exchange, get, listening
from facade_world import World
from hypothesis import given
from hypothesis import strategies as st

from moorage_api.edge.connections import ClientConnection, Connections
from moorage_dev import patience

NUMBERS = itertools.count()
#: How many connections the facade under test may have, and how many come at once: more than the loop takes in a round.
LIMIT = 10
FLOOD = 300


def opened(
    known: Connections, client: str = "a", *, exempt: bool = False, authenticated: bool = False, busy: bool = False
) -> ClientConnection:
    made = ClientConnection(client, exempt=exempt, since=float(next(NUMBERS)), authenticated=authenticated)
    known.opened(made)
    if busy:
        known.began(made)
    return made


def test_oldest_idle_connection_of_nobody_goes_first() -> None:
    known = Connections(total=4, share=4)
    somebody, oldest = opened(known, authenticated=True), opened(known)
    for _ in range(3):
        last = opened(known)

    assert known.crowded_by(last)
    assert known.surplus() == [oldest]
    assert somebody not in known.surplus()


def test_client_with_most_connections_gives_way_before_older_ones_of_others() -> None:
    known = Connections(total=4, share=4)
    opened(known, "honest")
    first = opened(known, "greedy")
    for _ in range(3):
        opened(known, "greedy")

    assert known.surplus() == [first]


def test_connection_with_a_request_never_gives_way() -> None:
    known = Connections(total=2, share=2)
    for _ in range(2):
        opened(known, busy=True)
    third = opened(known, authenticated=True)

    assert known.surplus() == [third]


def test_share_holds_where_there_is_room_for_all_and_not_for_trusted_proxies() -> None:
    known = Connections(total=100, share=2)
    oldest = opened(known, "greedy")
    for _ in range(2):
        last = opened(known, "greedy")
    for _ in range(5):
        proxied = opened(known, "proxy", exempt=True)

    assert (known.crowded_by(last), known.crowded_by(proxied)) == (True, False)
    assert known.surplus() == [oldest]


def test_trusted_proxy_gives_way_last() -> None:
    known = Connections(total=2, share=2)
    for _ in range(2):
        opened(known, "proxy", exempt=True)
    other = opened(known, "other", authenticated=True)

    assert known.surplus() == [other]


@pytest.mark.parametrize(("client", "exempt", "refused"), [("a", False, True), ("b", False, False), ("a", True, False)])
def test_client_whose_share_is_busy_is_refused_alone(client: str, exempt: bool, refused: bool) -> None:
    known = Connections(total=10, share=2)
    for _ in range(2):
        opened(known, "a", busy=True)

    assert known.refuses(ClientConnection(client, exempt=exempt, since=0.0)) is refused


def test_connection_that_nobody_has_looked_at_is_neither_closed_nor_counted() -> None:
    known = Connections(total=2, share=2)
    oldest, newer, seen = opened(known), opened(known), opened(known)
    unseen = [opened(known) for _ in range(3)]

    assert known.surplus(seen.since) == [oldest]
    assert known.still_crowded(seen.since)
    known.closed(oldest)
    known.closed(newer)
    for one in unseen[1:]:
        known.closed(one)
    assert known.surplus(seen.since) == []
    assert not known.still_crowded(seen.since)
    assert len(known) == 2


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans(), st.booleans()), max_size=60)


@given(steps=STEPS, total=st.integers(0, 8), share=st.integers(1, 8))
def test_what_stays_is_within_all_limits_unless_it_is_busy(
    steps: list[tuple[str, bool, bool, bool]], total: int, share: int
) -> None:
    known = Connections(total=total, share=share)
    there = [
        opened(known, who, exempt=who == "c", authenticated=known_user, busy=busy) for who, known_user, busy, _ in steps
    ]
    for one, (_, _, _, ended) in zip(list(there), steps, strict=True):
        if ended:
            known.closed(one)
            there.remove(one)

    for one in known.surplus():
        known.closed(one)
        there.remove(one)

    idle = [one for one in there if not one.busy]
    assert len(known) == len(there)
    assert len(there) <= total or not idle
    for who in "ab":
        own = [one for one in there if one.client == who]
        assert len(own) <= share or all(one.busy for one in own)
    for one in there:
        known.closed(one)
    assert (len(known), dict(known._count), dict(known._busy), known._all_busy) == (0, {}, {}, 0)


async def test_idle_connections_do_not_keep_others_out() -> None:
    world = World()
    async with listening(world, connections=20) as port:
        hogs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]

        answers = [await exchange(port, get()) for _ in range(30)]

        assert {answer.split(b" ", 2)[1] for answer in answers} == {b"200"}
        closed = [reader.read() for reader, _ in hogs[:30]]
        await asyncio.wait_for(asyncio.gather(*closed, return_exceptions=True), 5)
        for _, writer in hogs:
            writer.close()


async def test_request_is_answered_whose_connection_came_in_a_flood_of_others() -> None:
    """All are there before the loop of the server looks, the honest one first: it is the oldest that is idle."""
    world = World()
    async with listening(world, connections=LIMIT) as port:
        honest = socket.create_connection(("127.0.0.1", port), timeout=5)
        honest.sendall(get())
        hogs = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(FLOOD)]

        reader, writer = await asyncio.open_connection(sock=honest)
        answer = await asyncio.wait_for(reader.read(), patience.scaled(5))

        assert answer.startswith(b"HTTP/1.1 200 ")
        closed = await asyncio.wait_for(
            asyncio.gather(*(_end(one) for one in hogs[: FLOOD - LIMIT])), patience.scaled(5)
        )
        assert len(closed) == FLOOD - LIMIT
        for one in [writer, *hogs]:
            one.close()


async def _end(one: socket.socket) -> None:
    """Wait until the server has closed a connection."""
    one.setblocking(False)
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.get_running_loop().sock_recv(one, 1) == b""


async def test_connection_that_authenticated_outlives_idle_ones_of_nobody() -> None:
    world = World()
    request = get().replace(b"Connection: close\r\n", b"")
    async with listening(world, connections=5) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        await _answer(reader)
        hogs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        await asyncio.wait_for(asyncio.gather(*(one.read() for one, _ in hogs[:7]), return_exceptions=True), 5)

        writer.write(request)

        assert b" 200 " in await _answer(reader)
        for _, one in [*hogs, (reader, writer)]:
            one.close()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    await reader.readexactly(length)
    return head
