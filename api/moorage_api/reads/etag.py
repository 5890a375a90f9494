"""ETags of environments: `"<uid>.<generation>.<hash of the body>"`. Pure.

A reader compares all of it; who edits compares uid and generation only, so that a deploy does not get in the way.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from moorage_api.cache.views import EnvironmentView
from moorage_api.contract import errors

_ONE = re.compile(r'\s*(?:(?P<weak>W/)?"(?P<tag>[\x21\x23-\x7e\x80-\xff]*)")\s*')


def of(view: EnvironmentView, body: bytes) -> str:
    """The tag of an answer."""
    return f'"{view.uid}.{view.generation}.{blake2b(body, digest_size=8).hexdigest()}"'


def _parse(header: str, value: str) -> list[tuple[bool, str]]:
    """(weak, tag) of each entity tag in a header.

    Raises:
        ApiError: 422, it is not a list of entity tags.
    """
    found: list[tuple[bool, str]] = []
    position = 0
    while True:
        match = _ONE.match(value, position)
        if match is None:
            raise errors.invalid(["header", header], 'must be "*" or entity tags in double quotes', value=value)
        found.append((match["weak"] is not None, match["tag"]))
        position = match.end()
        if position == len(value):
            return found
        if value[position] != ",":
            raise errors.invalid(["header", header], 'must be "*" or entity tags in double quotes', value=value)
        position += 1


def require_match(value: str) -> None:
    """Raises ApiError 422 for what `If-Match` cannot say."""
    if value.strip() != "*":
        _parse("If-Match", value)


def require_none_match(value: str) -> None:
    """Raises ApiError 422 for what `If-None-Match` cannot say."""
    if value.strip() != "*":
        _parse("If-None-Match", value)


def unmodified(value: str | None, etag: str) -> bool:
    """Whether `If-None-Match` names this tag. Weak tags are compared alike. Raises ApiError."""
    if value is None:
        return False
    if value.strip() == "*":
        return True
    return any(f'"{tag}"' == etag for _, tag in _parse("If-None-Match", value))


@dataclass(frozen=True, slots=True)
class Precondition:
    """`If-Match`: the states of the environment that the caller allows.

    Attributes:
        given: there is a precondition on the state.
        weak: it names weak tags alone, which say nothing about a state that is edited.
        states: allowed `<uid>.<generation>`.
        tag_of: the full tag of an environment, for the answer.
    """

    given: bool
    states: frozenset[str]
    tag_of: Callable[[EnvironmentView], str]
    weak: bool = False

    @classmethod
    def of(cls, value: str | None, tag_of: Callable[[EnvironmentView], str]) -> "Precondition":
        """Read the header. `*` asks only that the environment exists. Raises ApiError."""
        if value is None or value.strip() == "*":
            return cls(False, frozenset(), tag_of)
        tags = _parse("If-Match", value)
        states = frozenset(tag.rpartition(".")[0] for weak, tag in tags if not weak)
        return cls(True, states, tag_of, weak=not states)

    def require(self, view: EnvironmentView) -> None:
        """Raises ApiError 412 if the environment is in none of the allowed states."""
        if self.given and f"{view.uid}.{view.generation}" not in self.states:
            tag = self.tag_of(view)
            raise errors.weak_precondition(tag) if self.weak else errors.precondition_failed(tag)
