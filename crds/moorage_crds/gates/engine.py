"""The verdicts of all gates before an environment, and when they change. Pure.

The facade explains refusals with it and says beforehand what would be refused; the command and the page show the same.
The gates come in the order in which people should read them: lock, Freezes, ClusterFreezes, promotion, approvals.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from moorage_crds.gates.calendar import Calendar
from moorage_crds.gates.verdict import AskedChange, Enforcement, Gate, Verdict

#: Bounds of the search for the moment at which all gates let a change pass: how often gates are asked for a verdict,
#: and how often for their next turn.
#: Beyond that no moment is in sight: those who write Freezes could make every answer as dear as they like.
MOST_ASKED: Final = 5_000
MOST_TURNS: Final = 500


def verdicts(gates: Iterable[Gate], change: AskedChange, moment: datetime | None) -> tuple[Verdict, ...]:
    """The verdict of each gate that is about the change.

    Args:
        gates: those that stand before the environment.
        change: what is asked for. If the release stays what it is, every gate lets it pass.
        moment: when the write is accepted (aware); None: it leaves no time.
    """
    return tuple(_verdict(gate, change, moment) for gate in gates if gate.concerns(change))


def opens_at(gates: Iterable[Gate], change: AskedChange, moment: datetime) -> datetime | None:
    """The first moment from `moment` on at which the very same change would pass all of them.

    None if no calendar says one in sight (`calendar.HORIZON`), or if it needs somebody's doing: an approval, an unlock.
    """
    asked = [gate for gate in gates if gate.enforcement is Enforcement.DENY and gate.concerns(change)]
    return _first_open(asked, change, moment)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Whether an environment is closed for all apps, and when that changes.

    Attributes:
        reason: why it is closed, for people; empty while it is open.
        next_open: while it is closed: when it opens; None: nobody knows.
        next_close: while it is open: when it closes; None: no such moment is in sight.
    """

    closed: bool
    reason: str = ""
    next_open: datetime | None = None
    next_close: datetime | None = None


def schedule(gates: Iterable[Gate], environment: str, moment: datetime) -> Schedule:
    """The schedule of an environment by its lock and its Freezes.

    Freezes that only warn close nothing, and those that name apps do not close it for all.

    Args:
        gates: those that go by the clock.
        environment: slug.
        moment: the present one (aware).
    """
    change = AskedChange(environment)
    asked = [gate for gate in gates if gate.enforcement is Enforcement.DENY and gate.concerns(change)]
    refusal = next((found for gate in asked if (found := gate.refusal(change, moment)) is not None), None)
    if refusal is not None:
        return Schedule(closed=True, reason=refusal.message, next_open=_first_open(asked, change, moment))
    closing = (gate.turn(change, moment, refuses=True) for gate in asked)
    return Schedule(closed=False, next_close=min((one for one in closing if one is not None), default=None))


def schedule_of(calendar: Calendar, moment: datetime) -> Schedule:
    """The schedule of one calendar by itself, whatever it is about."""
    if calendar.is_closed(moment):
        return Schedule(closed=True, next_open=calendar.next(moment, closed=False))
    return Schedule(closed=False, next_close=calendar.next(moment, closed=True))


def _verdict(gate: Gate, change: AskedChange, moment: datetime | None) -> Verdict:
    refusal = gate.refusal(change, moment) if change.release != change.present else None
    overridden = refusal is not None and gate.can_be_overridden and gate.gate in change.override
    refused = refusal is not None and not overridden
    return Verdict(
        gate=gate.gate,
        allowed=not refused,
        enforcement=gate.enforcement,
        code=refusal.code if refusal is not None else None,
        message=refusal.message if refusal is not None else "",
        opens_at=_first_open([gate], change, moment) if refused and moment is not None else None,
        details=refusal.details if refusal is not None else {},
        override=gate.can_be_overridden,
        overridden=overridden,
    )


def _first_open(gates: Sequence[Gate], change: AskedChange, moment: datetime) -> datetime | None:
    """From the moment at which one that refuses opens to the next, until none refuses any more."""
    at, passing, turns = moment, 0, 0
    for number in range(MOST_ASKED):
        if passing == len(gates):
            return at
        gate = gates[number % len(gates)]
        if _passes(gate, change, at):
            passing += 1
            continue
        opens = gate.turn(change, at, refuses=False)
        turns += 1
        if opens is None or turns > MOST_TURNS:
            return None
        at, passing = opens, 1
    return None


def _passes(gate: Gate, change: AskedChange, moment: datetime) -> bool:
    if change.release == change.present or (gate.can_be_overridden and gate.gate in change.override):
        return True
    return gate.refusal(change, moment) is None
