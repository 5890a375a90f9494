"""The official client's loaders of configuration, without the rest of its package.

Importing anything of `kubernetes` imports all of it, also the synchronous client with requests, oauthlib and websocket:
a third of what a command does before its first request. We need none of that, so Python's lazy loader
loads those modules only when something touches them.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Final

#: What `kubernetes` and `kubernetes.aio` import for their users' convenience.
_REST: Final = frozenset(
    f"kubernetes.{name}"
    for name in (
        "config", "dynamic", "informer", "leaderelection", "stream", "utils", "watch",
        "aio.dynamic", "aio.leaderelection", "aio.stream", "aio.watch",
    )
)  # fmt: skip


class _Later:
    """Finds modules of `_REST`, each to be executed when one of its attributes is asked for."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in _REST else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


sys.meta_path.insert(0, _Later)
try:
    from kubernetes.aio import client, config
finally:
    sys.meta_path.remove(_Later)

__all__ = ["client", "config"]
