"""Server-side apply, the part that the operator uses (tests/contract holds it against the real API server).

A field is a path to a value that is not an object; items of lists of objects are told apart by their `name`.
"""

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[str, ...]
#: What says which object is meant, and is not applied.
_OF_METADATA = ("name", "namespace", "uid", "resourceVersion")
_IDENTITY = {("apiVersion",), ("kind",), *(("metadata", name) for name in _OF_METADATA)}


def leaves(value: Any, way: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every field and its value."""
    if isinstance(value, dict) and (value or not way):
        for key, inside in value.items():
            yield from leaves(inside, (*way, key))
    elif isinstance(value, list) and value and all(isinstance(one, dict) and "name" in one for one in value):
        for one in value:
            yield from leaves(one, (*way, f"[{one['name']}]"))
    else:
        yield way, value


def wanted_fields(body: dict[str, Any]) -> dict[Path, Any]:
    """The fields that a manager applies."""
    return {path: value for path, value in leaves(body) if path not in _IDENTITY and value != {}}


def contested(present: dict[str, Any], wanted: dict[Path, Any], own: dict[Path, Any]) -> list[Path]:
    """The fields that somebody else owns with another value."""
    there = dict(leaves(present))
    differing = (path for path, value in wanted.items() if path in there and there[path] != value)
    return [path for path in differing if own.get(path) != there[path]]


def with_fields(present: dict[str, Any], wanted: dict[Path, Any], own: dict[Path, Any]) -> dict[str, Any]:
    """The object with those fields, and without those that the manager owned and has left out."""
    raw, there = copy.deepcopy(present), dict(leaves(present))
    for path in own.keys() - wanted.keys():
        if there.get(path) == own[path]:
            _inside(raw, path[:-1]).pop(path[-1], None)
    for path, value in wanted.items():
        _inside(raw, path[:-1])[path[-1]] = copy.deepcopy(value)
    return raw


def _inside(raw: dict[str, Any], way: Path) -> dict[str, Any]:
    found: Any = raw
    for part, after in zip(way, (*way[1:], "")[: len(way)], strict=True):
        if part.startswith("["):
            item = next((one for one in found if one["name"] == part[1:-1]), None)
            if item is None:
                item = {"name": part[1:-1]}
                found.append(item)
            found = item
        else:
            found = found.setdefault(part, [] if after.startswith("[") else {})
    inside: dict[str, Any] = found
    return inside
