"""Whether environments are closed, and when that changes: worked out once, kept until that moment or another gate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.views import EnvironmentView, LockView
from moorage_api.reads import gates
from moorage_crds.gates import engine
from moorage_crds.gates.engine import Schedule
from moorage_crds.gates.verdict import Gate
from moorage_crds.kinds.workspace import Workspace

#: Where no change is in sight it is looked for again after so long: what is in sight moves on.
_KEPT: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Kept:
    gates: Sequence[Gate]
    schedule: Schedule
    until: datetime


class Schedules:
    """Schedules of the environments of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._kept: dict[str, _Kept] = {}

    def of(self, workspace: Workspace, environment: EnvironmentView, lock: LockView | None) -> Schedule:
        """The schedule as of now, if that is its lock."""
        now = self._catalog.clock.now()
        standing = gates.clocks_of(self._catalog, workspace, lock)
        kept = self._kept.get(environment.uid)
        if kept is not None and now < kept.until and kept.gates == standing:
            return kept.schedule
        found = engine.schedule(standing, environment.name, now)
        until = found.next_open or found.next_close or now + _KEPT
        if len(self._kept) > 2 * len(self._catalog.environments) + 100:
            # Removed environments leave theirs behind; what is still asked for is worked out again.
            self._kept.clear()
        self._kept[environment.uid] = _Kept(standing, found, until)
        return found
