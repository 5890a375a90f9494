"""The parts of every stored object: its place, its uid and its versions, read from the raw JSON of the API server.

Raw objects travel as `RawObject` (a plain dict) unopened to the one function that reads them; the views in
`environment`, `deployment`, `lock`, `record` and `workspace` are those functions.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

RawObject: TypeAlias = dict[str, Any]


def metadata(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object's metadata, empty if there is none."""
    return mapping(raw.get("metadata"))


def labels(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object's labels, empty if there are none."""
    return mapping(metadata(raw).get("labels"))


def mapping(value: Any) -> Mapping[str, Any]:
    """A JSON object as it is; anything else, which only a spoiled object has in such a place, as an empty one."""
    return value if isinstance(value, dict) else {}


def version_of(raw: Mapping[str, Any]) -> str:
    """`metadata.resourceVersion`, empty if there is none."""
    return str(metadata(raw).get("resourceVersion", ""))


def is_newer(version: str, than: str) -> bool:
    """Compare two resourceVersions of one kind: by length, then lexically (comparable since Kubernetes 1.35).

    An empty version is older than every other.
    """
    return (len(version), version) > (len(than), than)
