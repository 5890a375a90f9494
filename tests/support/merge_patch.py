"""Patches as the API server applies them: merge patches and the parts of JSON patches that are used."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any


def merged(target: Any, patch: Mapping[str, Any]) -> dict[str, Any]:
    """JSON merge patch (RFC 7386); neither argument changes."""
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = merged(result.get(key), value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def pointer_parts(pointer: str) -> list[str]:
    """The names in a JSON pointer."""
    return [name.replace("~1", "/").replace("~0", "~") for name in pointer.removeprefix("/").split("/")]


def value_at(raw: Any, way: Sequence[str]) -> Any:
    """What is at the end of a way, None if there is nothing."""
    for name in way:
        raw = raw.get(name) if isinstance(raw, Mapping) else None
    return raw
