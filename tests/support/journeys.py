"""What a test of a journey is given."""

from collections.abc import Callable, Mapping
from typing import Protocol

from cluster import Workspace


class Journey(Protocol):
    """Runs a journey of `web/journeys` by its name."""

    def __call__(
        self,
        name: str,
        workspace: Workspace,
        more: Mapping[str, object],
        deeds: Mapping[str, Callable[[], object]] | None = None,
    ) -> None:
        """Run it in a workspace.

        Args:
            name: of the journey.
            workspace: where.
            more: further facts that it needs.
            deeds: what it may ask the test to do meanwhile, by name.
        """
        ...
