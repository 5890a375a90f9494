"""Sends a streamed answer. A reader that is too slow is disconnected, because nothing is buffered without bound."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

from aiohttp import web

from moorage_api.operation import Stream

#: How long one piece may take to be taken by the client's side, in seconds.
SLOW_SECONDS: Final = 10.0
_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
    "Server": "moorage",
}


async def send(
    request: web.BaseRequest, stream: Stream, request_id: str, *, slow_seconds: float = SLOW_SECONDS
) -> web.StreamResponse:
    """Send a stream until it ends, the client goes, or the client is too slow. The connection is closed after it."""
    response = web.StreamResponse(headers={**_HEADERS, "X-Request-Id": request_id})
    response.force_close()
    chunks = stream.chunks
    try:
        await response.prepare(request)
        async for chunk in chunks:
            await asyncio.wait_for(response.write(chunk), slow_seconds)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass
    finally:
        if isinstance(chunks, AsyncGenerator):
            with contextlib.suppress(RuntimeError):
                await chunks.aclose()
    return response
