"""The chains of one environment name, and which of them belong to the Environment that has the name now."""

from dataclasses import dataclass, field

from moorage_api.cache.chains import ChainLines, belongs
from moorage_api.cache.line import Line
from moorage_api.cache.lines import LineIndex
from moorage_api.cache.views import EnvironmentView


@dataclass(slots=True)
class Shelf:
    """The chains of one environment name in one Namespace.

    Attributes:
        index: the lines of the chains that belong to the present Environment.
        of_app: app → uid → chain.
        revision: changes whenever anything on it does; no two shelves ever have the same.
        owner: uid and birth of the Environment for which it was decided what belongs to it.
        changed: chains of which that has to be decided again.
    """

    index: LineIndex
    chains: dict[str, ChainLines] = field(default_factory=dict)
    of_app: dict[str, dict[str, ChainLines]] = field(default_factory=dict)
    revision: int = 0
    owner: tuple[str, str | None] | None = None
    changed: set[str] = field(default_factory=set)

    def begin(self, chain: ChainLines) -> None:
        """Take in a chain, without lines yet."""
        self.chains[chain.uid] = chain
        self.of_app.setdefault(chain.app, {})[chain.uid] = chain

    def end(self, chain: ChainLines) -> None:
        """Forget a chain that is empty."""
        del self.chains[chain.uid]
        of_app = self.of_app[chain.app]
        del of_app[chain.uid]
        if not of_app:
            del self.of_app[chain.app]

    def put(self, chain: ChainLines, line: Line) -> None:
        """Keep a line."""
        chain.put(line)
        if chain.counted:
            self.index.add(line)

    def take(self, chain: ChainLines, line: Line) -> None:
        """Forget a line."""
        chain.drop(line)
        if chain.counted:
            self.index.remove(line)

    def settle(self, environment: EnvironmentView, birth: str | None) -> None:
        """Bring exactly the chains that belong to the Environment into the index.

        Only what has changed since is looked at, or everything once when the Environment is another one.
        """
        owner = (environment.uid, birth)
        again = list(self.chains) if self.owner != owner else [uid for uid in self.changed if uid in self.chains]
        moved = [
            chain
            for chain in map(self.chains.__getitem__, again)
            if belongs(chain, environment, birth) is not chain.counted
        ]
        self.owner, self.changed = owner, set()
        for chain in moved:
            chain.counted = not chain.counted
        if 2 * sum(map(len, moved)) > len(self.index):
            self._rebuild()
            return
        for chain in moved:
            for line in chain.lines():
                (self.index.add if chain.counted else self.index.remove)(line)

    def _rebuild(self) -> None:
        """Sorting everything is cheaper than moving most of it."""
        self.index.clear()
        self.index.extend(line for chain in self.chains.values() if chain.counted for line in chain.lines())
