"""Environments as they are answered, with their tags: made from the cache, kept until something in them changes."""

from dataclasses import dataclass

import orjson

from moorage_api import translate
from moorage_api.cache.catalog import Catalog
from moorage_api.flows import etag
from moorage_api.views import EnvironmentView, LockView
from moorage_crds.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Presented:
    """The JSON of an environment and its tag; `state` is all that it was made of."""

    state: tuple[str, str, str, str, int]
    body: bytes
    tag: str


class Presenter:
    """Presents environments of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._kept: dict[str, Presented] = {}

    def present(self, workspace: Workspace, view: EnvironmentView) -> Presented:
        """The environment as it is now."""
        catalog = self._catalog
        lock = catalog.lock_of(view)
        state = (
            workspace.org,
            workspace.workspace,
            view.resource_version,
            lock.resource_version if lock is not None else "",
            catalog.history.revision(view.namespace, view.name),
        )
        kept = self._kept.get(view.uid)
        if kept is not None and kept.state == state:
            return kept
        body = self.body(workspace, view, lock=lock)
        presented = Presented(state, body, etag.of(view, body))
        if len(self._kept) > 2 * len(catalog.environments) + 100:
            # Removed environments leave their answers behind; what is still asked for is made again.
            self._kept.clear()
        self._kept[view.uid] = presented
        return presented

    def body(self, workspace: Workspace, view: EnvironmentView, *, lock: LockView | None) -> bytes:
        """The JSON of an environment in a given state, with the releases that are active now."""
        active = translate.active_releases(self._catalog.bindings_of(view))
        return orjson.dumps(translate.environment(workspace, view, active=active, lock=lock))

    def tag(self, workspace: Workspace, view: EnvironmentView) -> str:
        """The present tag of an environment."""
        return self.present(workspace, view).tag
