"""Places that programs are fetched from: honest, broken, slow and endless."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from threading import Event

from moorage_dev import prebuilt

Answer = Callable[[BaseHTTPRequestHandler], None]


class Place:
    """A download place whose files are pinned; each may be given another answer."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.over = Event()

    def carries(self, asset: prebuilt.Asset, content: bytes) -> str:
        """Serve a file; its SHA-256."""
        self.answers[f"/{asset.path}"] = whole(content)
        return hashlib.sha256(content).hexdigest()


def whole(content: bytes) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        _head(request, len(content))
        request.wfile.write(content)

    return answer


def cut(content: bytes) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        _head(request, len(content))
        request.wfile.write(content[: len(content) // 2])

    return answer


def begun(over: Event) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        _head(request, 1 << 20)
        request.wfile.write(b"the beginning")
        request.wfile.flush()
        until(over)

    return answer


def trickling(over: Event) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        _head(request, 1 << 20)
        with _hang_up_is_fine():
            while not over.wait(0.1):
                request.wfile.write(b".")

    return answer


def endless(over: Event) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        with _hang_up_is_fine():
            while not over.is_set():
                request.wfile.write(b"." * 65536)

    return answer


def _head(request: BaseHTTPRequestHandler, length: int) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(length))
    request.end_headers()


def until(over: Event) -> None:
    over.wait(60)


@contextmanager
def _hang_up_is_fine() -> Iterator[None]:
    try:
        yield
    except ConnectionError:
        return
