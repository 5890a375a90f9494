"""The Python client of Moorage's REST API: `Moorage` waits, `AsyncMoorage` is awaited."""

from moorage_client.asynchronous import AsyncMoorage
from moorage_client.errors import (
    ApiError,
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    MoorageError,
    NoAnswerError,
    NotFoundError,
    NotHealthyError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitedError,
    UnavailableError,
)
from moorage_client.events import Event
from moorage_client.sync import Moorage

__all__ = [
    "ApiError",
    "AsyncMoorage",
    "AuthenticationError",
    "ConflictError",
    "Event",
    "InvalidRequestError",
    "Moorage",
    "MoorageError",
    "NoAnswerError",
    "NotFoundError",
    "NotHealthyError",
    "PermissionDeniedError",
    "PreconditionFailedError",
    "RateLimitedError",
    "UnavailableError",
]
