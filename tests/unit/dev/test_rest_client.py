"""What a client of tests leaves behind."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from moorage_dev import patience
from moorage_dev.rest_client import RestClient


class _KeepsAlive(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ended = Event()

    def do_GET(self) -> None:  # the library's name
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def finish(self) -> None:
        super().finish()
        self.ended.set()

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 — the library's name
        """Nothing."""


@contextmanager
def _server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _KeepsAlive) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_client_that_nobody_closes_takes_its_connections_with_it() -> None:
    with _server() as url:
        client = RestClient(url, None)
        # A cycle, as fixtures and tracebacks make them: only the garbage collector ends it.
        client.myself = client  # type: ignore[attr-defined]
        assert client.ready("/")
        assert not _KeepsAlive.ended.is_set()
        del client
        gc.collect()
        assert _KeepsAlive.ended.wait(patience.scaled(5))
