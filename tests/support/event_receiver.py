"""An endpoint of events on loopback: a real HTTP server that takes, refuses, hangs, goes away and comes back."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived, and what it was answered; 0: nothing."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int

    @property
    def event(self) -> dict[str, Any]:
        """The CloudEvent."""
        return dict(json.loads(self.body))


#: Number of a request, from 1 → status and further headers of its answer; status 0: none, until `release`.
Behaviour = Callable[[int], tuple[int, Mapping[str, str]]]


def takes(_number: int) -> tuple[int, Mapping[str, str]]:
    """Every event is taken."""
    return 204, {}


def hangs(_number: int) -> tuple[int, Mapping[str, str]]:
    """No request is answered."""
    return 0, {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


@dataclass
class Receiver:
    """The endpoint.

    Attributes:
        secret: every request to a path that begins with `/in` must be signed with it.
        behaviour: what is answered.
        requests: everything that arrived, in the order of the answers.
        broken: what was wrong with signatures.
    """

    secret: str = SECRET
    behaviour: Behaviour = takes
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _released: threading.Event = field(default_factory=threading.Event)
    _server: _Server | None = None
    _count: int = 0

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.answer(self, body)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Go away: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def release(self) -> None:
        """Let everything go that hangs."""
        self._released.set()

    def url(self, path: str = "/in") -> str:
        """Where to send events to."""
        return f"http://127.0.0.1:{self.port}{path}"

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer one request as the behaviour says."""
        with self._lock:
            self._count += 1
            status, headers = self.behaviour(self._count)
        if handler.path.startswith("/in"):
            self._check(body, dict(handler.headers.items()))
        with self._lock:
            self.requests.append(Request(handler.path, dict(handler.headers.items()), body, status))
        if status == 0:
            self._released.wait(60)
            handler.close_connection = True
            return
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    def _check(self, body: bytes, headers: dict[str, str]) -> None:
        try:
            Webhook(self.secret).verify(body, headers)
        except Exception as error:  # whatever it is, the test must see it
            with self._lock:
                self.broken.append(repr(error))

    # What arrived

    def taken(self, path: str = "/in") -> list[dict[str, Any]]:
        """The events that were answered with 2xx, in order."""
        with self._lock:
            return [one.event for one in self.requests if one.path == path and 200 <= one.status < 300]

    def bodies(self) -> dict[str, set[bytes]]:
        """Id → every body that arrived with it."""
        found: dict[str, set[bytes]] = defaultdict(set)
        with self._lock:
            for one in self.requests:
                if one.path.startswith("/in"):
                    found[one.event["id"]].add(one.body)
        return found


@contextmanager
def receiver(behaviour: Behaviour = takes) -> Iterator[Receiver]:
    """A receiver that listens until the block ends."""
    one = Receiver(behaviour=behaviour)
    one.start()
    try:
        yield one
    finally:
        one.release()
        one.stop()


def first_times(events: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Subject → numbers of its changes in the order in which they arrived first."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for event in events:
        details = event["data"]["customData"]
        if "sequence" in details and details["sequence"] not in numbers[event["subject"]]:
            numbers[event["subject"]].append(details["sequence"])
    return numbers
