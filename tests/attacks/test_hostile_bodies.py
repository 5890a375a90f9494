"""Bodies made to hurt are answered with what is wrong with them; the facade stays quick for everybody else."""

import gzip
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cluster import Workspace, Workspaces
from services import Facade, Facades

from moorage_dev.rest_client import RestClient

MEBIBYTE = 1024 * 1024

#: The known bombs: name → (body, headers beside the usual content type, statuses that are right).
Bomb = tuple[bytes, dict[str, str], set[int]]


def bombs() -> dict[str, Bomb]:
    invalid, large = {422}, {413}
    return {
        "100,000 brackets": (b"[" * 100_000, {}, large),
        "as many brackets as fit": (b"[" * 60_000, {}, invalid),
        "50,000 objects": (b'{"a":' * 50_000, {}, large),
        "as many objects as fit": (b'{"a":' * 13_000, {}, invalid),
        "NaN": (b'{"name": NaN}', {}, invalid),
        "Infinity": (b'{"name": Infinity}', {}, invalid),
        "1e400": (b'{"name": 1e400}', {}, invalid),
        "integer of 10,000 digits": (b'{"name": ' + b"9" * 10_000 + b"}", {}, invalid),
        "duplicate keys": (b'{"name": "a", "name": "b"}', {}, invalid),
        "lone surrogate": (b'{"name": "\\ud800"}', {}, invalid),
        "NUL": (b'{"name": "\\u0000"}', {}, invalid),
        "bad UTF-8": (b'{"name": "\xff\xfe"}', {}, invalid),
        "UTF-16": ('{"name": "a"}'.encode("utf-16"), {}, invalid),
        "byte order mark": (b'\xef\xbb\xbf{"name": "a"}', {}, invalid),
        "empty": (b"", {}, invalid),
        "text/plain": (b'{"name": "a"}', {"Content-Type": "text/plain"}, {415}),
        "list": (b"[]", {}, invalid),
        "null": (b"null", {}, invalid),
        "2 MiB": (b'{"name": "' + b"a" * 2 * MEBIBYTE + b'"}', {}, large),
        "gzip of 1,000 MiB": (_gzip_bomb(), {"Content-Encoding": "gzip"}, {413, 415}),
        "small gzip": (gzip.compress(b'{"name": "a"}'), {"Content-Encoding": "gzip"}, {415}),
        "many keys": (json.dumps({f"key-{number}": number for number in range(3_000)}).encode(), {}, invalid),
        "many backslashes": (b'{"name": "' + b"\\\\" * 30_000, {}, invalid),
    }


def _gzip_bomb() -> bytes:
    """About 1 MiB that unpacks to 1,000 MiB: the same packed block many times, which gzip allows."""
    return gzip.compress(bytes(10 * MEBIBYTE)) * 100


class Prober:
    """Asks /healthz all the time, and remembers the longest wait: how long nobody else was served."""

    def __init__(self, facade: Facade) -> None:
        self._client = RestClient(facade.service.url, None)
        self._stop = threading.Event()
        self.waits: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def running(self) -> Iterator["Prober"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join()
            self._client.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            begun = time.perf_counter()
            assert self._client.request("GET", "/healthz").status == 200
            self.waits.append(time.perf_counter() - begun)

    def figures(self) -> str:
        ordered = sorted(self.waits)
        return (
            f"/healthz beside it {len(ordered)} times: median {ordered[len(ordered) // 2] * 1000:.1f} ms, "
            f"longest {ordered[-1] * 1000:.0f} ms"
        )


def resident(facade: Facade) -> int:
    """Resident memory of the process, in KiB."""
    status = Path(f"/proc/{facade.service.child.pid}/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def doors(space: Workspace) -> list[tuple[str, str]]:
    """Every operation that reads a body."""
    return [
        ("POST", space.rest),
        ("PUT", f"{space.rest}/prod"),
        ("POST", f"{space.rest}/prod/deploy"),
        ("POST", f"{space.rest}/prod/deploy/web/rollback"),
        ("PUT", f"{space.rest}/prod/lock"),
    ]


def generated(seed: int) -> Iterator[bytes]:
    """Mutations of good bodies, without end."""
    dice = random.Random(seed)  # noqa: S311 — repeatable, not secret
    good: list[dict[str, Any]] = [
        {"name": "Name", "slug": "slug", "description": "text"},
        {"app_id": "web", "release_id": "r1", "reason": "because", "expected_release_id": None},
        {"to_deployment_id": "x", "reason": "because"},
    ]
    odd = (*b'{}[],:"\\\0\x1f\x7f\xc0\xed\xff', *b"eE+-.0uN")
    while True:
        data = bytearray(json.dumps(_mutated(dice.choice(good), dice), ensure_ascii=dice.random() < 0.5).encode())
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(data))
            data[place : place + dice.randint(0, 2)] = bytes(dice.choices(odd, k=dice.randint(0, 3)))
        yield bytes(data) or b" "


def _mutated(body: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    strange: tuple[Any, ...] = (
        None, True, -1, 1e308, 2**63, [], {}, [[[]]], "", " ", "\u202e", "a" * 2_000, "é" * 200, "\u2028", "💩" * 50,
        {"$ref": "#"}, ["a"] * 100,
    )  # fmt: skip
    field = dice.choice([*body, "unknown", "__proto__", "metadata", ""])
    return {**body, field: dice.choice(strange)}


def run(facade: Facade, space: Workspace, count: int) -> str:
    """All bombs at every door, and `count` generated bodies."""
    statuses: Counter[int] = Counter()
    before = resident(facade)
    with Prober(facade).running() as prober:
        for name, (body, headers, right) in bombs().items():
            for method, path in doors(space):
                answer = facade.call(method, path, body=body, headers=headers)
                # A rollback needs no body, so there an empty one is as good as none, and the app is not deployed.
                fine = {404} if name == "empty" and path.endswith("/rollback") else right
                assert answer.status in fine, (name, method, path, answer)
                statuses[answer.status] += 1
        bodies = generated(seed=11)
        for number in range(count):
            method, path = doors(space)[number % 5]
            body = next(bodies)
            answer = facade.call(method, path, body=body)
            assert answer.status in {200, 201, 404, 409, 413, 422}, (method, path, body, answer)
            statuses[answer.status] += 1
    grown = (resident(facade) - before) / 1024
    assert grown <= 50, f"the process grew by {grown:.0f} MiB"
    return (
        f"{statuses.total()} bodies; answers {dict(sorted(statuses.items()))}; memory {grown:+.0f} MiB; "
        f"{prober.figures()}"
    )


def test_hostile_bodies_are_refused_with_the_documented_status(
    facades: Facades, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    figures(run(facades.start(), workspace("prod"), 1_000))


@pytest.mark.campaign
@pytest.mark.timeout(7_200)
def test_campaign_of_hostile_bodies(facades: Facades, workspace: Workspaces, figures: Callable[[str], None]) -> None:
    count = int(os.environ.get("MOORAGE_HOSTILE_BODIES", "50000"))
    figures(run(facades.start(), workspace("prod"), count))
