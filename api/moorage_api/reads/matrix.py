"""All apps in all environments of a workspace in one answer: made from the cache, in pieces that are kept.

A piece is the cells of one environment. It is made again only when the history of that environment, or of the one
before it, has changed; what depends on the time stands outside of the pieces.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.views import EnvironmentView
from moorage_api.reads import translate
from moorage_api.reads.closures import Closures
from moorage_api.reads.distance import State, distance
from moorage_api.reads.gates import freezes_of
from moorage_crds import names
from moorage_crds.gates.freezes import Freeze
from moorage_crds.kinds.workspace import Workspace


@dataclass(frozen=True, slots=True)
class MatrixSight:
    """What of a matrix is shown.

    Attributes:
        cells: needs `list deployments`.
        distance: needs `list deploymentrecords`.
        lock: needs `get environmentlocks`.
        closed: needs `list freezes`.
    """

    cells: bool
    distance: bool
    lock: bool
    closed: bool

    @property
    def hidden(self) -> list[str]:
        """The fields that are not shown."""
        return [one.name for one in fields(self) if not getattr(self, one.name)]


@dataclass(frozen=True, slots=True)
class _Piece:
    """The cells of an environment as JSON, and their apps; `state` is all that they were made of."""

    state: tuple[str, int, int]
    body: bytes
    apps: tuple[str, ...]


class Matrix:
    """Presents the workspaces of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._closures = Closures()
        self._kept: dict[tuple[str, str | None, bool], _Piece] = {}

    def present(self, workspace: Workspace, sight: MatrixSight, order: Sequence[str], now: datetime) -> bytes:
        """The JSON of a whole matrix.

        Args:
            workspace: of which workspace.
            sight: what of it is shown.
            order: slugs in the order in which releases go through the environments; empty: as the environments say.
            now: the present moment.
        """
        views = list(self._catalog.environments_of(workspace.namespace))
        before = _before(views, order)
        freezes = list(freezes_of(self._catalog, workspace)) if sight.closed else []
        columns: list[bytes] = []
        apps: set[str] = set()
        for view in views:
            header = orjson.dumps(self.column(view, before.get(view.name), freezes, sight, now))
            cells = b"null"
            if sight.cells:
                piece = self._piece(view, before.get(view.name), with_distance=sight.distance)
                cells = piece.body
                apps.update(piece.apps)
            columns.append(header[:-1] + b',"cells":' + cells + b"}")
        head = orjson.dumps(
            {
                "org_id": workspace.org,
                "workspace_id": workspace.workspace,
                "apps": sorted(apps) if sight.cells else None,
                "hidden": sight.hidden,
            }
        )
        return head[:-1] + b',"environments":[' + b",".join(columns) + b"]}"

    def column(
        self, view: EnvironmentView, before: str | None, freezes: Iterable[Freeze], sight: MatrixSight, now: datetime
    ) -> dict[str, Any]:
        """An environment without its cells, as REST shows it."""
        lock = self._catalog.lock_of(view) if sight.lock else None
        return {
            "environment_id": view.uid,
            "slug": view.name,
            "name": view.display_name,
            "is_default": view.is_default,
            "deleting": view.deleting,
            "before": before,
            "lock": translate.lock_state(lock),
            "protection": translate.protection(view.protection),
            "closed": self._closures.of(view.name, freezes, now) if sight.closed else None,
        }

    def _piece(self, view: EnvironmentView, before: str | None, *, with_distance: bool) -> _Piece:
        revision, namespace = self._catalog.history.revision, view.namespace
        compared = before if with_distance else None
        state = (view.uid, revision(namespace, view.name), revision(namespace, compared) if compared else 0)
        key = (view.uid, compared, with_distance)
        kept = self._kept.get(key)
        if kept is not None and kept.state == state:
            return kept
        if len(self._kept) > 4 * len(self._catalog.environments) + 100:
            # Removed environments leave their pieces behind; what is still asked for is made again.
            self._kept.clear()
        here = states_now(self._catalog, view)
        other = self._catalog.environments.get(namespace, compared) if compared is not None else None
        there = states_now(self._catalog, other) if other is not None else None
        cells = {app: _cell(here.get(app), there, app) for app in sorted({*here, *(there or ())})}
        shown = {app: cell for app, cell in cells.items() if cell is not None}
        piece = self._kept[key] = _Piece(state, orjson.dumps(shown), tuple(shown))
        return piece


def states_now(catalog: Catalog, view: EnvironmentView) -> dict[str, State]:
    """App → what it is in that environment now, with apps that were taken out and not deployed again."""
    found: dict[str, State] = {}
    for chain in catalog.history.chains(view, catalog.birth(view)):
        line = chain.last() if chain.live is not None else None
        if line is not None:
            found[line.app] = State(line, chain)
    return found


def tag_of(body: bytes) -> str:
    """The ETag of an answer."""
    return f'"{blake2b(body, digest_size=16).hexdigest()}"'


def _before(views: Sequence[EnvironmentView], order: Sequence[str]) -> Mapping[str, str]:
    """Slug → slug of the environment from which releases come."""
    if order:
        return dict(zip(order[1:], order, strict=False))
    known = {view.name for view in views}
    return {view.name: view.comes_after for view in views if view.comes_after in known and view.comes_after}


def _cell(here: State | None, there: Mapping[str, State] | None, app: str) -> dict[str, Any] | None:
    """An app in an environment; None if it is not there and nothing is to be said about it."""
    far = distance(here, there.get(app)) if there is not None else None
    if here is None:
        return {**_NOTHING, "distance": far.body()} if far is not None else None
    line, live = here.line, here.chain.live
    rollout = translate.rollout(live) if live is not None and line.release is not None else None
    return {
        "release_id": line.release,
        "since": line.at,
        "by": line.by or names.UNKNOWN_USER,
        "deployment_id": names.record_name(line.uid, line.sequence),
        "action": line.action.value,
        "recorded": line.recorded,
        "phase": rollout["phase"] if rollout is not None else None,
        "distance": far.body() if far is not None else None,
    }


_NOTHING: Mapping[str, Any] = dict.fromkeys(
    ("release_id", "since", "by", "deployment_id", "action", "recorded", "phase", "distance")
)
