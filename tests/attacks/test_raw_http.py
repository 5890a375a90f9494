"""Requests that two readers of HTTP could understand differently are refused, and the connection is closed."""

from collections.abc import Callable

from cluster import Workspaces
from raw_http import Exchange, exchange
from services import Facade

END = b"\r\n\r\n"

#: name → (request after the mandatory headers are put in, statuses that are right, whether the connection must close).
Case = tuple[bytes, set[int], bool]


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([line, *headers]).encode("latin-1") + END + body


def ambiguous(path: str, authorization: str) -> dict[str, Case]:
    """What must be 400 and close."""
    host = "Host: moorage"
    post = (f"POST {path} HTTP/1.1", host, authorization, "Content-Type: application/json")
    get = f"GET {path} HTTP/1.1"
    smuggled = f"GET {path} HTTP/1.1\r\nHost: moorage\r\n{authorization}\r\n\r\n".encode("latin-1")
    chunked = b"0\r\n\r\n" + smuggled
    raw = {
        "CL and TE": request(*post, "Content-Length: 5", "Transfer-Encoding: chunked", body=chunked),
        "TE and CL": request(*post, "Transfer-Encoding: chunked", "Content-Length: 5", body=chunked),
        "two CL, different": request(*post, "Content-Length: 2", "Content-Length: 60", body=b"{}" + smuggled),
        "two CL, equal": request(*post, "Content-Length: 2", "Content-Length: 2", body=b"{}" + smuggled),
        "list of CL": request(*post, "Content-Length: 2, 2", body=b"{}" + smuggled),
        "CL with plus": request(*post, "Content-Length: +2", body=b"{}" + smuggled),
        "negative CL": request(*post, "Content-Length: -1", body=b"{}"),
        "hexadecimal CL": request(*post, "Content-Length: 0x2", body=b"{}" + smuggled),
        "space before colon": request(*post, "Content-Length : 2", body=b"{}" + smuggled),
        "TE twice": request(*post, "Transfer-Encoding: chunked, chunked", body=chunked),
        "TE unknown": request(*post, "Transfer-Encoding: xchunked", body=chunked),
        "TE two headers": request(*post, "Transfer-Encoding: identity", "Transfer-Encoding: chunked", body=chunked),
        "chunk size with junk": request(*post, "Transfer-Encoding: chunked", body=b"2;\nxx\r\n{}\r\n0\r\n\r\n"),
        "chunk size negative": request(*post, "Transfer-Encoding: chunked", body=b"-2\r\n{}\r\n0\r\n\r\n"),
        "chunk size too large": request(*post, "Transfer-Encoding: chunked", body=b"f" * 20 + b"\r\n{}\r\n0\r\n\r\n"),
        "chunk without end": request(*post, "Transfer-Encoding: chunked", body=b"2\r\n{}XX0\r\n\r\n"),
        "bare LF": get.encode() + b"\nHost: moorage\n" + authorization.encode() + b"\n\n",
        "bare CR in a header": get.encode() + b"\r\nHost: moorage\r\nX-A: a\rb\r\n" + authorization.encode() + END,
        "obs-fold": request(get, host, authorization, "X-A: a", " folded"),
        "header without colon": request(get, host, authorization, "no-colon"),
        "header without name": request(get, host, authorization, ": value"),
        "NUL in a header": request(get, host, authorization, "X-A: a\0b"),
        "space in a header name": request(get, host, authorization, "X A: b"),
        "two Host": request(get, host, "Host: other", authorization),
        "two Authorization": request(get, host, authorization, "Authorization: Bearer other"),
        "two Idempotency-Key": request(get, host, authorization, "Idempotency-Key: a", "Idempotency-Key: b"),
        "HTTP/2.0": request(f"GET {path} HTTP/2.0", host, authorization),
        "HTTP/0.9": f"GET {path}".encode() + END,
        "HTTP/1.1 in small letters": request(f"GET {path} http/1.1", host, authorization),
        "HTTP/1.10": request(f"GET {path} HTTP/1.10", host, authorization),
        "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "space in the path": request(f"GET {path} x HTTP/1.1", host, authorization),
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        "nothing but line ends": b"\r\n" * 20 + b"\0" + END,
    }
    return {name: (content, {400}, True) for name, content in raw.items()}


