"""The part of a request that an answer may repeat: cut, valid Unicode, plain JSON. Pure."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

#: Characters after which an echoed `input` or message is cut.
MAX_ECHO = 256


def presentable(problem: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of a 422 as JSON: input cut, context in plain values."""
    context = {key: _plain(value) for key, value in (problem.get("ctx") or {}).items()}
    return {
        "loc": [printable(part) if isinstance(part, str) else part for part in problem["loc"]],
        "msg": printable(problem["msg"], 1024),
        "type": problem["type"],
        "input": shortened(problem.get("input")),
        "ctx": context,
    }


def shortened(value: Any) -> Any:
    """An input as it is echoed: strings cut, everything else cut if its JSON is long."""
    if isinstance(value, str):
        return printable(value)
    if value is None or isinstance(value, bool):
        return value
    # Not orjson, which takes no integer of more than 64 bits.
    text = json.dumps(value, default=str)
    return orjson.Fragment(text) if len(text) <= MAX_ECHO else text[:MAX_ECHO]


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | type(None)) else printable(str(value))


def printable(text: str, limit: int = MAX_ECHO) -> str:
    """`text` as it may stand in JSON: valid Unicode, cut."""
    return text[:limit].encode("utf-8", "replace").decode("utf-8")
