"""The errors of the client, as classes. Decide on the class, on `error` and on `reason`; `message` is for people.

MoorageError
├── NotHealthyError            a release that was waited for is not healthy, and why
├── NoAnswerError              nothing usable came back: whether a write took place is not known
└── ApiError                   an answer other than a success
    ├── InvalidRequestError    422, 400, 413, 415, 431: the request is not valid; `problems` says where
    ├── AuthenticationError    401
    ├── PermissionDeniedError  403: `details["required_permission"]`
    ├── NotFoundError          404
    ├── ConflictError          409: something is in the way; `reason` says what
    ├── PreconditionFailedError  412: changed since it was read
    ├── RateLimitedError       429: wait `retry_after`
    └── UnavailableError       503: try again after `retry_after`
"""

from collections.abc import Mapping
from typing import Any, Final


class MoorageError(Exception):
    """The root of all errors of the client."""


class NoAnswerError(MoorageError):
    """No usable answer: connection, timeout, or something that is not ours. Whether a write took place is not known."""


class NotHealthyError(MoorageError):
    """A release that was waited for did not become healthy. Its text says why."""


class ApiError(MoorageError):
    """An answer other than a success.

    Attributes:
        status: HTTP status.
        error: the stable code, such as `CONFLICT`; empty where the answer has none (422).
        reason: `details.reason`, such as `EnvironmentLocked`; empty where there is none.
        message: for people.
        details: all that the answer says beside that.
        problems: of a 422: what is wrong, each with `loc`, `msg` and `type`.
        retry_after: seconds that the server asked to wait; None if it did not say.
        request_id: what the log of the server has.
    """

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.status = status
        self.error = str(body.get("error", ""))
        details = body.get("details")
        self.details: dict[str, Any] = dict(details) if isinstance(details, dict) else {}
        self.reason = str(self.details.get("reason", ""))
        detail = body.get("detail")
        self.problems: list[dict[str, Any]] = list(detail) if isinstance(detail, list) else []
        self.message = str(body.get("message", "")) or "; ".join(map(_sentence, self.problems)) or f"HTTP {status}"
        self.retry_after = _seconds(headers.get("Retry-After"))
        self.request_id = headers.get("X-Request-Id", "")
        super().__init__(self.message)


class InvalidRequestError(ApiError):
    """The request is not valid."""


class AuthenticationError(ApiError):
    """No token, or none that the cluster accepts."""


class PermissionDeniedError(ApiError):
    """The cluster does not give the caller this right."""


class NotFoundError(ApiError):
    """There is no such thing."""


class ConflictError(ApiError):
    """Something is in the way; `reason` says what."""


class PreconditionFailedError(ApiError):
    """It has changed since it was read."""


class RateLimitedError(ApiError):
    """Too many requests."""


class UnavailableError(ApiError):
    """The server cannot answer now."""


_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    412: PreconditionFailedError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: RateLimitedError,
    431: InvalidRequestError,
    503: UnavailableError,
}


def error_of(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> ApiError:
    """The error that an answer means."""
    return _BY_STATUS.get(status, ApiError)(status, body, headers)


def _sentence(problem: Mapping[str, Any]) -> str:
    place = ".".join(map(str, problem.get("loc", ())))
    return f"{place}: {problem.get('msg', '')}"


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:  # an HTTP date: our own pauses are as good
        return None
