"""Names that can be typed next, from the workspace that the words before it mean. A shell asks while somebody types."""

import asyncio
import contextlib
import io
from collections.abc import Sequence
from typing import Final

import typer

from moorage_cli.people.model import Place, TroubleError
from moorage_cli.people.ways import Where, opened

#: Longer nobody waits for a key. Seconds.
PATIENCE: Final = 3.0


def environments(context: typer.Context, _: list[str], incomplete: str) -> list[str]:
    """Slugs of the environments of the workspace."""
    return [one.environment for one in _places(context) if one.environment.startswith(incomplete)]


def apps(context: typer.Context, _: list[str], incomplete: str) -> list[str]:
    """Apps that are deployed somewhere in the workspace."""
    found = {app for one in _places(context) for app in one.active}
    return sorted(app for app in found if app.startswith(incomplete))


def _places(context: typer.Context) -> Sequence[Place]:
    said = context.params
    where = Where(said.get("workspace"), said.get("namespace"), said.get("kubeconfig"), said.get("context"))

    async def ask() -> Sequence[Place]:
        async with asyncio.timeout(PATIENCE), opened(where) as register:
            return await register.places()

    # Somebody presses a key: what goes wrong would stand in the middle of their line.
    with contextlib.suppress(TroubleError, TimeoutError, OSError), contextlib.redirect_stderr(io.StringIO()):
        return asyncio.run(ask())
    return ()
