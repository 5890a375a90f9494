"""Which way to the cluster: the facade where `MOORAGE_URL` says so, else a kubeconfig as kubectl finds it."""

import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from moorage_cli.busy import Busy
from moorage_cli.people.model import Exit, TroubleError
from moorage_cli.people.register import Register
from moorage_crds.store import ResourceStore


@dataclass(frozen=True, slots=True)
class Where:
    """What was said about the place.

    Attributes:
        workspace: `<org>/<workspace>`, by REST.
        namespace: of the workspace, by kubeconfig; None: the one of the context.
        kubeconfig: None: `KUBECONFIG`, then `~/.kube/config`.
        context: None: the current one.
    """

    workspace: str | None = None
    namespace: str | None = None
    kubeconfig: Path | None = None
    context: str | None = None

    @property
    def by_kubeconfig(self) -> bool:
        """Something was said that only a kubeconfig has."""
        return any(one is not None for one in (self.namespace, self.kubeconfig, self.context))


@asynccontextmanager
async def opened(where: Where, environ: Mapping[str, str] = os.environ) -> AsyncIterator[Register]:
    """The workspace, by the way that was chosen.

    Raises:
        TroubleError: the way is not known.
    """
    url = environ.get("MOORAGE_URL")
    is_rest = bool(url) and not where.by_kubeconfig
    if where.workspace is not None and not is_rest:
        # Or a change would reach the Namespace of the context, which is another workspace.
        raise TroubleError(
            Exit.USAGE,
            "--workspace goes with MOORAGE_URL; by kubeconfig say --namespace, the Namespace of the workspace",
        )
    way = _by_rest(url, where, environ) if url and is_rest else _by_kubeconfig(where, environ)
    async with way as register:
        yield register


@asynccontextmanager
async def everywhere(
    where: Where, environ: Mapping[str, str] = os.environ
) -> AsyncIterator[Sequence[tuple[str, Register]]]:
    """All workspaces that the user may look into, as `<org>/<workspace>`, by name.

    By kubeconfig they are found by the labels of Namespaces, so that needs the right to list those.

    Raises:
        TroubleError: the way is not known, or no right.
    """
    url = environ.get("MOORAGE_URL")
    if url and not where.by_kubeconfig:
        with _without_its_program("httpx"):
            from moorage_cli.people.rest import workspaces  # noqa: PLC0415 — the other way does not need it
            from moorage_client import AsyncMoorage  # noqa: PLC0415 — nor that

        async with AsyncMoorage(_address(url), _token(environ), warned=_warn, sleep=Busy("the facade").sleep) as client:
            yield await workspaces(client)
        return
    from moorage_cli.people.cluster import cluster_workspaces  # noqa: PLC0415 — the other way does not need it

    async with cluster(where, environ) as (store, _):
        yield await cluster_workspaces(store)


@asynccontextmanager
async def _by_rest(url: str, where: Where, environ: Mapping[str, str]) -> AsyncIterator[Register]:
    with _without_its_program("httpx"):
        from moorage_cli.people.rest import RestRegister  # noqa: PLC0415 — the other way does not need it
        from moorage_client import AsyncMoorage  # noqa: PLC0415 — nor that

    org, _, workspace = (where.workspace or environ.get("MOORAGE_WORKSPACE", "")).partition("/")
    if not org or not workspace:
        raise TroubleError(Exit.USAGE, "which workspace? Say --workspace <org>/<workspace>, or set MOORAGE_WORKSPACE")
    async with AsyncMoorage(_address(url), _token(environ), warned=_warn, sleep=Busy("the facade").sleep) as client:
        yield RestRegister(client, org, workspace)


@contextmanager
def _without_its_program(library: str) -> Iterator[None]:
    """Import a library as if what only its own command line needs were not installed.

    httpx imports rich, pygments and click for its command where they are, which is two fifths of its import. Python
    takes a module that is None for one that is absent, and httpx is made for its absence.
    """
    program = f"{library}._main"
    if program in sys.modules or library in sys.modules:
        yield
        return
    sys.modules[program] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[program]


def _address(url: str) -> str:
    """Raises TroubleError: it is none."""
    if not url.startswith(("http://", "https://")):
        raise TroubleError(Exit.USAGE, f"MOORAGE_URL: {url!r} is not an address: say https://…")
    return url


def _token(environ: Mapping[str, str]) -> str | None:
    """Raises TroubleError: it cannot be one."""
    token = environ.get("MOORAGE_TOKEN", "").strip()
    if not (token.isascii() and token.isprintable()):
        raise TroubleError(
            Exit.USAGE, "MOORAGE_TOKEN is not a token: it has spaces in it, or letters that no token has"
        )
    return token or None


@asynccontextmanager
async def _by_kubeconfig(where: Where, environ: Mapping[str, str]) -> AsyncIterator[Register]:
    from moorage_cli.people.cluster import ClusterRegister  # noqa: PLC0415 — the other way does not need it

    async with cluster(where, environ) as (store, namespace):
        yield ClusterRegister(store, namespace)


@asynccontextmanager
async def cluster(
    where: Where, environ: Mapping[str, str] = os.environ, *, importing: bool = False
) -> AsyncIterator[tuple[ResourceStore, str]]:
    """The cluster of the kubeconfig as the user sees it, and the Namespace of the workspace.

    Args:
        where: what was said about the place.
        environ: of the process.
        importing: for an import, which reads more kinds and writes many records.

    Raises:
        TroubleError: there is no usable kubeconfig.
    """
    from moorage_crds.kube.client import Client  # noqa: PLC0415 — half of what a read takes
    from moorage_crds.kube.paths import IMPORT_CALLS, PEOPLE_CALLS  # noqa: PLC0415
    from moorage_crds.kube.patience import Patience  # noqa: PLC0415
    from moorage_crds.kube.session import ClusterConfigError, connect  # noqa: PLC0415

    calls, limit = (IMPORT_CALLS, 32) if importing else (PEOPLE_CALLS, 4)
    path = _file(where, environ)
    try:
        async with (
            connect(path, context=where.context) as there,
            Client(
                there, calls=calls, field_manager="moorage-cli", limit=limit, patient=importing, warned=_warn
            ) as client,
        ):
            # An import has a patience of its own, which is longer.
            store = client.store if importing else client.store.with_patience(Patience(Busy("the cluster").sleep))
            yield store, where.namespace or there.namespace
    except ClusterConfigError as error:
        sentence = str(error).removeprefix("MOORAGE_KUBECONFIG: ")
        hint = "say --kubeconfig, or set MOORAGE_URL and MOORAGE_TOKEN"
        raise TroubleError(Exit.USAGE, f"{sentence}; {hint}") from error


def _warn(text: str) -> None:
    """As kubectl shows what the API server warns of."""
    sys.stderr.write(f"Warning: {text}\n")


def _file(where: Where, environ: Mapping[str, str]) -> Path:
    """One file, or several as one path with the separator between them: the official loader merges them."""
    return where.kubeconfig or Path(environ.get("KUBECONFIG") or "~/.kube/config").expanduser()
