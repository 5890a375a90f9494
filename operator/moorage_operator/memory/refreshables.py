"""The objects whose tools are told of new releases, by place and by what they follow."""

from collections.abc import Iterable

from moorage_crds.kinds.refresh import Followed
from moorage_operator.facts import Refreshable
from moorage_operator.memory.kind_sink import KindSink

RefreshableKey = tuple[str, str, str]
"""Kind (`<plural>.<group>`), Namespace and name."""


class Refreshables:
    """All of them; there are few."""

    def __init__(self) -> None:
        self._known: dict[RefreshableKey, Refreshable] = {}
        self._following: dict[Followed, set[RefreshableKey]] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._known)

    def get(self, key: RefreshableKey) -> Refreshable | None:
        """The one of that kind, Namespace and name."""
        return self._known.get(key)

    def following(self, places: Iterable[Followed]) -> list[Refreshable]:
        """Those that follow one of these, in the order of their keys."""
        keys = {key for place in places for key in self._following.get(place, ())}
        return [self._known[key] for key in sorted(keys)]

    def of(self, resource: str) -> list[Refreshable]:
        """All of a kind."""
        return [known for known in self._known.values() if known.resource == resource]

    def put(self, known: Refreshable) -> None:
        """One is there, or has changed."""
        self.drop(known)
        self._known[known.key] = known
        for place in known.follows:
            self._following.setdefault(place, set()).add(known.key)

    def drop(self, known: Refreshable) -> None:
        """One is gone."""
        before = self._known.pop(known.key, None)
        for place in before.follows if before is not None else ():
            self._following[place].discard(known.key)
            if not self._following[place]:
                del self._following[place]

    def listed(self, resource: str) -> None:
        """Nothing waits for that."""

    def sink(self, resource: str) -> KindSink[Refreshable]:
        """What the reflector of a kind fills."""
        return KindSink(self, resource)
