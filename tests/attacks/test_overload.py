"""Slow, greedy and stubborn clients cost the others nothing, and a stop in the middle of traffic loses nothing."""

import itertools
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Any

from cluster import LiveCluster, Workspace, Workspaces, account
from raw_http import connect, seconds_until_closed
from services import Facade, Facades
from waiting import eventually

from moorage_dev import children, patience
from moorage_dev.rest_client import Answer, RestClient

#: Seconds after which a slow client must be gone, and what a busy machine may add to it.
SLOW_LIMIT, TOLERANCE = 15.0, 5.0
EACH = 12


def slow_clients(facade: Facade, space: Workspace) -> dict[str, tuple[bytes, bytes]]:
    """name → (what it sends at once, what it sends byte by byte)."""
    authorization = f"Authorization: Bearer {facade.cluster.token('alice')}"
    head = f"POST {space.rest} HTTP/1.1\r\nHost: moorage\r\n{authorization}\r\n".encode()
    announced = head + b"Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n"
    return {
        "idle": (b"", b""),
        "half a request line": (b"GET /v1/or", b""),
        "half a head": (head, b""),
        "a head byte by byte": (head, b"X-A: " + b"a" * 1_000),
        "half a body": (announced + b'{"name": "', b""),
        "a body byte by byte": (announced, b"a" * 1_000),
        "idle after an answer": (b"GET /healthz HTTP/1.1\r\nHost: moorage\r\n\r\n", b""),
    }


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def test_slow_clients_are_closed_and_nobody_else_waits(
    facades: Facades, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    space = workspace("prod")
    facade = facades.start()
    kinds = slow_clients(facade, space)

    def suffer(kind: str) -> float:
        first, drip = kinds[kind]
        with connect(facade.service.url) as connection:
            connection.sendall(first)
            return seconds_until_closed(connection, drip=drip)

    waits = []
    with ThreadPoolExecutor(EACH * len(kinds)) as pool:
        running = {kind: [pool.submit(suffer, kind) for _ in range(EACH)] for kind in kinds}
        while not _all_done(itertools.chain(*running.values())):
            begun = time.perf_counter()
            assert facade.call("GET", f"{space.rest}/prod").status == 200
            waits.append(time.perf_counter() - begun)
            _pace(50)
    closed = {kind: max(future.result() for future in futures) for kind, futures in running.items()}
    assert max(closed.values()) <= SLOW_LIMIT + patience.scaled(TOLERANCE), closed
    figures(
        f"{EACH * len(kinds)} slow clients, closed at the latest after {max(closed.values()):.1f} s; meanwhile "
        f"{len(waits)} reads of others, median {percentile(waits, 0.5) * 1000:.1f} ms, "
        f"p99 {percentile(waits, 0.99) * 1000:.1f} ms"
    )


def _all_done(futures: Iterable[Future[Any]]) -> bool:
    return all(future.done() for future in futures)


def test_connections_beyond_the_cap_are_answered_and_the_oldest_idle_ones_closed(facades: Facades) -> None:
    facade = facades.start({"MOORAGE_MAX_CONNECTIONS": "20"})
    facade.client.close()
    clients: list[socket.socket] = []
    for _ in range(40):
        client = connect(facade.service.url)
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: moorage\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        clients.append(client)
    # Long before they would be closed for being idle. Connections of the start may still count, and be the oldest.
    waits = [seconds_until_closed(client) for client in clients[:15]]
    for client in clients:
        client.close()
    assert max(waits) < min(patience.scaled(SLOW_LIMIT / 2), SLOW_LIMIT - 1)


class Flood:
    """Readers that ask as fast as they can, with good and with bad tokens."""

    def __init__(self, facade: Facade, path: str) -> None:
        self._facade = facade
        self._path = path
        self.statuses: Counter[int] = Counter()
        self.limited = threading.Event()

    def run(self, token: Callable[[int], str], requests: int) -> None:
        with closing(RestClient(self._facade.service.url, None)) as client:
            for number in range(requests):
                answer = client.request("GET", self._path, token=token(number))
                self.statuses[answer.status] += 1
                if answer.status == 429:
                    _require_advice(answer)
                    self.limited.set()


def test_greedy_user_is_told_to_wait_and_others_are_served(
    cluster: LiveCluster, facades: Facades, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    path = f"{workspace('prod').rest}/prod"
    # So little that also a slow machine asks for more.
    limits = {"RATE_LIMIT": "20", "RATE_BURST": "40", "FAILED_RATE_LIMIT": "10", "FAILED_RATE_BURST": "20"}
    facade = facades.start({f"MOORAGE_{name}": value for name, value in limits.items()})
    # All come from one address: the guesses do not delay a client that was there before them.
    assert {facade.call("GET", path, user=user).status for user in ("alice", "viewer")} == {200}
    before, greedy, flood = _resident(facade), cluster.token("alice"), Flood(facade, path)
    waits, started, mark = [], time.monotonic(), cluster.audit_mark()
    with ThreadPoolExecutor(5) as pool:
        running = [pool.submit(flood.run, lambda _: greedy, 600) for _ in range(3)]
        # They wait for their turns, ten a second in all.
        running += [pool.submit(flood.run, lambda number, who=who: f"bad-{who}-{number}", 60) for who in range(2)]
        assert flood.limited.wait(patience.scaled(30))
        while not _all_done(running) or len(waits) < 50:
            begun = time.perf_counter()
            assert facade.call("GET", path, user="viewer").status == 200
            waits.append(time.perf_counter() - begun)
            _pace(12)
        for future in running:
            future.result()
    seconds = time.monotonic() - started
    reviews = cluster.audit_since(mark, user=account("moorage-api"), resource="tokenreviews")
    _require_limits(flood.statuses, len(reviews), seconds)
    grown = (_resident(facade) - before) / 1024
    assert grown <= 20, f"the process grew by {grown:.0f} MiB"
    figures(
        f"greedy user and 120 bad tokens: {dict(sorted(flood.statuses.items()))}; another user meanwhile "
        f"{len(waits)} reads, all 200, p99 {percentile(waits, 0.99) * 1000:.0f} ms; memory {grown:+.0f} MiB"
    )


def _require_limits(statuses: Counter[int], reviews: int, seconds: float) -> None:
    """What the buckets hold, and what flows in meanwhile; however fast the clients were."""
    assert set(statuses) == {200, 401, 429}
    assert statuses[200] <= 40 + 20 * seconds
    assert 0 < statuses[401] <= 20 + 10 * seconds
    # Those of the guesses, and one a second for each of the two others.
    assert reviews <= 20 + 10 * seconds + 2 * (seconds + 2)


def _pace(times_a_second: int) -> None:
    """A client that asks so often. The machine's other half belongs to those whom it is compared with."""
    threading.Event().wait(1 / times_a_second)


def _require_advice(answer: Answer) -> None:
    body = answer.json()
    assert (body["error"], body["message"]) == ("RATE_LIMIT_EXCEEDED", "Too many requests")
    assert int(answer.headers["retry-after"]) >= 1
    assert body["details"]["retry_after"] == int(answer.headers["retry-after"])


def _resident(facade: Facade) -> int:
    status = Path(f"/proc/{facade.service.child.pid}/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


class Traffic:
    """Clients that deploy one app after the other until the server is gone."""

    def __init__(self, facade: Facade, space: Workspace) -> None:
        self._facade = facade
        self._space = space
        self._numbers = itertools.count()
        self.answered: dict[str, int] = {}
        self.unanswered: list[str] = []

    def run(self) -> None:
        with closing(RestClient(self._facade.service.url, None)) as client:
            self._deploy_with(client)

    def _deploy_with(self, client: RestClient) -> None:
        token = self._facade.cluster.token("alice")
        path = f"{self._space.rest}/prod/deploy"
        while True:
            app = f"app-{next(self._numbers)}"
            try:
                answer = client.request("POST", path, token=token, body={"app_id": app, "release_id": "r1"})
            except ConnectionRefusedError:
                return
            except (OSError, HTTPException):
                # The connection was closed under a request that was just being sent: nobody knows.
                self.unanswered.append(app)
                continue
            self.answered[app] = answer.status


def test_stop_in_the_middle_of_traffic_loses_nothing(
    facades: Facades, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    took, answered, unanswered = [], 0, 0
    for _ in range(3):
        space = workspace("prod")
        # As long as somebody needs who asks whether it is ready.
        facade = facades.start({"MOORAGE_STOP_DELAY_SECONDS": f"{min(patience.scaled(1), 10):.1f}"})
        child, traffic = facade.service.child, Traffic(facade, space)
        with ThreadPoolExecutor(6) as pool:
            clients = [pool.submit(traffic.run) for _ in range(6)]
            eventually(lambda traffic=traffic: len(traffic.answered) >= 20)
            begun = time.monotonic()
            os.kill(child.pid, signal.SIGTERM)
            # Not ready comes first, while requests are still served.
            eventually(lambda facade=facade: facade.call("GET", "/readyz", user=None).status == 503, 5, interval=0.01)
            eventually(lambda child=child: not children.is_running(child), 25)
            took.append(time.monotonic() - begun)
            for client in clients:
                client.result()
        assert set(traffic.answered.values()) <= {200, 503}
        there = {item["spec"]["app"] for item in space.list("deployments") if item["spec"].get("release") == "r1"}
        lost = {app for app, status in traffic.answered.items() if status == 200} - there
        assert lost == set()
        answered, unanswered = answered + len(traffic.answered), unanswered + len(traffic.unanswered)
    assert max(took) <= patience.scaled(20)
    figures(
        f"3 stops under 6 clients: {answered} answered, 0 lost, {unanswered} without an answer; "
        f"ended after at most {max(took):.1f} s"
    )
