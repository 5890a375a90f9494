"""Server-sent events, as the HTML standard reads them."""

from collections.abc import Iterable

import httpx
from hypothesis import given
from hypothesis import strategies as st

from moorage_client import AsyncMoorage, Event, Moorage
from moorage_client.events import Parser

WORDS = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=("Cs",)), min_size=1, max_size=8)
EVENTS = st.lists(st.builds(Event, WORDS, st.lists(WORDS, min_size=1, max_size=3).map("\n".join), WORDS), max_size=5)


def written(event: Event) -> list[str]:
    data = [f"data: {line}" for line in event.data.split("\n")]
    return [": still here", f"event: {event.name}", f"id: {event.id}", "retry: 10", *data, ""]


def read(lines: Iterable[str]) -> list[Event]:
    return [event for event in map(Parser().feed, lines) if event is not None]


@given(EVENTS)
def test_what_is_written_is_read(events: list[Event]) -> None:
    assert read(line for event in events for line in written(event)) == events


def test_an_event_that_is_not_complete_is_none() -> None:
    assert read(["data: half"]) == []
    assert read(["data: half", "", ""]) == [Event("message", "half", "")]


def test_an_id_stays_until_there_is_another() -> None:
    lines = ["id: 7", "data: a", "", "data: b", "", "id", "data: c", ""]
    assert [event.id for event in read(lines)] == ["7", "7", ""]


def test_lines_of_httpx_are_lines_of_the_standard() -> None:
    answer = httpx.Response(200, content="data: ä\r\n\r\ndata: b\n\n".encode())
    assert [event.data for event in read(answer.iter_lines())] == ["ä", "b"]


def test_a_stream_is_asked_for_where_it_broke_and_read_as_it_comes() -> None:
    asked: list[httpx.Request] = []

    def answer(sent: httpx.Request) -> httpx.Response:
        asked.append(sent)
        return httpx.Response(200, content=b"id: 8\nevent: change\ndata: {}\n\n: still there\n\n")

    with Moorage("http://facade", "t", transport=httpx.MockTransport(answer)) as client:
        found = list(client.stream_events("acme", "shop", last_event_id="7"))

    assert [(one.id, one.name) for one in found] == [("8", "change")]
    assert asked[0].url.path == "/v1/orgs/acme/workspaces/shop/events"
    assert (asked[0].headers["Last-Event-ID"], asked[0].headers["Accept"]) == ("7", "text/event-stream")


async def test_the_one_for_asyncio_reads_the_same() -> None:
    stream = httpx.MockTransport(lambda _: httpx.Response(200, content=b"id: 8\ndata: {}\n\n"))

    async with AsyncMoorage("http://facade", "t", transport=stream) as client:
        found = [event.id async for event in client.stream_events("acme", "shop")]

    assert found == ["8"]
