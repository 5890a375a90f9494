"""Cursors: where a page ended, as opaque text that works at every replica and after a restart. Pure.

A cursor is the key of the last object, so that a page is sought and never counted: nothing is skipped or repeated when
objects come and go. It is bound to what it pages through, and a checksum finds damage; nothing in it is secret, and
a forged one shows no more than its sender may read.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any

import orjson

_SUM_BYTES = 9
_PERSON = b"moorage-cursor"


class DamagedCursorError(ValueError):
    """The text is not a cursor, or belongs to another list."""


def encode(scope: object, key: object) -> str:
    """The cursor after `key` in the list that `scope` (JSON values: what is listed, with which filters) describes."""
    content = orjson.dumps(key)
    return urlsafe_b64encode(_checksum(scope, content) + content).rstrip(b"=").decode()


def decode(scope: object, text: str) -> Any:
    """The key in a cursor.

    Raises:
        DamagedCursorError: it is damaged, or belongs to another list or other filters.
    """
    try:
        key = key_in(text)
        same = encode(scope, key) == text
    except TypeError as error:
        # The checksum is not a signature: a forged cursor may hold JSON that is nested too deep to be written.
        raise DamagedCursorError from error
    if not same:
        raise DamagedCursorError
    return key


def key_in(text: str) -> Any:
    """What a text holds that has the form of a cursor of any list.

    Raises:
        DamagedCursorError: no list has such cursors.
    """
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        return orjson.loads(raw[_SUM_BYTES:])
    except ValueError as error:
        raise DamagedCursorError from error


def _checksum(scope: object, content: bytes) -> bytes:
    hashed = blake2b(orjson.dumps(scope) + b"\0" + content, digest_size=_SUM_BYTES, person=_PERSON)
    return hashed.digest()
