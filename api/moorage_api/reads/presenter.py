"""Environments as they are answered, with their tags: made from the cache, kept until something in them changes."""

from dataclasses import dataclass

import orjson

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.views import EnvironmentView, LockView
from moorage_api.reads import etag, translate
from moorage_api.reads.schedules import Schedules
from moorage_api.reads.sight import Sight
from moorage_crds.gates.engine import Schedule
from moorage_crds.kinds.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Presented:
    """The JSON of an environment and its tag; `state` is all that it was made of."""

    state: tuple[str, str, str, str, int, Schedule | None]
    body: bytes
    tag: str


class Presenter:
    """Presents environments of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.schedules = Schedules(catalog)
        self._kept: dict[tuple[str, Sight], Presented] = {}

    def present(self, workspace: Workspace, view: EnvironmentView, sight: Sight) -> Presented:
        """The environment as it is now, to somebody. The tag depends on what is shown: it tells nothing else."""
        catalog = self.catalog
        lock = catalog.lock_of(view)
        # A part that is not shown is neither computed nor part of the tag.
        schedule = self.schedules.of(workspace, view, lock) if sight.gates else None
        state = (
            workspace.org,
            workspace.workspace,
            view.resource_version,
            lock.resource_version if lock is not None else "",
            catalog.history.revision(view.namespace, view.name),
            schedule,
        )
        key = (view.uid, sight)
        kept = self._kept.get(key)
        if kept is not None and kept.state == state:
            return kept
        body = self.body(workspace, view, sight, lock=lock)
        presented = Presented(state, body, etag.of(view, body))
        if len(self._kept) > 2 * len(catalog.environments) + 100:
            # Removed environments leave their answers behind; what is still asked for is made again.
            self._kept.clear()
        self._kept[key] = presented
        return presented

    def body(self, workspace: Workspace, view: EnvironmentView, sight: Sight, *, lock: LockView | None) -> bytes:
        """The JSON of an environment in a given state, with the releases that are active now."""
        bindings = list(self.catalog.bindings_of(view))
        active, rollouts = translate.active_releases(bindings), translate.rollouts(bindings)
        schedule = self.schedules.of(workspace, view, lock)
        within = translate.Within(active, lock, schedule, rollouts)
        return orjson.dumps(translate.environment(workspace, view, within, sight=sight))

    def tag(self, workspace: Workspace, view: EnvironmentView, sight: Sight) -> str:
        """The present tag of an environment."""
        return self.present(workspace, view, sight).tag
