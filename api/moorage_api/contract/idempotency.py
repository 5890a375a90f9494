"""`Idempotency-Key` as it is stored: two short hashes in `spec.change.requestId`, kept with the change itself. Pure.

The first half says whose key it was, the second what was asked for. A retry that finds the first half in the history
of the binding gets the answer of that change, if the second half is the same too. Nothing is kept in the process, so a
retry works at another replica and after a restart.
"""

import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import orjson

from moorage_api.contract import errors

HEADER: Final = "Idempotency-Key"
MAX_KEY_LENGTH: Final = 64
_SEPARATOR = "."


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hash of user and key, and hash of the content; 27 printable characters each."""

    key: str
    content: str

    @property
    def request_id(self) -> str:
        """Its form in the note of the change."""
        return f"{self.key}{_SEPARATOR}{self.content}"


def fingerprint(user: str, key: str, content: object) -> Fingerprint:
    """The fingerprint of a request.

    Args:
        user: the authenticated user name; a key is its owner's alone.
        key: the header's value.
        content: everything that makes two requests different, as JSON values.
    """
    return Fingerprint(_hash([user, key]), _hash(content))


def require_key(value: str) -> None:
    """Raises ApiError 422 if the header's value can be no key."""
    if not 1 <= len(value) <= MAX_KEY_LENGTH or not all(" " <= char <= "~" for char in value):
        message = f"must be 1 to {MAX_KEY_LENGTH} printable ASCII characters"
        raise errors.invalid(["header", HEADER], message, value=value)


def random_request_id() -> str:
    """A request id for a request without a key. Every change has one: it makes the note, and so the write, new."""
    return secrets.token_urlsafe(16)


def split(request_id: str | None) -> Fingerprint | None:
    """The fingerprint in a request id; None if it holds none."""
    if not request_id or _SEPARATOR not in request_id:
        return None
    key, content = request_id.split(_SEPARATOR, 1)
    return Fingerprint(key, content)


def _hash(value: object) -> str:
    digest = blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=20).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
