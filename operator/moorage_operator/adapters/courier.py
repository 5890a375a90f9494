"""Carries events to their endpoints over HTTP: to the very address that was checked, without redirects or proxies."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import httpx

from moorage_crds.clock import Clock
from moorage_operator.events import addresses
from moorage_operator.events.decisions import AT_ONCE, pause_asked
from moorage_operator.events.ports import AddressRefusedError, EndpointReply, NoAddressError, NoTurnError, Post

#: Seconds for one event, the connection included, and for one look-up of a name.
POST_SECONDS: Final = 10.0
LOOKUP_SECONDS: Final = 5.0
#: Look-ups at once. Threads of our own: a name server that hangs must not hold up anybody else's.
LOOKUPS: Final = 4
#: Of an answer's body so much is read, that its connection can be used again.
MOST_BYTES: Final = 65_536

_PORTS: Final = {"http": 80, "https": 443}


class HttpCourier:
    """`Courier` over httpx.

    Args:
        allowed: networks that may be reached beside the public ones, and without TLS.
        clock: for dates in `Retry-After`.
    """

    def __init__(self, allowed: Sequence[addresses.Network], clock: Clock) -> None:
        # It writes every URL to the log, and the URL of a chat is a secret.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._allowed = tuple(allowed)
        self._clock = clock
        self._tls = httpx.create_ssl_context()
        self._threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="event-lookup")

    @contextlib.asynccontextmanager
    async def to(self, url: str, turn: int) -> AsyncIterator[Post]:
        """Open the way to a URL."""
        target, host, port = _target(url)
        found = await self._resolve(host, port)
        for one in found:
            problem = addresses.problem(one, self._allowed, secure=target.scheme == "https")
            if problem is not None:
                raise AddressRefusedError(problem)
        address = found[turn % len(found)]
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        async with httpx.AsyncClient(
            verify=self._tls, trust_env=False, follow_redirects=False, timeout=POST_SECONDS, limits=limits
        ) as client:
            yield partial(self._post, client, target, address)

    async def _post(
        self, client: httpx.AsyncClient, target: httpx.URL, address: str, body: bytes, headers: Mapping[str, str]
    ) -> EndpointReply:
        try:
            # The certificate has to be the name's, whatever address it is served from.
            request = client.build_request(
                "POST",
                target.copy_with(host=address),
                content=body,
                headers={"host": target.netloc.decode(), "user-agent": "moorage", **headers},
                extensions={"sni_hostname": target.host},
            )
            async with asyncio.timeout(POST_SECONDS):
                return await self._answer(client, request)
        except TimeoutError:
            return EndpointReply(0, f"no answer within {POST_SECONDS:.0f} s")
        except (httpx.HTTPError, OSError) as error:
            return EndpointReply(0, f"{type(error).__name__}: {error}"[:200])
        except Exception as error:
            # Whatever an endpoint can provoke is a failure of this event alone; the text may hold a secret URL.
            return EndpointReply(0, type(error).__name__)

    async def _answer(self, client: httpx.AsyncClient, request: httpx.Request) -> EndpointReply:
        response = await client.send(request, stream=True)
        try:
            asked = pause_asked(response.headers.get("retry-after", ""), self._clock.now())
            reply = EndpointReply(response.status_code, f"it answered {response.status_code}", asked)
            size = 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > MOST_BYTES:
                    break
        finally:
            await response.aclose()
        return reply

    async def _resolve(self, host: str, port: int) -> list[str]:
        asked = self._threads.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                found = await asyncio.wrap_future(asked)
        except TimeoutError:
            if asked.cancelled():
                message = "look-ups of other names hold all threads"
                raise NoTurnError(message) from None
            message = f"{host} was not resolved within {LOOKUP_SECONDS:.0f} s"
            raise NoAddressError(message) from None
        except (OSError, UnicodeError) as error:
            message = f"{host} cannot be resolved: {error}"
            raise NoAddressError(message) from error
        return list(dict.fromkeys(str(one[4][0]) for one in found))


def _target(url: str) -> tuple[httpx.URL, str, int]:
    """A URL with the name and the port to connect to. Nothing of its text is told: it may be a secret."""
    try:
        target = httpx.URL(url)
        host, port = target.host, target.port or _PORTS[target.scheme]
    except (httpx.InvalidURL, UnicodeError, ValueError, KeyError):
        host, port = "", 0
    if not host or not 0 < port < 65_536:
        message = "the url is none that events can be sent to"
        raise AddressRefusedError(message)
    return target, host, port
