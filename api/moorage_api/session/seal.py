"""Seals a token and its end into a text that only the facade can open, and opens it again. Pure but for randomness."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"moorage session 1"
_PERSON: Final = b"moorage-session"
#: Of a secret from which a key is made, in bytes.
MIN_SECRET: Final = 32


class WeakSecretError(ValueError):
    """The text cannot be a secret: it is too short."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who is logged in.

    Attributes:
        token: goes to the cluster as if it had come in `Authorization`.
        ends: when the session ends, in seconds since 1970.
    """

    token: str
    ends: int

    def __repr__(self) -> str:
        """Without the token, which must not reach a log."""
        return f"Session(ends={self.ends})"


class Seal:
    """Seals with the first key and opens with each, so that a key can be replaced without ending sessions.

    Args:
        keys: of 32 bytes each, at least one.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = [AESGCM(key) for key in keys]

    @classmethod
    def fresh(cls) -> "Seal":
        """With a key of its own: what it seals can be opened by nobody else, and by nobody after this process."""
        return cls([secrets.token_bytes(32)])

    @classmethod
    def of(cls, text: str) -> "Seal":
        """With the secrets in a text, one a line, the first of which seals. Raises WeakSecretError."""
        lines = [line.strip().encode() for line in text.splitlines() if line.strip()]
        if not lines or any(len(line) < MIN_SECRET for line in lines):
            raise WeakSecretError
        return cls([blake2b(line, digest_size=32, person=_PERSON).digest() for line in lines])

    def seal(self, session: Session) -> str:
        """The text of a session: letters, digits, `-` and `_`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        content = orjson.dumps([session.token, session.ends])
        return urlsafe_b64encode(nonce + self._ciphers[0].encrypt(nonce, content, _PURPOSE)).rstrip(b"=").decode()

    def open(self, text: str) -> Session | None:
        """The session in a text; None if it was not sealed with one of our keys."""
        try:
            raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except ValueError:
            return None
        for cipher in self._ciphers:
            try:
                content = cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _PURPOSE)
            except (InvalidTag, ValueError):
                continue
            token, ends = orjson.loads(content)
            return Session(token, ends)
        return None
