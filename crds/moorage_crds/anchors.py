"""Tips of chains that were kept elsewhere, and what of them retention may have removed since. Pure.

An anchor is forgiven by the time at which the API server stored its record, never by the time of the change: the first
is set by the API server alone, the second began as something that a client wrote with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from moorage_crds.kinds.deployment import Action
from moorage_crds.moments import to_moment
from moorage_crds.reading import sound


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of a chain, as it is kept elsewhere: an anchor.

    Attributes:
        at: the time of its change, for people.
        ended: no release is left after it (a file that does not say so yet has only the action to tell).
        created_at: `creationTimestamp` of its record; empty in files of versions that did not keep it.
    """

    namespace: str
    binding: str
    uid: str
    sequence: int
    hash: str
    action: str
    at: str
    ended: bool = False
    created_at: str = ""

    @property
    def is_end(self) -> bool:
        """Nothing is deployed after it, so retention may take the whole chain once it is old enough."""
        return self.ended or self.action == Action.UNDEPLOY


def to_tip(line: Mapping[str, Any]) -> Tip:
    """Read a line of an anchor file; what a later version adds to it is left alone.

    Raises:
        TypeError: it is not such a line.
    """
    known = {field.name for field in fields(Tip)}
    return sound(Tip(**{key: value for key, value in line.items() if key in known}))


@dataclass(frozen=True, slots=True)
class Removable:
    """Which records retention may have removed.

    Attributes:
        before: those that were made before this moment.
        newer: those with at least this many newer ones in their chain (`retention_max_records`).
    """

    before: datetime
    newer: int

    def has_had_its_time(self, tip: Tip) -> bool:
        """The record was made long enough ago. One that does not say when was not."""
        made = to_moment(tip.created_at)
        return made is not None and made < self.before

    def covers(self, tip: Tip, *, newest: int) -> bool:
        """Whether the record of a tip may be gone from a chain that reaches `newest`."""
        if tip.sequence > newest:
            return False
        return self.has_had_its_time(tip) or newest - tip.sequence >= self.newer