def limits(path: str, authorization: str) -> dict[str, Case]:
    """What is too much, or not offered."""
    host = "Host: moorage"
    get = f"GET {path} HTTP/1.1"
    post = (f"POST {path} HTTP/1.1", host, authorization)
    many = [f"X-{number}: a" for number in range(200)]
    big = [f"X-{number}: {'a' * 4_000}" for number in range(12)]
    return {
        "200 headers": (request(get, host, authorization, *many), {431}, True),
        "48 KiB of headers": (request(get, host, authorization, *big), {431}, True),
        "one header of 64 KiB": (request(get, host, authorization, f"X-A: {'a' * 65_536}"), {431}, True),
        "a token of 100 KB": (request(get, host, f"Authorization: Bearer {'a' * 100_000}"), {431}, True),
        "request line of 64 KiB": (request(f"GET {path}?{'a' * 65_536} HTTP/1.1", host, authorization), {431}, True),
        "body of 1 GiB announced": (
            request(*post, "Content-Type: application/json", "Content-Length: 1073741824"),
            {413},
            True,
        ),
        "chunks of 1 MiB": (
            request(*post, "Content-Type: application/json", "Transfer-Encoding: chunked")
            + (b"4000\r\n" + b"a" * 0x4000 + b"\r\n") * 64
            + b"0\r\n\r\n",
            {413},
            True,
        ),
        "text": (
            request(*post, "Content-Type: text/plain", "Content-Length: 2", body=b"{}"),
            {415},
            False,
        ),
        "form": (
            request(*post, "Content-Type: application/x-www-form-urlencoded", "Content-Length: 3", body=b"a=b"),
            {415},
            False,
        ),
        "another charset": (
            request(*post, "Content-Type: application/json; charset=utf-16", "Content-Length: 2", body=b"{}"),
            {415},
            False,
        ),
        "absolute form": (request(f"GET http://elsewhere{path} HTTP/1.1", host, authorization), {200}, False),
        "HTTP/1.0": (request(f"GET {path} HTTP/1.0", authorization), {200}, True),
        "If-Match that is stale": (
            request(
                f"PUT {path}/prod HTTP/1.1", host, authorization, 'If-Match: "x.1.y"',
                "Content-Type: application/json", "Content-Length: 2", body=b"{}",
            ),
            {412},
            False,
        ),
        "Expect": (
            request(*post, "Content-Type: application/json", "Content-Length: 2", "Expect: 100-continue", body=b"{}"),
            {100, 422},
            False,
        ),
    }  # fmt: skip


def methods(path: str, authorization: str) -> dict[str, Case]:
    """Methods that are not there: 405 with Allow, or no HTTP at all."""
    cases: dict[str, Case] = {}
    for method in ("PATCH", "OPTIONS", "TRACE", "HEAD", "PROPFIND", "QUERY", "DELETE", "get", "FOO"):
        cases[method] = (request(f"{method} {path} HTTP/1.1", "Host: moorage", authorization), {400, 405}, False)
    cases["CONNECT"] = (
        request("CONNECT elsewhere:443 HTTP/1.1", "Host: moorage", authorization),
        {400, 404, 405},
        False,
    )
    cases["asterisk"] = (request("OPTIONS * HTTP/1.1", "Host: moorage", authorization), {400, 404, 405}, False)
    return cases


def check(name: str, case: Case, answer: Exchange) -> str | None:
    """What is wrong with an answer."""
    _, right, must_close = case
    if not answer.statuses or not set(answer.statuses) <= right:
        return f"{name}: {answer.statuses or answer.content[:80]!r}, not {sorted(right)}"
    if must_close and not answer.closed:
        return f"{name}: {answer.statuses}, but the connection stays open"
    if 405 in answer.statuses and not answer.header("Allow"):
        return f"{name}: 405 without Allow"
    # Nothing that came after the refused part may be taken for a request of its own.
    final = [status for status in answer.statuses if status != 100]
    return None if len(final) == 1 else f"{name}: {answer.statuses}, so a second request was read"


def test_ambiguous_requests_are_refused_and_their_connections_closed(
    facade: Facade, workspace: Workspaces, figures: Callable[[str], None]
) -> None:
    space = workspace("prod")
    authorization = f"Authorization: Bearer {facade.cluster.token('alice')}"
    cases = {
        **ambiguous(space.rest, authorization),
        **limits(space.rest, authorization),
        **methods(space.rest, authorization),
    }
    wrong = []
    for name, case in cases.items():
        content, _, must_close = case
        problem = check(name, case, exchange(facade.service.url, content, until_closed=must_close))
        wrong += [problem] if problem else []
    assert wrong == []
    assert space.list("environments")[0]["metadata"]["name"] == "prod"
    assert facade.call("GET", space.rest).status == 200
    figures(f"{len(cases)} requests as bytes: all refused or answered as documented")
