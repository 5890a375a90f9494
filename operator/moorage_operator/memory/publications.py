"""Memory of the ConfigMaps that say what is active: written by the publisher, read by the statuses."""

from dataclasses import dataclass, field

from moorage_operator.facts import Published
from moorage_operator.memory.chain import EnvironmentKey


@dataclass(slots=True)
class Publications:
    """All of them, by Environment."""

    _published: dict[EnvironmentKey, Published] = field(default_factory=dict)
    _left: dict[EnvironmentKey, str] = field(default_factory=dict)

    def of(self, key: EnvironmentKey) -> Published | None:
        """What is known; None after a start, until the publisher has looked."""
        return self._published.get(key)

    def put(self, key: EnvironmentKey, published: Published) -> None:
        """The publisher has looked, or written."""
        self._published[key] = published
        if self._left.get(key) == published.name:
            del self._left[key]

    def leave(self, key: EnvironmentKey, name: str) -> None:
        """Nothing of ours is left in that ConfigMap."""
        self._left[key] = name
        published = self._published.get(key)
        if published is not None and published.name == name:
            del self._published[key]

    def is_left(self, key: EnvironmentKey, name: str) -> bool:
        """Whether that ConfigMap was left, and not taken again."""
        return self._left.get(key) == name
