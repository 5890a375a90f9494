"""Which Freezes are closed in an environment now, and when each opens: out of the cache."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from moorage_crds.gates.freezes import Freeze
from moorage_crds.moments import to_text

#: That a Freeze opens at no moment in sight is believed for so long.
NEVER: Final = timedelta(hours=1)
#: Freezes whose next opening is kept in mind.
MAX_KEPT: Final = 1_000


class Closures:
    """What is closed, with the openings kept until they come: to work one out can take a walk over a year."""

    def __init__(self) -> None:
        #: Freeze → until when the answer holds, and the answer
        self._kept: dict[Freeze, tuple[datetime, datetime | None]] = {}

    def of(self, environment: str, freezes: Iterable[Freeze], now: datetime) -> list[dict[str, Any]]:
        """The Freezes that are about the environment and closed now, as REST shows them."""
        return [
            {
                "gate": one.gate,
                "reason": one.reason,
                "apps": sorted(one.apps) if one.apps is not None else None,
                "enforcement": one.enforcement.value,
                "allow_rollback": one.allow_rollback,
                "opens_at": to_text(moment) if (moment := self._opens_at(one, now)) is not None else None,
            }
            for one in freezes
            if (one.environments is None or environment in one.environments) and one.calendar.is_closed(now)
        ]

    def _opens_at(self, freeze: Freeze, now: datetime) -> datetime | None:
        until, moment = self._kept.get(freeze, (now, None))
        if until > now:
            return moment
        moment = freeze.calendar.next(now, closed=False)
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[freeze] = (moment if moment is not None else now + NEVER, moment)
        return moment
