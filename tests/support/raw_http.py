"""HTTP as bytes on a socket, for what no client library would send."""

import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from moorage_dev import patience

#: Seconds that a server may take for an answer or for closing a connection.
PATIENCE = 20.0
#: The version is the request's own, even where that is refused.
_HEAD = re.compile(rb"HTTP/\d\.\d (\d{3}) [^\r\n]*\r\n")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What came back.

    Attributes:
        statuses: of all answers, in order.
        content: everything that was received.
        closed: whether the server closed the connection.
    """

    statuses: tuple[int, ...]
    content: bytes
    closed: bool

    def header(self, name: str) -> str | None:
        """A header of the first answer."""
        found = re.search(rb"(?im)^" + name.encode() + rb":\s*([^\r\n]*)\r$", self.content)
        return found[1].decode("latin-1") if found else None


def connect(url: str, *, timeout: float | None = None) -> socket.socket:
    """A connection to the server of a URL."""
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    return socket.create_connection((address.hostname, address.port), timeout=timeout or patience.scaled(PATIENCE))


def exchange(url: str, data: bytes, *, until_closed: bool) -> Exchange:
    """Send bytes and read the answer; with `until_closed` everything until the server closes, which it must."""
    received = b""
    closed = False
    with connect(url) as connection:
        # What was answered before the server had read everything is read all the same.
        with suppress(ConnectionResetError, BrokenPipeError, TimeoutError):
            connection.sendall(data)
        try:
            while not closed and (until_closed or not _is_complete(received, headless=data.startswith(b"HEAD"))):
                part = connection.recv(65_536)
                received += part
                closed = not part
        except (ConnectionResetError, BrokenPipeError):
            closed = True
        except TimeoutError:
            pass
    return Exchange(tuple(int(status) for status in _HEAD.findall(received)), received, closed)


def seconds_until_closed(connection: socket.socket, *, drip: bytes = b"", every: float = 0.5) -> float:
    """How long until the server closes, while one byte of `drip` after the other is sent; at most `PATIENCE` more."""
    begun = time.monotonic()
    left = iter(drip)
    connection.settimeout(every)
    while time.monotonic() - begun < patience.scaled(2 * PATIENCE):
        try:
            if not connection.recv(65_536):
                break
        except TimeoutError:
            pass
        except OSError:
            break
        try:
            if (byte := next(left, None)) is not None:
                connection.sendall(bytes([byte]))
        except OSError:
            break
    return time.monotonic() - begun


def _is_complete(received: bytes, *, headless: bool) -> bool:
    """Whether the answer is there: its head, and its body if it has one."""
    head, separator, body = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    if not separator or headless:
        return bool(separator)
    length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    return length is not None and len(body) >= int(length[1])
