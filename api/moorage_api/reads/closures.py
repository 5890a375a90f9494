"""Which Freezes are closed in an environment now, and when each opens: out of the cache."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from moorage_crds.gates.freezes import Freeze
from moorage_crds.moments import to_text

#: That a Freeze opens at no moment in sight is believed for so long.
NEVER: Final = timedelta(hours=1)
#: Freezes of which the last look is kept in mind.
MAX_KEPT: Final = 10_000


@dataclass(slots=True)
class _Look:
    """What a look at a Freeze has found; it holds the Freeze, so that no other one gets its place in memory."""

    freeze: Freeze
    now: datetime
    shown: dict[str, Any] | None
    opens_until: datetime
    opens_at: datetime | None


class Closures:
    """What is closed. Each Freeze is looked at once for all environments, and its opening kept until it comes."""

    def __init__(self) -> None:
        #: id of the Freeze → the last look; to compare Freezes by what they say takes longer than to look
        self._kept: dict[int, _Look] = {}

    def of(self, environment: str, freezes: Iterable[Freeze], now: datetime) -> list[dict[str, Any]]:
        """The Freezes that are about the environment and closed now, as REST shows them."""
        return [
            shown
            for one in freezes
            if (one.environments is None or environment in one.environments)
            and (shown := self._look(one, now).shown) is not None
        ]

    def _look(self, freeze: Freeze, now: datetime) -> _Look:
        known = self._kept.get(id(freeze))
        if known is None:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            known = self._kept[id(freeze)] = _Look(freeze, now, None, now, None)
        elif known.now == now:
            return known
        known.now = now
        known.shown = self._shown(known) if freeze.calendar.is_closed(now) else None
        return known

    @staticmethod
    def _shown(known: _Look) -> dict[str, Any]:
        freeze = known.freeze
        if known.opens_until <= known.now:
            known.opens_at = freeze.calendar.next(known.now, closed=False)
            known.opens_until = known.opens_at if known.opens_at is not None else known.now + NEVER
        return {
            "gate": freeze.gate,
            "reason": freeze.reason,
            "apps": sorted(freeze.apps) if freeze.apps is not None else None,
            "enforcement": freeze.enforcement.value,
            "allow_rollback": freeze.allow_rollback,
            "opens_at": to_text(known.opens_at) if known.opens_at is not None else None,
        }
