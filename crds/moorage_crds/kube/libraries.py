"""The libraries of the way to the cluster, loaded in this one place without what we never use of them.

aiohttp carries our requests; of the official client we use the loaders of configuration. Both do much more while they
are imported, and a command spends most of its time on imports:

- `kubernetes` imports its synchronous half with requests, oauthlib and websocket, and both halves what they offer for
  watches and streams. Python's lazy loader loads those modules only when something touches them.
- the loaders import the official client's HTTP client, with pydantic, for two functions that we do not call.
- aiohttp reads all CAs of this machine, twice, for contexts that none of our sessions uses: each brings the trust of
  its own cluster (`session`).
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Final

#: Where OpenSSL looks for the CAs of this machine first.
_CAS: Final = "SSL_CERT_FILE"
#: What `kubernetes` and `kubernetes.aio` import for their users' convenience.
_REST: Final = frozenset(
    f"kubernetes.{name}"
    for name in (
        "client", "config", "dynamic", "informer", "leaderelection", "stream", "utils", "watch",
        "aio.config", "aio.dynamic", "aio.leaderelection", "aio.stream", "aio.utils", "aio.watch",
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


@contextmanager
def _without_cas() -> Iterator[None]:
    """A context that is made meanwhile with the CAs of this machine trusts fewer of them, or nobody; never more."""
    said = os.environ.get(_CAS)
    os.environ[_CAS] = os.devnull
    try:
        yield
    finally:
        if said is None:
            del os.environ[_CAS]
        else:
            os.environ[_CAS] = said


@contextmanager
def _without_http_client() -> Iterator[None]:
    """`kubernetes.aio.client` finds its `ApiClient` when somebody asks for it; None stands there meanwhile."""
    there = vars(client)
    there.setdefault("ApiClient", None)
    try:
        yield
    finally:
        if there["ApiClient"] is None:
            del there["ApiClient"]


with _without_cas():
    import aiohttp

sys.meta_path.insert(0, _Later)
try:
    from kubernetes.aio import client

    with _without_http_client():
        from kubernetes.aio.client import Configuration
        from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
finally:
    sys.meta_path.remove(_Later)

__all__ = ["ConfigException", "Configuration", "aiohttp", "load_incluster_config", "load_kube_config"]
