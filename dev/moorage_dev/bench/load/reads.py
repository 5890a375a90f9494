"""As many GETs as a server answers: a fixed number of connections, each with the next request as soon as it may."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from itertools import cycle
from typing import Any

from moorage_dev.bench.figures import percentile
from moorage_dev.bench.load import wire


class _Reader:
    """One connection of the load."""

    def __init__(self, requests: "cycle[bytes]", until: float, statuses: Counter[int]) -> None:
        self._requests = requests
        self._until = until
        self._statuses = statuses
        self._sent = 0.0
        self.wire: wire.Wire | None = None
        self.latencies: list[float] = []
        self.bytes = 0
        self.done = asyncio.Event()

    def next(self) -> None:
        now = time.perf_counter()
        if now > self._until or self.wire is None:
            self.done.set()
            return
        self._sent = now
        self.wire.send(next(self._requests))

    def answered(self, status: int, body: bytes) -> None:
        self.latencies.append(time.perf_counter() - self._sent)
        self._statuses[status] += 1
        self.bytes += len(body)
        self.next()

    def lost(self) -> None:
        if not self.done.is_set():
            self._statuses[0] += 1
            self.done.set()


async def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """Read `paths` in turns for `seconds` over `connections`; rate, latencies in ms, statuses (0: connection lost).

    With a `body` they are POSTs; `headers` are further ones.
    """
    target = wire.target(job["target"])
    body, headers = job.get("body"), job.get("headers")
    method = "GET" if body is None else "POST"
    requests = cycle([target.request(method, path, body, headers=headers) for path in job["paths"]])
    statuses: Counter[int] = Counter()
    started = time.perf_counter()
    readers = [_Reader(requests, started + job["seconds"], statuses) for _ in range(job["connections"])]
    for reader in readers:
        reader.wire = await wire.connect(target, reader.answered, reader.lost)
    began = time.perf_counter()
    for reader in readers:
        reader.next()
    await asyncio.gather(*(reader.done.wait() for reader in readers))
    seconds = time.perf_counter() - began
    latencies = sorted(value * 1000 for reader in readers for value in reader.latencies)
    for reader in readers:
        if reader.wire is not None:
            reader.wire.close()
    return {
        "count": len(latencies),
        "rate": len(latencies) / seconds,
        "p50_ms": percentile(latencies, 0.5),
        "p95_ms": percentile(latencies, 0.95),
        "p99_ms": percentile(latencies, 0.99),
        "bytes": sum(reader.bytes for reader in readers) / max(1, len(latencies)),
        "statuses": statuses,
    }
