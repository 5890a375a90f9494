"""The queue of Events of Kubernetes: changes that this process has recorded, and rollouts that it saw fail.

Put in by the recorder and the status writer, taken out by the loop that tells. Nothing of it outlives the process.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from moorage_crds.kinds.deployment import Change, Deployment


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell.

    Attributes:
        binding: where it happened.
        change: the change that is told of, or whose rollout failed.
        failure: why the rollout failed; None: the change itself is told of.
    """

    binding: Deployment
    change: Change
    failure: str | None = None


@dataclass(slots=True)
class Notices:
    """What waits to be told, by uid of the binding."""

    #: Told of every binding about which there is something to tell.
    arrived: Callable[[str], None] = lambda _uid: None
    _waiting: dict[str, list[Notice]] = field(default_factory=dict)

    def put(self, notice: Notice) -> None:
        """There is something to tell."""
        self._waiting.setdefault(notice.binding.uid, []).append(notice)
        self.arrived(notice.binding.uid)

    def take(self, uid: str) -> tuple[Notice, ...]:
        """Take everything that waits of one binding out of the queue, the oldest first."""
        return tuple(self._waiting.pop(uid, ()))

    def give_back(self, uid: str, notices: tuple[Notice, ...]) -> None:
        """These could not be told yet."""
        self._waiting[uid] = [*notices, *self._waiting.get(uid, ())]
