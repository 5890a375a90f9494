"""Which records may go? Pure; called by the sweep for a first look and by the retention loop before it acts.

The newest records of a chain always stay, and everything young up to a maximum; so what may go is always its oldest
part. The maximum keeps one binding that changes all the time from filling the store for everybody. The line that made
the present release active is the newest of its chain, because every change changes the release: it never goes while the
Deployment lives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from moorage_operator.facts import KeptRecord


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """How much history is kept.

    Attributes:
        records: how many of the newest records of each chain always stay.
        age: everything younger stays.
        most: beyond this number the oldest records of a chain go, even if they are young; never less than `records`.
    """

    records: int
    age: timedelta
    most: int


def removable(records: Sequence[KeptRecord], rule: RetentionRule, *, now: datetime) -> tuple[int, ...]:
    """The sequences that may go from the chain of a Deployment that lives, oldest first.

    Args:
        records: all records of the chain, oldest first.
        rule: what is kept.
        now: the present moment.
    """
    old = records[: max(0, len(records) - rule.records)]
    surplus = len(records) - rule.most
    limit = now - rule.age
    going: list[int] = []
    for number, record in enumerate(old):
        if number >= surplus and record.created_at > limit:
            break
        going.append(record.sequence)
    return tuple(going)


def removable_after_end(records: Sequence[KeptRecord], rule: RetentionRule, *, now: datetime) -> tuple[int, ...]:
    """All sequences of a chain whose Deployment is gone, once its end is old enough; else none."""
    if not records or records[-1].created_at > now - rule.age:
        return ()
    return tuple(record.sequence for record in records)


def below(records: Sequence[KeptRecord], floor: int) -> tuple[int, ...]:
    """Sequences that an interrupted removal left below the floor of their chain."""
    return tuple(record.sequence for record in records if record.sequence < floor)
