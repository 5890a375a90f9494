"""Which parts of an environment somebody may see. Pure; `rights` asks for it.

What somebody may not see is null, and the answer names it in `hidden`: so nobody takes it for nothing.
"""

from dataclasses import dataclass
from typing import Final

#: The fields of an environment that say whether it is closed.
SCHEDULE: Final = ("closed", "next_open", "next_close")


@dataclass(frozen=True, slots=True)
class Sight:
    """What of an environment is shown.

    Attributes:
        releases: `active_deployments`; needs `list deployments`.
        lock: needs `get environmentlocks`.
        freezes: needs `list freezes`; with `lock` it shows whether the environment is closed.
    """

    releases: bool
    lock: bool
    freezes: bool

    @property
    def gates(self) -> bool:
        """Whether it is shown that the environment is closed."""
        return self.lock and self.freezes

    @property
    def hidden(self) -> list[str]:
        """The fields of an environment that are not shown."""
        shown = {
            "active_deployments": self.releases,
            "lock": self.lock,
            **dict.fromkeys(SCHEDULE, self.gates),
            "last_unlock": self.lock,
        }
        return [field for field, visible in shown.items() if not visible]


NOTHING = Sight(releases=False, lock=False, freezes=False)
