"""From method and path to an operation. Segments are decoded one by one, so an encoded slash never makes a new one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from urllib.parse import unquote_to_bytes


class Routed(Protocol):
    """What can be routed to."""

    @property
    def method(self) -> str:
        """HTTP method."""
        ...

    @property
    def path(self) -> str:
        """Path template: `/v1/orgs/{org_id}`."""
        ...


RoutedT = TypeVar("RoutedT", bound=Routed)

_PARAMETER = re.compile(r"\{([a-z_]+)\}")
#: The end of a path that stands for all that follows, at least one segment.
_REST = "/{path...}"


class NoSuchMethodError(Exception):
    """The path exists, with other methods."""

    def __init__(self, allowed: list[str]) -> None:
        super().__init__("no such method")
        self.allowed = allowed


class NoSuchPathError(Exception):
    """No operation has such a path."""


@dataclass(frozen=True, slots=True)
class _Template(Generic[RoutedT]):
    segments: tuple[str | None, ...]
    parameters: tuple[tuple[int, str], ...]
    operations: dict[str, RoutedT]


class Router(Generic[RoutedT]):
    """All operations, by number of segments and then one by one: there are few.

    A path that ends in `{path...}` takes all that begins like it and that no other path takes.
    """

    def __init__(self, operations: Iterable[RoutedT]) -> None:
        by_path: dict[str, _Template[RoutedT]] = {}
        self._by_length: dict[int, list[_Template[RoutedT]]] = {}
        self._by_beginning: dict[str, dict[str, RoutedT]] = {}
        for operation in operations:
            if operation.path.endswith(_REST):
                beginning = operation.path.removesuffix(_REST)
                self._by_beginning.setdefault(beginning, {})[operation.method] = operation
                continue
            template = by_path.get(operation.path)
            if template is None:
                template = by_path[operation.path] = _template(operation.path)
                self._by_length.setdefault(len(template.segments), []).append(template)
            template.operations[operation.method] = operation

    def resolve(self, method: str, path: str) -> tuple[RoutedT, dict[str, str]]:
        """The operation and its decoded path parameters.

        Args:
            method: HTTP method.
            path: raw path of the request, without the query.

        Raises:
            NoSuchPathError: 404.
            NoSuchMethodError: 405.
        """
        segments = path.split("/")[1:]
        for template in self._by_length.get(len(segments), ()):
            if not _matches(template.segments, segments):
                continue
            operation = _of(template.operations, method)
            return operation, {name: decoded(segments[index]) for index, name in template.parameters}
        for beginning, operations in self._by_beginning.items():
            if path.startswith(f"{beginning}/"):
                return _of(operations, method), {}
        raise NoSuchPathError


def _of(operations: dict[str, RoutedT], method: str) -> RoutedT:
    """The operation of that method. Raises NoSuchMethodError."""
    operation = operations.get(method)
    if operation is None:
        raise NoSuchMethodError(sorted(operations))
    return operation


def decoded(segment: str) -> str:
    """A segment without percent-encoding. Invalid UTF-8 becomes U+FFFD, which no id may hold."""
    if "%" not in segment:
        return segment
    return unquote_to_bytes(segment.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")


def _template(path: str) -> _Template[RoutedT]:
    segments: list[str | None] = []
    parameters: list[tuple[int, str]] = []
    for index, segment in enumerate(path.split("/")[1:]):
        found = _PARAMETER.fullmatch(segment)
        segments.append(None if found else segment)
        if found:
            parameters.append((index, found[1]))
    return _Template(tuple(segments), tuple(parameters), {})


def _matches(template: tuple[str | None, ...], segments: list[str]) -> bool:
    return all(wanted is None or wanted == given for wanted, given in zip(template, segments, strict=True))
