"""Probes and metrics over HTTP."""

import aiohttp
import pytest

from moorage_dev import ports
from moorage_operator.adapters.health import HealthServer, PortInUseError


async def test_probes_tell_the_truth() -> None:
    problems: dict[str, str | None] = {"alive": None, "ready": "the first lists are not complete"}
    server = HealthServer(
        alive=lambda: problems["alive"], ready=lambda: problems["ready"], metrics=lambda: b"moorage_x 1\n"
    )
    port = ports.free(1)[0]
    await server.start("127.0.0.1", port)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            assert [await _status(session, path) for path in ("/healthz", "/readyz", "/metrics")] == [200, 503, 200]
            problems |= {"alive": "the loops have not moved", "ready": None}
            assert [await _status(session, path) for path in ("/healthz", "/readyz")] == [503, 200]
    finally:
        await server.stop()


async def _status(session: aiohttp.ClientSession, path: str) -> int:
    async with session.get(path) as answer:
        await answer.read()
        return answer.status


async def test_a_port_in_use_is_named() -> None:
    port = ports.free(1)[0]
    first, second = (HealthServer(alive=lambda: None, ready=lambda: None, metrics=lambda: b"") for _ in range(2))
    await first.start("127.0.0.1", port)
    try:
        with pytest.raises(PortInUseError, match=str(port)):
            await second.start("127.0.0.1", port)
    finally:
        await first.stop()
