"""Whether an operator works, by the Lease that the acting one renews every two seconds.

Where none works, changes are accepted and wait in their objects, and only the first of them would show it. The Lease
shows it before. Its age is measured with our own monotonic clock from the moment at which we saw it change, so clocks
of other machines need not agree. Where it cannot be read, or is not there because operators run without one, nothing is
known, and nothing is said.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from moorage_crds.clock import Clock
from moorage_crds.moments import to_moment, to_text
from moorage_crds.objects import RawObject, mapping, version_of
from moorage_crds.store import StoreError

#: Seconds between two looks at the Lease.
LOOK_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class Recording:
    """Looks at the Lease, and says since when nobody renews it.

    Args:
        read: the Lease; raises StoreError where it cannot be read.
        clock: measures how long it has not changed.
        limit: seconds without a renewal after which no operator works.
    """

    def __init__(self, read: Callable[[], Awaitable[RawObject]], clock: Clock, limit: float) -> None:
        self._read = read
        self._now: Callable[[], float] = clock.monotonic
        self._limit = limit
        self._version = ""
        self._seen_at = 0.0
        self._readable = True
        self._stopped_at: str | None = None

    def stopped_at(self) -> str | None:
        """When an operator renewed the Lease last, RFC 3339; None: one still does, or it is not known."""
        return self._stopped_at

    async def run(self) -> None:
        """Look again and again, for as long as the process runs."""
        while True:
            await self.look()
            await asyncio.sleep(min(LOOK_SECONDS, self._limit / 2))

    async def look(self) -> None:
        """Look once."""
        try:
            lease = await self._read()
        except StoreError as error:
            if self._readable:
                _log.warning("whether an operator works is not known", extra={"fields": {"error": str(error)}})
            # Renewals may have been missed meanwhile: the time without one begins again.
            self._readable, self._version, self._stopped_at = False, "", None
            return
        self._readable = True
        self._note(version_of(lease), _renewed_at(lease))

    def _note(self, version: str, renewed_at: str | None) -> None:
        now = self._now()
        if version != self._version:
            if self._stopped_at is not None:
                _log.info("an operator works again")
            self._version, self._seen_at, self._stopped_at = version, now, None
        elif self._stopped_at is None and renewed_at is not None and now - self._seen_at > self._limit:
            self._stopped_at = renewed_at
            _log.warning("no operator works, changes wait to be recorded", extra={"fields": {"since": renewed_at}})


def _renewed_at(lease: RawObject) -> str | None:
    """The last renewal by the clock of its operator, to the second; None: there was none, or it cannot be read."""
    spec: Any = mapping(lease.get("spec"))
    moment = to_moment(spec.get("renewTime"))
    return None if moment is None else to_text(moment)
