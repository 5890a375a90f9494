"""The port of both ways to a workspace.

The two ways are `cluster` (a kubeconfig, straight to the API server) and `rest` (the facade). Both raise `TroubleError`
with the same reasons, so that a script sees no difference.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from moorage_cli.people.model import (
    Asked,
    Change,
    Explained,
    Freezing,
    Line,
    ListedFreeze,
    Locking,
    Newest,
    Opinion,
    Place,
    Promoting,
    Promotion,
    State,
)


class Register(Protocol):
    """One workspace, with the rights of the user. Everything may raise `TroubleError`."""

    async def places(self) -> Sequence[Place]:
        """All environments, by slug."""
        ...

    async def history(self, environment: str, *, app: str | None = None) -> Sequence[Line]:
        """The changes in an environment, the newest first."""
        ...

    async def changes(self, asked: Asked) -> Sequence[Line]:
        """Changes in one environment or in all of the workspace, the newest first."""
        ...

    async def state(self, environment: str, app: str) -> State:
        """One app in one environment now."""
        ...

    async def change(self, wanted: Change) -> str:
        """Make a change; the `deployment_id` of its line, or of the line that made it active before."""
        ...

    async def newest(self) -> Sequence[Newest]:
        """The newest change of every app that is there, by environment and app."""
        ...

    async def promote(self, wanted: Promoting) -> Sequence[Promotion]:
        """Promote releases, each app by a change of its own; one that is refused stops none of the others."""
        ...

    async def decide(self, opinion: Opinion) -> str:
        """Say yes or no to a release; the name of the Approval."""
        ...

    async def lock(self, wanted: Locking) -> None:
        """Lock an environment, or replace what its lock says."""
        ...

    async def unlock(self, environment: str, *, dry_run: bool) -> None:
        """Unlock an environment."""
        ...

    async def explain(self, environment: str, app: str | None, release: str | None, at: datetime) -> Explained:
        """What every gate says of a change at a moment."""
        ...

    async def freezes(self) -> Sequence[ListedFreeze]:
        """The Freezes of the workspace, by name."""
        ...

    async def freeze(self, wanted: Freezing, *, dry_run: bool) -> None:
        """Create a Freeze, or replace what it says."""
        ...

    async def unfreeze(self, name: str, *, dry_run: bool) -> None:
        """Delete a Freeze."""
        ...
