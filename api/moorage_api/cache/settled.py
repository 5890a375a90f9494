"""When was an Environment or a lock changed? Settled when the cache takes a view in: it needs the one before. Pure.

The stamp of the policy counts within bounds that no client can set (`moorage_crds.stamps`). Where it left none, the
moment at which this process first saw that generation is the time; of what was there before, the creation. So it is
always a time, and never goes back here.
"""

from dataclasses import replace
from datetime import datetime

from moorage_api.cache.views import EnvironmentView, LockView
from moorage_crds import stamps
from moorage_crds.moments import to_text
from moorage_crds.stamps import Bounds


def environment(old: EnvironmentView | None, new: EnvironmentView, now: datetime) -> EnvironmentView:
    """The view with its `updated_at`. `old`: the view of the same Environment before, if there was one."""
    if old is not None and (old.generation, old.stamp) == (new.generation, new.stamp):
        return replace(new, updated_at=old.updated_at)
    before = old.updated_at if old is not None else None
    return replace(new, updated_at=_time(new.stamp, new.created_at, before, now))


def lock(old: LockView | None, new: LockView, now: datetime) -> LockView:
    """The view with its `locked_at`. `old`: the view of the same lock before, if there was one."""
    if old is not None and (old.generation, old.stamp) == (new.generation, new.stamp):
        return replace(new, locked_at=old.locked_at)
    return replace(new, locked_at=_time(new.stamp, new.created_at, old.locked_at if old is not None else None, now))


def _time(stamp: str | None, created_at: str, before: str | None, now: datetime) -> str:
    bounds = Bounds(created_at, before, to_text(now))
    if before is None and stamps.believed(stamp, bounds) is None:
        return created_at
    return stamps.time_of([stamp], bounds)
