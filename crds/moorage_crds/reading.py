"""Reading objects that may be spoiled. The API server accepts none, but an edit of the store behind it can leave some.

One such object must not stop the work on all others, so what cannot be read is told in the log and left out. Everything
that lists or watches reads through `readable`; what it returns has the types that its class says, so that nobody
further in has to doubt them.
"""

import logging
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from moorage_crds.objects import RawObject, metadata

ViewT = TypeVar("ViewT")

#: What reading an object raises that is not as its schema says. OverflowError: a time outside of all calendars.
UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError)

_log = logging.getLogger(__name__)


def readable(
    read: Callable[[RawObject], ViewT],
    raw: RawObject,
    plural: str,
    *,
    left_out: Callable[[RawObject], None] = lambda _raw: None,
) -> ViewT | None:
    """The view of an object that `read` makes; None, and a line in the log, if it cannot or is not what its class says.

    Args:
        read: raises one of `UNREADABLE` where the object is not as its schema says.
        raw: as the API server sent it.
        plural: the kind, for the log.
        left_out: told of the object if it cannot be read.
    """
    try:
        return sound(read(raw))
    except UNREADABLE:
        meta = metadata(raw)
        place = {"namespace": meta.get("namespace"), "name": meta.get("name"), "version": meta.get("resourceVersion")}
        _log.exception("object left out", extra={"fields": {"kind": plural, **place}})
        left_out(raw)
        return None


def sound(view: ViewT) -> ViewT:
    """The view itself, if each of its fields holds what its class says, those of views inside it included.

    What a class works out itself from its other fields is not looked at.

    Raises:
        TypeError: the name of the first field that does not.
    """
    kind: Any = type(view)
    if is_dataclass(view):
        for name, fits in _checks(kind):
            if not fits(getattr(view, name)):
                message = f"{kind.__name__}.{name} is a {type(getattr(view, name)).__name__}"
                raise TypeError(message)
    return view


@cache
def _checks(kind: type[Any]) -> tuple[tuple[str, Callable[[Any], bool]], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, _check(hints[field.name])) for field in fields(kind) if field.init)


def _check(hint: Any) -> Callable[[Any], bool]:
    origin = get_origin(hint)
    if origin in {Union, UnionType}:
        return _any_of(tuple(get_args(hint)))
    if origin is tuple and get_args(hint)[1:] == (...,):
        return _all_in_tuple(_check(get_args(hint)[0]))
    if hint is Any or isinstance(hint, TypeVar):
        # What a wrapper holds says by its own class what it should be.
        return lambda value: sound(value) is value
    if is_dataclass(hint):
        return lambda value: isinstance(value, hint) and sound(value) is value  # type: ignore[arg-type]
    wanted: type[Any] = origin or hint
    return lambda value: isinstance(value, wanted)


def _any_of(hints: tuple[Any, ...]) -> Callable[[Any], bool]:
    if not any(is_dataclass(hint) or get_origin(hint) for hint in hints):
        return lambda value: isinstance(value, hints)
    checks = [_check(hint) for hint in hints]
    return lambda value: any(check(value) for check in checks)


def _all_in_tuple(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and all(map(check, value))
