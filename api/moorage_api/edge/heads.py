"""The head of a request: what is read in it before anybody knows whose it is."""

import re
import secrets
from base64 import b64decode
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from moorage_api.contract import errors
from moorage_api.edge.addresses import Proxies

#: All header lines together, in bytes.
MAX_HEADERS: Final = 32 * 1024
#: In a request's own storage: somebody has proved who they are.
AUTHENTICATED: Final = web.RequestKey("authenticated", bool)
_FORWARDED: Final = "X-Forwarded-For"

_REQUEST_ID: Final = re.compile(r"[!-~]{1,128}")
_TOKEN: Final = re.compile(r"[!-~]+")
_ONCE: Final = (
    "Authorization",
    "Host",
    "Content-Type",
    "Content-Length",
    "Transfer-Encoding",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Resource-Version",
)


def client_address(request: web.BaseRequest, proxies: Proxies) -> str:
    """The best known address of the client; empty without a connection."""
    return proxies.client(request.remote or "", request.headers.getall(_FORWARDED, ()))


def request_id(headers: Mapping[str, str]) -> str:
    """What the client calls its request, if that is short and printable; else a name of ours."""
    given = headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def bearer_token(headers: Mapping[str, str], *, basic: bool = False) -> str:
    """The bearer token; empty if there is none that could be one.

    Args:
        headers: of the request.
        basic: the password of `Authorization: Basic` counts, too; its user name does not matter.
    """
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    token = token.strip(" ")
    if basic and scheme.lower() == "basic":
        token = _password(token)
    elif scheme.lower() != "bearer":
        return ""
    return token if _TOKEN.fullmatch(token) else ""


def _password(credentials: str) -> str:
    try:
        return b64decode(credentials, validate=True).decode("ascii").partition(":")[2]
    except ValueError:
        return ""


def target(request: web.BaseRequest) -> str:
    """The request target as path and query; the absolute form is taken too."""
    sent = request.raw_path
    if sent.startswith("/"):
        return sent.partition("#")[0]
    scheme, separator, rest = sent.partition("://")
    if separator and scheme.lower() in {"http", "https"}:
        return "/" + rest.partition("/")[2]
    return sent


def require_sound(request: web.BaseRequest) -> None:
    """Refuse what two readers of HTTP could understand differently. Raises ApiError: 400 or 431."""
    if request.version not in {(1, 0), (1, 1)}:
        raise errors.bad_request("Only HTTP/1.0 and HTTP/1.1 are spoken here")
    headers = request.headers
    for name in _ONCE:
        if name in headers and len(headers.getall(name)) > 1:
            raise errors.bad_request(f"The header {name} is there more than once")
    if "Transfer-Encoding" in headers and "Content-Length" in headers:
        raise errors.bad_request("Content-Length and Transfer-Encoding exclude each other")
    if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEADERS:
        raise errors.headers_too_large()
