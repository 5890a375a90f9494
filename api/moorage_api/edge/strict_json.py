"""JSON without its traps: no NaN, no duplicate keys, no lone surrogates, no deep nesting, no endless numbers. Pure."""

import json
import re
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 32
MAX_DIGITS: Final = 32
MAX_NUMBER_LENGTH: Final = 64

Place = tuple[str | int, ...]


class JsonError(ValueError):
    """The text is not JSON that is accepted.

    Attributes:
        kind: the type in the 422.
        place: the end of its `loc`: a character, or the keys and indices that lead to what is wrong.
    """

    def __init__(self, message: str, *, place: Place = (0,), kind: str = "json_invalid") -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.kind = kind


def loads(content: bytes) -> Any:
    """Parse.

    Raises:
        JsonError: with one sentence that says what is wrong.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError("the body is not valid UTF-8", place=(error.start,)) from None
    if text.startswith("\ufeff"):
        raise JsonError("the body begins with a byte order mark")
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_number,
        )
    except json.JSONDecodeError as error:
        raise JsonError(error.msg, place=(error.pos,)) from None
    except RecursionError:
        raise JsonError(_TOO_DEEP) from None
    _check(value, ())
    return value


_TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels"


#: A string, whole or cut off at the end of the text: brackets in it do not nest. No backtracking: linear.
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


def _check_depth(text: str) -> None:
    """Count brackets outside of strings, before anything recursive looks at the text."""
    depth = 0
    for char in _STRING.sub("", text):
        if char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise JsonError(_TOO_DEEP)
        elif char in "]}":
            depth -= 1


class _Repeated(dict[str, Any]):
    """An object that has a key twice. While it is read nobody knows where it stands, so it is found afterwards."""

    def __init__(self, found: dict[str, Any], key: str) -> None:
        super().__init__(found)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            return _Repeated(found, key)
        found[key] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not JSON")


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise JsonError(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def _number(text: str) -> float:
    if len(text) > MAX_NUMBER_LENGTH:
        raise JsonError(f"a number has more than {MAX_NUMBER_LENGTH} characters")
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise JsonError("a number is too large")
    return value


def _check(value: Any, place: Place) -> None:
    """Refuse keys that are there twice, and lone surrogates. `place`: where the value stands. Raises JsonError."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise JsonError("a string holds half of a surrogate pair", place=place, kind="string_unicode")
    elif isinstance(value, dict):
        if isinstance(value, _Repeated):
            message = f"the key {_shown(value.key)} is there twice"
            raise JsonError(message, place=(*place, value.key), kind="duplicate_key")
        for key, item in value.items():
            _check(key, (*place, key))
            _check(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, (*place, index))


def _shown(key: str) -> str:
    return repr(key[:64])
