"""Fills a memory of other tools' objects with what the watch of one kind delivers."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar


class Placed(Protocol):
    """Something with a place in the cluster."""

    @property
    def namespace(self) -> str:
        """Its Namespace."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...


ViewT = TypeVar("ViewT", bound=Placed)


class Kept(Protocol[ViewT]):
    """A memory of objects of several kinds."""

    def of(self, resource: str) -> list[ViewT]:
        """All that are known of a kind."""
        ...

    def put(self, view: ViewT, /) -> None:
        """One is there, or has changed."""
        ...

    def drop(self, view: ViewT, /) -> None:
        """One is gone."""
        ...

    def listed(self, resource: str) -> None:
        """A kind has been listed, or is not served."""
        ...


class KindSink(Generic[ViewT]):
    """The port `Sink` for the objects of one kind.

    Args:
        kept: what is filled.
        resource: the kind, as `<plural>.<group>`.
    """

    def __init__(self, kept: Kept[ViewT], resource: str) -> None:
        self._kept = kept
        self._resource = resource

    def replace(self, views: Sequence[ViewT], resource_version: str) -> None:
        """A complete list: what is not in it is gone."""
        places = {(view.namespace, view.name) for view in views}
        for known in self._kept.of(self._resource):
            if (known.namespace, known.name) not in places:
                self._kept.drop(known)
        for view in views:
            self._kept.put(view)
        self._kept.listed(self._resource)

    def apply(self, kind: str, view: ViewT) -> None:
        """One event."""
        if kind == "DELETED":
            self._kept.drop(view)
        else:
            self._kept.put(view)

    def progress(self, resource_version: str) -> None:
        """A bookmark, which tells nothing of objects."""
