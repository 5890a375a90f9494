"""Changes of releases: at a steady rate, or as fast as they are taken; optionally beside a watch that sees the records.

A change is a merge patch of one Deployment. The record that belongs to it is known from the answer: uid and number.
"""

import asyncio
import itertools
import ssl
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import orjson

from moorage_dev.bench.figures import percentile
from moorage_dev.bench.load import wire

_RECORDS: Final = "/apis/moorage.dev/v1/deploymentrecords"
_PATIENCE_SECONDS: Final = 30.0


class Records:
    """When each record was seen first by a watch, and who waits for one."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}
        self._waiting: dict[str, asyncio.Event] = {}

    def see(self, name: str) -> None:
        """A record has arrived."""
        self.seen.setdefault(name, time.perf_counter())
        event = self._waiting.pop(name, None)
        if event is not None:
            event.set()

    async def wait(self, name: str) -> None:
        """Return when it is there; gives up after half a minute."""
        if name in self.seen:
            return
        event = self._waiting.setdefault(name, asyncio.Event())
        await asyncio.wait_for(event.wait(), _PATIENCE_SECONDS)


@asynccontextmanager
async def watched(target: wire.Target) -> AsyncIterator[Records]:
    """Watch the records of the whole cluster from now on."""
    records = Records()
    context = ssl.create_default_context(cadata=target.ca)
    headers = {"Authorization": f"Bearer {target.token}"}
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(target.url, headers=headers, timeout=timeout) as session:
        async with session.get(_RECORDS, params={"limit": "1"}, ssl=context) as answer:
            version = (await answer.json())["metadata"]["resourceVersion"]
        query = {"watch": "true", "resourceVersion": version}
        async with session.get(_RECORDS, params=query, ssl=context) as stream:
            task = asyncio.create_task(_follow(stream, records))
            try:
                yield records
            finally:
                task.cancel()
                await asyncio.wait({task})


async def _follow(stream: aiohttp.ClientResponse, records: Records) -> None:
    rest = b""
    async for chunk in stream.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            records.see(orjson.loads(line)["object"]["metadata"]["name"])


class _Load:
    """The changes of one job, and what became of them."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.target = wire.target(job["target"])
        paths: list[str] = job["paths"]
        self._paths = itertools.cycle(paths)
        self._numbers = itertools.count()
        self._prefix: str = job.get("prefix", "")
        self._releases: list[str] = job.get("releases", [])
        self._many = len(paths)
        self._idle: deque[wire.Caller] = deque()
        self.latencies: list[float] = []
        self.answered: dict[str, float] = {}
        self.statuses: Counter[int] = Counter()

    def next_path(self) -> str:
        """The Deployment whose turn it is."""
        return next(self._paths)

    def _release(self) -> str:
        """A release that was never there; with `releases` all Deployments get the next of these in turns."""
        number = next(self._numbers)
        if self._releases:
            return self._releases[number // self._many % len(self._releases)]
        return f"{self._prefix}.{number}"

    async def change(self, path: str) -> str | None:
        """Change the release of a Deployment; the name of its record, None if it was refused."""
        body = {"spec": {"release": self._release()}}
        request = self.target.request("PATCH", path, body, "application/merge-patch+json")
        caller = self._idle.pop() if self._idle else wire.Caller(self.target)
        before = time.perf_counter()
        status, answer = await caller.call(request)
        now = time.perf_counter()
        self._idle.append(caller)
        self.latencies.append((now - before) * 1000)
        self.statuses[status] += 1
        if status != 200:
            return None
        raw = orjson.loads(answer)
        name = f"{raw['metadata']['uid']}-{raw['changeLog']['sequence']:08d}"
        self.answered[name] = now
        return name


async def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """Make `count` changes; how long they and their records took, in ms.

    `rate`: changes a second whether or not the ones before are answered; without it, `connections` each as fast as
    they can. `watch`: as whom to note when each record appears; `wait`: each connection waits for its record before
    it continues; `each`: number of changes of a Deployment in a row; `releases`: names to take in turns.
    """
    load = _Load(job)
    began = time.perf_counter()
    if "watch" not in job:
        await _make(load, job, None)
        return _result(load, None, time.perf_counter() - began)
    async with watched(wire.target(job["watch"])) as records:
        began = time.perf_counter()
        await _make(load, job, records)
        seconds = time.perf_counter() - began
        await asyncio.gather(*(records.wait(name) for name in load.answered))
        return _result(load, records, seconds)


async def _make(load: _Load, job: Mapping[str, Any], records: Records | None) -> None:
    if job.get("rate"):
        await _steadily(load, job["count"], job["rate"])
        return
    each = job.get("each", 1)
    left = iter(range(job["count"] // each))

    async def worker() -> None:
        for _ in left:
            path = load.next_path()
            for _ in range(each):
                name = await load.change(path)
                if records is not None and job.get("wait") and name is not None:
                    await records.wait(name)

    await asyncio.gather(*(worker() for _ in range(job["connections"])))


async def _steadily(load: _Load, count: int, rate: float) -> None:
    began = time.perf_counter()
    tasks = []
    for index in range(count):
        await asyncio.sleep(began + index / rate - time.perf_counter())
        tasks.append(asyncio.create_task(load.change(load.next_path())))
    await asyncio.gather(*tasks)


def _result(load: _Load, records: Records | None, seconds: float) -> dict[str, Any]:
    latencies = sorted(load.latencies)
    result: dict[str, Any] = {
        "count": len(load.answered),
        "seconds": seconds,
        "p50_ms": percentile(latencies, 0.5),
        "p95_ms": percentile(latencies, 0.95),
        "statuses": load.statuses,
    }
    if records is not None:
        # A record can be seen before the answer of the change that it is about.
        lags = sorted(max(0.0, records.seen[name] - at) * 1000 for name, at in load.answered.items())
        result |= {"lag_p50_ms": percentile(lags, 0.5), "lag_p95_ms": percentile(lags, 0.95)}
    return result
