"""Differences between a manifest of ours and the object in the cluster that should be equal. Pure.

Three ways of applying a manifest keep what an earlier version said and this one does not: `kubectl apply` where the
annotation of the last apply is missing, server-side apply as another field manager, and every edit of somebody else.
Lists of which the items have names (`matchConditions`, `variables`) are merged by name in all of them. So an object can
have everything that was applied, and still not do what was meant.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from moorage_crds.objects import RawObject

#: Field → what the API server fills in, or leaves out, where nothing is said. (Kubernetes API reference, 1.36)
_DEFAULTS: Final[Mapping[str, Any]] = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "scope": "*",
    "conversion": {"strategy": "None"},
    "preserveUnknownFields": False,
    "priority": 0,
    "categories": [],
}
#: What may be there in addition. Only expressions of the policy itself read a variable, and those are compared.
_UNREAD: Final = frozenset({"spec.variables"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where an object is not what it should be.

    Attributes:
        path: such as `spec.matchConditions[release-changes].expression`.
        what: `is missing`, `should not be there` or `differs`.
    """

    path: str
    what: str

    def __str__(self) -> str:
        """As it stands in a message."""
        return f"{self.path} {self.what}"


def differences(wanted: RawObject, found: RawObject) -> list[Difference]:
    """Where the specs of two objects differ in their meaning. Metadata and status belong to others.

    Args:
        wanted: the manifest.
        found: what the API server has.
    """
    return list(_compared(_plain(wanted.get("spec")), _plain(found.get("spec")), "spec"))


def listed(found: Sequence[Difference], most: int = 3) -> str:
    """The first differences in one line, and how many more there are."""
    more = f", and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(map(str, found[:most])) + more


def _plain(value: Any) -> Any:
    """Without what says nothing: nulls, empty maps and lists. Lists of named items become maps."""
    if isinstance(value, Mapping):
        plain = {key: _plain(one) for key, one in value.items()}
        return {key: one for key, one in plain.items() if one is not None and one not in ({}, [])}
    if isinstance(value, list):
        items = [_plain(one) for one in value]
        named = {one["name"]: one for one in items if isinstance(one, dict) and isinstance(one.get("name"), str)}
        return named if items and len(named) == len(items) else items
    return value


def _compared(wanted: Any, found: Any, path: str) -> Iterator[Difference]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted(wanted.keys() | found.keys()):
            where = f"{path}[{key}]" if _is_named(wanted, found, key) else f"{path}.{key}"
            left, right = (values.get(key, _DEFAULTS.get(key)) for values in (wanted, found))
            yield from _field(left, right, where, above=path)
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (left, right) in enumerate(zip(wanted, found, strict=True)):
            yield from _compared(left, right, f"{path}[{number}]")
    elif wanted != found:
        yield Difference(path, "differs")


def _field(wanted: Any, found: Any, path: str, *, above: str) -> Iterator[Difference]:
    """One entry of a map; None where there is none."""
    if found is None:
        yield Difference(path, "is missing")
    elif wanted is not None:
        yield from _compared(wanted, found, path)
    elif not {path, above} & _UNREAD:
        yield Difference(path, "should not be there")


def _is_named(wanted: Mapping[str, Any], found: Mapping[str, Any], key: str) -> bool:
    """Whether this map was a list of named items."""
    item = wanted.get(key, found.get(key))
    return isinstance(item, dict) and item.get("name") == key
