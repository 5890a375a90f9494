"""What carries events: whatever a URL or an endpoint says fails one event or one sink, and tells no secret."""

import asyncio
import socket
import threading
import traceback
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fixed_clock import FixedClock

from moorage_operator.adapters import courier
from moorage_operator.adapters.courier import HttpCourier
from moorage_operator.events.ports import AddressRefusedError, NoAddressError, NoTurnError

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize(
    "url",
    [
        "https://[:::::]/sEcReT",
        "https://xn--a/sEcReT",
        "https://user:sEcReT/x@h/",
        "https://h:99999/sEcReT",
        "ftp://h/sEcReT",
        "https:///sEcReT",
        "",
    ],
)
async def test_what_is_no_url_is_refused_without_a_word_of_it(url: str) -> None:
    carrier = HttpCourier(LOOPBACK, FixedClock())
    with pytest.raises(AddressRefusedError) as raised:
        async with carrier.to(url, 0):
            pass
    assert "sEcReT" not in "".join(traceback.format_exception(raised.value))


@pytest.fixture
async def endpoint() -> AsyncIterator[TestServer]:
    """Asks for a pause until a date that no calendar has."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=503, headers={"retry-after": "1 Jan 2026 00:00:00 +99999999999999"})

    app = web.Application()
    app.router.add_post("/", answer)
    async with TestServer(app) as server:
        yield server


async def test_nothing_that_an_endpoint_says_is_more_than_a_failed_reply(endpoint: TestServer) -> None:
    carrier = HttpCourier(LOOPBACK, FixedClock())
    async with carrier.to(str(endpoint.make_url("/")), 0) as post:
        reply = await post(b"{}", {})
        assert (reply.status, reply.retry_after) == (503, None)

        broken = await post(b"{}", {"x-broken": "\udc80sEcReT"})
        assert (broken.status, broken.why) == (0, "UnicodeEncodeError")


async def test_a_look_up_that_found_no_thread_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: free.wait(60))
    monkeypatch.setattr(courier, "LOOKUP_SECONDS", 0.2)
    carrier = HttpCourier(LOOPBACK, FixedClock())

    async def ask(name: str) -> str:
        try:
            async with carrier.to(f"https://{name}.example.com/", 0):
                return "reached"
        except (NoAddressError, NoTurnError) as error:
            return type(error).__name__

    try:
        found = await asyncio.gather(*(ask(f"name-{number}") for number in range(courier.LOOKUPS + 2)))
    finally:
        free.set()
    assert sorted(found) == ["NoAddressError"] * courier.LOOKUPS + ["NoTurnError"] * 2


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: tuple[str, ...]) -> list[str]:
    """Names resolve to these addresses, look-up after look-up; which names were looked up."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize(
    "addresses",
    [
        ("93.184.216.34", "10.0.0.7"),
        ("10.0.0.7", "93.184.216.34"),
        ("2606:2800:220:1::1", "fd00::7"),
        ("93.184.216.34", "::ffff:169.254.169.254"),
        ("93.184.216.34", "64:ff9b::a00:7"),
        ("93.184.216.34", "2002:a00:7::1"),
    ],
)
@pytest.mark.parametrize("turn", [0, 1])
async def test_one_address_that_is_not_public_is_enough(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...], turn: int
) -> None:
    """Else a name with a public address would be taken, and the next turn would go to the other one."""
    resolving(monkeypatch, addresses)
    carrier = HttpCourier((), FixedClock())

    with pytest.raises(AddressRefusedError):
        async with carrier.to("https://both.example.com/", turn):
            pass


async def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, endpoint: TestServer
) -> None:
    asked = resolving(monkeypatch, ("127.0.0.1",), ("10.0.0.7",))
    carrier = HttpCourier(LOOPBACK, FixedClock())

    async with carrier.to(f"http://rebinds.example.com:{endpoint.port}/", 0) as post:
        replies = [(await post(b"{}", {})).status for _ in range(3)]

    assert (asked, replies) == (["rebinds.example.com"], [503] * 3)


async def test_a_redirect_is_an_answer_and_never_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response(status=308, headers={"location": "http://169.254.169.254/latest"})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with TestServer(app) as server:
        asked = resolving(monkeypatch, ("127.0.0.1",))
        async with HttpCourier(LOOPBACK, FixedClock()).to(f"http://e.example.com:{server.port}/in", 0) as post:
            reply = await post(b"{}", {})

    assert (reply.status, reached, asked) == (308, ["/in"], ["e.example.com"])
