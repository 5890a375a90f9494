"""Requests and answers without a network: what is sent, what comes back, and whether it may be sent again. Pure."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from moorage_client.errors import ApiError, NoAnswerError, RateLimitedError, UnavailableError, error_of

#: Seconds before each further try where the server does not say; as many as there are further tries.
PAUSES: Final = (0.2, 0.5, 1.0, 2.0)
#: The longest pause that is waited because the server asks for it. Seconds.
LONGEST_PAUSE: Final = 30.0
#: Further tries of a request where the server says when, and how long their pauses are together at most. Seconds.
ASKED_TRIES: Final = 10
LONGEST_WAIT: Final = 60.0
_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
KEY: Final = "Idempotency-Key"
PRECONDITION: Final = "If-Match"
VERSION: Final = "X-Resource-Version"


@dataclass(frozen=True, slots=True)
class Request:
    """One call of an operation.

    Attributes:
        method: HTTP method.
        path: encoded path, from the root of the server.
        query: parameters that are sent; several values of one are sent by repeating it.
        headers: headers beside those of every request.
        body: JSON value; None: no body.
        repeatable: the same request twice has the effect of one.
    """

    method: str
    path: str
    query: Mapping[str, str | list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    repeatable: bool = False


def request(
    method: str,
    template: str,
    *,
    path: Mapping[str, str],
    query: Mapping[str, Any],
    headers: Mapping[str, str | None],
    body: Any = None,
) -> Request:
    """Put a request together. A write that takes an Idempotency-Key gets one, so that it may be sent again."""
    text = template
    for name, value in path.items():
        text = text.replace(f"{{{name}}}", quote(value, safe=""))
    sent = {name: value for name, value in headers.items() if value is not None}
    if KEY in headers:
        sent.setdefault(KEY, secrets.token_hex(16))
    return Request(
        method=method,
        path=text,
        query={name: _text(value) for name, value in query.items() if value is not None},
        headers=sent,
        body=body,
        # A PUT says what shall be there, unless it asks that nothing has changed, which its own first try would be.
        repeatable=method == "GET" or KEY in sent or (method == "PUT" and PRECONDITION not in sent),
    )


def _text(value: Any) -> str | list[str]:
    if isinstance(value, list):
        return [str(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def decoded(status: int, headers: Mapping[str, str], content: bytes) -> Any:
    """What an answer says: JSON values, a text, or None for nothing (204, 304).

    Raises:
        ApiError: the answer is no success.
        NoAnswerError: a success that is not what it should be.
    """
    is_json = headers.get("Content-Type", "").partition(";")[0].strip() == "application/json"
    if 200 <= status < 300 or status == 304:
        return _success(content, is_json=is_json)
    try:
        body = json.loads(content) if is_json else {}
    except ValueError:
        body = {}
    raise error_of(status, body if isinstance(body, dict) else {}, headers)


def _success(content: bytes, *, is_json: bool) -> Any:
    if not content:
        return None
    if not is_json:
        return content.decode("utf-8", "replace")
    try:
        return json.loads(content)
    except ValueError as error:
        raise NoAnswerError("the answer is no JSON, although it says so") from error


def warnings_of(headers: Mapping[str, str]) -> list[str]:
    """What the API server warned of, which is not that an answer is old."""
    return [_unquoted(found[1]) for found in _WARNING.finditer(headers.get("Warning", ""))]


def _unquoted(text: str) -> str:
    return text.replace('\\"', '"').replace("\\\\", "\\")


def pause_after(
    sent: Request, error: ApiError | NoAnswerError, tries: int, waited: float = 0.0, *, reached: bool = True
) -> float | None:
    """Seconds to wait before the request is sent again; None: it is not.

    A 429 was refused before anything was done, and a request that never left can be sent again. Else only what is
    repeatable is: reads, writes with an Idempotency-Key, and a PUT without If-Match.

    Args:
        sent: what was sent.
        error: what came of it.
        tries: how often it was sent.
        waited: seconds of all pauses before.
        reached: the request left this machine.
    """
    if isinstance(error, RateLimitedError) or not reached:
        return _pause(error, tries, waited)
    worth_it = isinstance(error, UnavailableError | NoAnswerError) or error.status in {502, 504}
    return _pause(error, tries, waited) if worth_it and sent.repeatable else None


def _pause(error: ApiError | NoAnswerError, tries: int, waited: float) -> float | None:
    asked = error.retry_after if isinstance(error, ApiError) else None
    if asked is None:
        return PAUSES[tries - 1] if tries <= len(PAUSES) else None
    pause = min(asked, LONGEST_PAUSE)
    return pause if tries <= ASKED_TRIES and waited + pause <= LONGEST_WAIT else None


@dataclass(slots=True)
class Versions:
    """What the own writes have made: sent with each read, so that every replica shows them."""

    known: dict[str, int] = field(default_factory=dict)

    def note(self, headers: Mapping[str, str]) -> None:
        """Remember the version that a write answered."""
        for part in headers.get(VERSION, "").split(","):
            plural, _, number = part.strip().partition("=")
            if plural and number.isdigit():
                self.known[plural] = max(int(number), self.known.get(plural, 0))

    def headers(self, method: str) -> dict[str, str]:
        """The header of a read; nothing for a write, which the cluster itself orders."""
        if method != "GET" or not self.known:
            return {}
        return {VERSION: ",".join(f"{plural}={number}" for plural, number in sorted(self.known.items()))}
