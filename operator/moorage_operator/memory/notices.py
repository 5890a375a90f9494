"""The queue of Events of Kubernetes: recorded changes, failed rollouts, and environments that are not there.

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
        change: the change that is told of, whose rollout failed, or that went to an environment that is not there.
        failure: why the rollout failed.
        astray: there is no Environment of the name that the binding says.
    """

    binding: Deployment
    change: Change
    failure: str | None = None
    astray: bool = False

    @property
    def of_change(self) -> bool:
        """The change itself is told of."""
        return self.failure is None and not self.astray


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
