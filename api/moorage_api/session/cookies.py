"""A long text in cookies: cut into pieces, each below what browsers keep, and put together again. Pure.

The cookies are `HttpOnly`, so no script reads them, and `SameSite=Strict`, so no other site sends them. They are
`Secure` and bound to this very host (`__Host-`) unless the page comes from the loopback address, which has no TLS.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final

#: Of one cookie, in characters: browsers keep 4,096 with name and attributes.
PIECE: Final = 3_500
#: A longer text is not taken: all header lines of a request together have a limit, too.
MAX_PIECES: Final = 4
_NAME: Final = "moorage-session"


def is_loopback(host: str) -> bool:
    """Whether the `Host` of a request is the machine that the browser runs on."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def written(text: str, headers: Mapping[str, str], seconds: int) -> list[str]:
    """The values of `Set-Cookie` that keep a text for that long, and remove what an earlier, longer one has left."""
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    known = dict(_cookies(headers))
    kept = [_cookie(headers, number, piece, seconds) for number, piece in enumerate(pieces)]
    left = [number for number in range(len(pieces), MAX_PIECES) if _named(headers, number) in known]
    return kept + [_cookie(headers, number, "", 0) for number in left]


def removed(headers: Mapping[str, str]) -> list[str]:
    """The values of `Set-Cookie` that remove every piece."""
    return [_cookie(headers, number, "", 0) for number in range(MAX_PIECES)]


def read(headers: Mapping[str, str]) -> str:
    """The text that the cookies of a request hold; empty without one."""
    known = dict(_cookies(headers))
    pieces: list[str] = []
    for number in range(MAX_PIECES):
        piece = known.get(_named(headers, number))
        if not piece:
            break
        pieces.append(piece)
    return "".join(pieces)


def _cookies(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for part in headers.get("Cookie", "").split(";"):
        name, separator, value = part.strip().partition("=")
        if separator:
            yield name, value


def _named(headers: Mapping[str, str], number: int) -> str:
    prefix = "" if is_loopback(headers.get("Host", "")) else "__Host-"
    return f"{prefix}{_NAME}-{number}"


def _cookie(headers: Mapping[str, str], number: int, value: str, seconds: int) -> str:
    secure = "" if is_loopback(headers.get("Host", "")) else "; Secure"
    return f"{_named(headers, number)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
