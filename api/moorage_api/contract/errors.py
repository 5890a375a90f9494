"""Every error answer of the facade, in the documented envelopes.

Handlers and flows raise `ApiError`s made by the functions below; the edge turns them into answers. What the cluster
refuses becomes one of them in `refusals`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from moorage_api.contract.echo import presentable, printable
from moorage_crds.names import UNKNOWN_USER

#: The detail of a 409 `ReleaseMismatch` that names the present release: not for everybody.
ACTIVE = "active_release_id"

#: Every value of `error`.
CODES = frozenset(
    {
        "AUTHENTICATION_FAILED",
        "BAD_REQUEST",
        "CONFLICT",
        "FORBIDDEN",
        "HEADERS_TOO_LARGE",
        "INTERNAL_SERVER_ERROR",
        "METHOD_NOT_ALLOWED",
        "PAYLOAD_TOO_LARGE",
        "PRECONDITION_FAILED",
        "RATE_LIMIT_EXCEEDED",
        "REQUEST_TIMEOUT",
        "RESOURCE_NOT_FOUND",
        "SERVICE_UNAVAILABLE",
        "UNSUPPORTED_MEDIA_TYPE",
    }
)

FORBIDDEN_MESSAGE = "You don't have permission to perform this action"
NOT_FOUND_MESSAGE = "The requested resource was not found"


class ConflictReason(StrEnum):
    """`details.reason` of a 409."""

    ALREADY_EXISTS = "AlreadyExists"
    ENVIRONMENT_LOCKED = "EnvironmentLocked"
    ENVIRONMENT_FROZEN = "EnvironmentFrozen"
    NOT_PROMOTED = "NotPromoted"
    APPROVAL_REQUIRED = "ApprovalRequired"
    APPROVAL_REJECTED = "ApprovalRejected"
    ENVIRONMENT_PROTECTED = "EnvironmentProtected"
    DEFAULT_ENVIRONMENT = "DefaultEnvironment"
    APP_NAME_COLLISION = "AppNameCollision"
    RELEASE_MISMATCH = "ReleaseMismatch"
    NOTHING_TO_ROLL_BACK = "NothingToRollBack"
    MANAGED_DECLARATIVELY = "ManagedDeclaratively"
    POLICY_REFUSED = "PolicyRefused"
    ATTRIBUTED_DELETES = "AttributedDeletes"
    BEING_DELETED = "BeingDeleted"


class UnavailableReason(StrEnum):
    """`details.reason` of a 503."""

    CLUSTER_UNAVAILABLE = "ClusterUnavailable"
    HISTORY_FULL = "HistoryFull"
    NOT_SYNCED = "NotSynced"
    BUSY = "Busy"


class ApiError(Exception):
    """An answer other than a success.

    Attributes:
        status: HTTP status.
        headers: headers beside the usual ones.
        close: the connection cannot be used any more.
    """

    def __init__(
        self,
        status: int,
        error: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.details = dict(details or {})
        self.headers = dict(headers or {})
        self.close = close

    def hide(self, field: str) -> None:
        """Take out of the details what the caller may not see, and say so; nothing if it is not there."""
        if field in self.details:
            self.details[field] = None
            self.details["hidden"] = [*self.details.get("hidden", ()), field]

    def body(self, now: datetime) -> dict[str, Any]:
        """The JSON body. `now` is in UTC."""
        return {
            "error": self.error,
            "message": self.message,
            "details": self.details,
            "timestamp": timestamp(now),
            "status_code": self.status,
        }


class WordedError(ValueError):
    """What a validator of ours says of a value, in full: pydantic would put `Value error` before it.

    Attributes:
        kind: the type in the 422.
    """

    def __init__(self, message: str, kind: str = "value_error") -> None:
        super().__init__(message)
        self.kind = kind


class ValidationFailedError(ApiError):
    """422: the body is pydantic's list of errors instead of the envelope."""

    def __init__(self, problems: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(422, "VALIDATION_ERROR", "the request is not valid")
        self.problems = [presentable(problem) for problem in problems]

    def body(self, now: datetime) -> dict[str, Any]:
        """The JSON body."""
        return {"detail": self.problems}


def timestamp(now: datetime) -> str:
    """`2025-01-01T00:00:00.000000`: the documented form of the error timestamp, without a zone."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.%f")


# --- the documented errors -------------------------------------------------------------------------------------------


def unauthenticated() -> ApiError:
    """401: no token, or none that the cluster accepts."""
    return ApiError(401, "AUTHENTICATION_FAILED", "Authentication required", headers={"WWW-Authenticate": "Bearer"})


def forbidden(permission: str, verb: str, resource: str) -> ApiError:
    """403. Never names the Namespace, which would tell outsiders that it exists."""
    details = {"required_permission": permission, "verb": verb, "resource": resource}
    return ApiError(403, "FORBIDDEN", FORBIDDEN_MESSAGE, details=details)


def cross_origin() -> ApiError:
    """403: a browser sent this on behalf of a page that is not ours."""
    return ApiError(403, "FORBIDDEN", FORBIDDEN_MESSAGE, details={"reason": "CrossOrigin"})


def not_found(resource_type: str, resource_id: str) -> ApiError:
    """404."""
    details = {"resource_type": resource_type, "resource_id": printable(resource_id)}
    return ApiError(404, "RESOURCE_NOT_FOUND", NOT_FOUND_MESSAGE, details=details)


def internal() -> ApiError:
    """500: a bug. Discloses nothing; the log has the request id."""
    return ApiError(500, "INTERNAL_SERVER_ERROR", "An unexpected error occurred")


def invalid(
    location: Sequence[str | int], message: str, *, kind: str = "value_error", value: Any = None
) -> ValidationFailedError:
    """422 with one entry. `location` begins with body, query, path or header."""
    return ValidationFailedError([{"loc": list(location), "msg": message, "type": kind, "input": value, "ctx": {}}])


def from_validation(error: ValidationError, place: str) -> ValidationFailedError:
    """422 from pydantic's errors; `place` is body, query, path or header."""
    problems = error.errors(include_url=False)
    return ValidationFailedError([{**_worded(problem), "loc": [place, *problem["loc"]]} for problem in problems])


def _worded(problem: Mapping[str, Any]) -> Mapping[str, Any]:
    said = problem.get("ctx", {}).get("error")
    if not isinstance(said, WordedError):
        return problem
    return {**problem, "msg": str(said), "type": said.kind, "ctx": {}}


# --- further codes ---------------------------------------------------------------------------------------------------


def method_not_allowed(allowed: Sequence[str]) -> ApiError:
    """405."""
    return ApiError(
        405,
        "METHOD_NOT_ALLOWED",
        "This method is not allowed here",
        details={"allowed": list(allowed)},
        headers={"Allow": ", ".join(allowed)},
    )


def conflict(reason: ConflictReason, message: str, **details: Any) -> ApiError:
    """409. `message` is one sentence that says what is in the way."""
    return ApiError(409, "CONFLICT", message, details={"reason": str(reason), **details})


def locked(environment: str, *, reason: str, by: str | None) -> ApiError:
    """409 for a change in a locked environment, as the API server's policy words it."""
    who = by or UNKNOWN_USER
    message = printable(f"environment {environment} is locked by {who}: {reason}", 1024)
    return conflict(ConflictReason.ENVIRONMENT_LOCKED, message, lock_reason=reason, locked_by=who)


def being_deleted(what: str, finalizers: Sequence[str], **details: Any) -> ApiError:
    """409 for what is being deleted and not gone yet. `finalizers`: what holds it, to the knowledge of the moment."""
    held = f"; it goes when its finalizers are removed: {', '.join(finalizers)}" if finalizers else ""
    return conflict(
        ConflictReason.BEING_DELETED,
        f"{what} is being deleted{printable(held, 1024)}",
        finalizers=[printable(name) for name in finalizers],
        **details,
    )


def precondition_failed(etag: str) -> ApiError:
    """412. `etag` is the present one."""
    return ApiError(412, "PRECONDITION_FAILED", "The resource has changed", details={"etag": etag})


def weak_precondition(etag: str) -> ApiError:
    """412 for tags that were made weak on their way, as some proxies do; `etag` is the present one."""
    refused = precondition_failed(etag)
    refused.details["hint"] = "If-Match compares strong tags only: send the ETag as it was answered, without W/"
    return refused


def payload_too_large(limit: int) -> ApiError:
    """413."""
    message = f"The request body is larger than {limit} bytes"
    return ApiError(413, "PAYLOAD_TOO_LARGE", message, close=True)


def unsupported_media_type(message: str) -> ApiError:
    """415."""
    return ApiError(415, "UNSUPPORTED_MEDIA_TYPE", message)


def headers_too_large() -> ApiError:
    """431."""
    return ApiError(431, "HEADERS_TOO_LARGE", "The request line or the headers are too large", close=True)


def bad_request(message: str) -> ApiError:
    """400: not HTTP as we speak it."""
    return ApiError(400, "BAD_REQUEST", message, close=True)


def body_timeout() -> ApiError:
    """408: the body did not arrive in time."""
    return ApiError(408, "REQUEST_TIMEOUT", "The request body did not arrive in time", close=True)


def rate_limited(retry_after: int) -> ApiError:
    """429. `retry_after` in seconds."""
    return ApiError(
        429,
        "RATE_LIMIT_EXCEEDED",
        "Too many requests",
        details={"retry_after": retry_after},
        headers={"Retry-After": str(retry_after)},
    )


def unavailable(
    reason: UnavailableReason, message: str, *, retry_after: float | None = None, **details: Any
) -> ApiError:
    """503. `retry_after` in seconds, at least 1."""
    seconds = max(1, round(retry_after or 1))
    return ApiError(
        503,
        "SERVICE_UNAVAILABLE",
        message,
        details={"reason": str(reason), **details},
        headers={"Retry-After": str(seconds)},
    )


def busy(message: str, **details: Any) -> ApiError:
    """503 Busy: the same call will work in a moment."""
    return unavailable(UnavailableReason.BUSY, message, **details)


def already_exists(resource_type: str, resource_id: str) -> ApiError:
    """409 for a name that is taken, in the documented words."""
    details = {resource_type: printable(resource_id)}
    return conflict(ConflictReason.ALREADY_EXISTS, "Resource already exists", **details)


def cluster_unavailable(retry_after: float | None, *, webhook: str | None = None) -> ApiError:
    """503: the API server gave no usable answer. `webhook`: the one that it could not reach."""
    if webhook is None:
        message, details = "The cluster does not answer; try again", {}
    else:
        shown = printable(webhook)
        message, details = f'The cluster cannot reach its admission webhook "{shown}"; try again', {"webhook": shown}
    return unavailable(UnavailableReason.CLUSTER_UNAVAILABLE, message, retry_after=retry_after, **details)
