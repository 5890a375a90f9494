"""The releases that were active at an earlier moment, from the history that is kept. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from moorage_api.cache.chains import ChainLines
from moorage_api.cache.line import Line
from moorage_api.cache.views import EnvironmentView
from moorage_api.contract import errors, schemas
from moorage_crds import moments

#: Clocks of callers may be ahead of ours by so much.
_AHEAD = timedelta(seconds=5)


def lines_at(
    environment: EnvironmentView,
    chains: Iterable[ChainLines],
    moment: datetime,
    *,
    now: datetime,
    retention: timedelta,
    field: str = "at",
) -> dict[str, Line]:
    """App id → the line that says what was active at that moment, by app id; without apps that had no release.

    Args:
        environment: whose state is asked for.
        chains: the history that belongs to it.
        moment: of the state.
        now: the present moment.
        retention: the records of a removed binding are kept so long after its end.
        field: the query parameter that named the moment.

    Raises:
        ApiError: 422, the moment is in the future, before the environment, or before what is kept.
    """
    require_past(moment, now, field)
    known = list(chains)
    first = _first_known(environment, known, now - retention)
    if moment < moments.parse(first):
        raise errors.invalid(
            ["query", field],
            f"the state is known from {first} on: before that the environment did not exist or the history is not kept",
            value=schemas.whole_second(moment),
        )
    wanted = schemas.whole_second(moment)
    found = [line for chain in known if (line := chain.at(wanted)) is not None and line.release is not None]
    # An app whose binding was deleted and created again has several chains: the newest line counts.
    return {line.app: line for line in sorted(found, key=lambda line: (line.app, line.key))}


def require_past(moment: datetime, now: datetime, field: str = "at") -> None:
    """Raises ApiError 422 for a moment in the future. `field`: the query parameter that named it."""
    if moment > now + _AHEAD:
        message = f"{field} must not be in the future"
        raise errors.invalid(["query", field], message, value=schemas.whole_second(moment))


def active_at(
    environment: EnvironmentView,
    chains: Iterable[ChainLines],
    moment: datetime,
    *,
    now: datetime,
    retention: timedelta,
) -> dict[str, str]:
    """App id → release id at that moment, by app id. Raises ApiError as `lines_at` does."""
    lines = lines_at(environment, chains, moment, now=now, retention=retention)
    return {app: line.release or "" for app, line in lines.items()}


def _first_known(environment: EnvironmentView, chains: list[ChainLines], kept_since: datetime) -> str:
    """The earliest moment of which everything is known."""
    bounds = [environment.created_at]
    if moments.parse(environment.created_at) < kept_since:
        # A binding that ended before this may have left no trace.
        bounds.append(schemas.whole_second(kept_since))
    for chain in chains:
        oldest = chain.oldest_sequence()
        line = chain.get(oldest)
        if oldest > 1 and line is not None:
            bounds.append(line.moment)
    return max(bounds)
