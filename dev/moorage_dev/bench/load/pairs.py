"""Two ways to the same effect in turns, one request at a time: what disturbs one disturbs the other."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from moorage_dev.bench.figures import percentile
from moorage_dev.bench.load import wire


async def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """Send the requests of `sides` (name → target, requests) in turns; latencies in ms for each side."""
    callers: dict[str, wire.Caller] = {}
    requests: dict[str, list[bytes]] = {}
    for name, side in job["sides"].items():
        target = wire.target(side["target"])
        callers[name] = wire.Caller(target)
        requests[name] = [target.request(*one) for one in side["requests"]]
    latencies: dict[str, list[float]] = {name: [] for name in callers}
    statuses: dict[str, Counter[int]] = {name: Counter() for name in callers}
    for index in range(min(map(len, requests.values()))):
        for name, caller in callers.items():
            before = time.perf_counter()
            status, _ = await caller.call(requests[name][index])
            latencies[name].append((time.perf_counter() - before) * 1000)
            statuses[name][status] += 1
    for caller in callers.values():
        caller.close()
    return {
        name: {
            "p50_ms": percentile(sorted(values), 0.5),
            "p95_ms": percentile(sorted(values), 0.95),
            "statuses": statuses[name],
        }
        for name, values in latencies.items()
    }
