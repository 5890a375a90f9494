"""What was active at an earlier moment, out of the history that is kept. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from moorage_api import errors, schemas
from moorage_api.cache.history import Chain
from moorage_api.views import EnvironmentView
from moorage_crds import clock

#: Clocks of callers may be ahead of ours by so much.
_AHEAD = timedelta(seconds=5)


def active_at(
    environment: EnvironmentView,
    chains: Iterable[Chain],
    moment: datetime,
    *,
    now: datetime,
    retention: timedelta,
) -> dict[str, str]:
    """App id → release id at that moment, by app id.

    Args:
        environment: whose state is asked for.
        chains: the history that belongs to it.
        moment: of the state.
        now: the present moment.
        retention: the records of a removed binding are kept so long after its end.

    Raises:
        ApiError: 422, the moment is in the future, before the environment, or before what is kept.
    """
    if moment > now + _AHEAD:
        raise errors.invalid(["query", "at"], "must not be in the future", value=schemas.whole_second(moment))
    known = list(chains)
    first = _first_known(environment, known, now - retention)
    if moment < clock.from_rfc3339(first):
        raise errors.invalid(
            ["query", "at"],
            f"the state is known from {first} on: before that the environment did not exist or the history is not kept",
            value=schemas.whole_second(moment),
        )
    wanted = schemas.whole_second(moment)
    found = ((chain.app, _release_at(chain, wanted)) for chain in known)
    return {app: release for app, release in sorted(found, key=lambda pair: pair[0]) if release is not None}


def _first_known(environment: EnvironmentView, chains: list[Chain], kept_since: datetime) -> str:
    """The earliest moment of which everything is known."""
    bounds = [environment.created_at]
    if clock.from_rfc3339(environment.created_at) < kept_since:
        # A binding that ended before this may have left no trace.
        bounds.append(schemas.whole_second(kept_since))
    for chain in chains:
        oldest = chain.oldest_sequence()
        line = chain.get(oldest)
        if oldest > 1 and line is not None and line.at is not None:
            bounds.append(line.at)
    return max(bounds)


def _release_at(chain: Chain, moment: str) -> str | None:
    for line in chain.descending():
        if line.at is not None and line.at <= moment:
            return line.release
    return None
