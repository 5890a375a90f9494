"""Compares a full list with memory: per chain a summary that fits in a few words, then findings. Pure.

Called by the sweep. Records come in the order of their names, which is chain by chain and sequence by sequence, so one
summary at a time is enough and memory does not grow with the history.
"""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice

from moorage_crds.kinds.deployment import Action
from moorage_operator.facts import Finding, KeptRecord, Progress
from moorage_operator.retention.decisions import RetentionRule

#: Missing numbers of one chain that are named in one sweep; more come in the next.
MAX_MISSING = 64


@dataclass(slots=True)
class ChainSummary:
    """The records of one chain, as they pass by."""

    namespace: str
    uid: str
    count: int = 0
    oldest: int = 0
    newest: int = 0
    newest_action: str = ""
    newest_created_at: datetime | None = None
    expired: int = 0
    missing: list[int] = field(default_factory=list)

    def add(self, record: KeptRecord, action: str, *, limit: datetime) -> None:
        """Take in the next record of the chain.

        Args:
            record: its number and time.
            action: value of its label.
            limit: what is not younger than this has had its time.
        """
        if self.count == 0:
            self.oldest = record.sequence
        else:
            gap = range(self.newest + 1, record.sequence)
            self.missing.extend(gap[: MAX_MISSING - len(self.missing)])
        self.count += 1
        self.expired += record.created_at <= limit
        self.newest, self.newest_action, self.newest_created_at = record.sequence, action, record.created_at


def findings_alive(summary: ChainSummary, *, listed: int, progress: Progress, rule: RetentionRule) -> list[Finding]:
    """What is to be done about a chain whose Deployment lives.

    Args:
        summary: its records, from a list made after `listed` was read.
        listed: what the status counted as recorded when Deployments were listed, before the records were.
        progress: what is known now.
        rule: how much history is kept.
    """
    found: list[Finding] = []
    if missing_sequences(summary, listed=listed, floor=progress.floor_sequence):
        found.append(Finding.MISSING_RECORD)
    if summary.newest > progress.sequence:
        found.append(Finding.STATUS_BEHIND)
    if summary.count and summary.oldest < progress.floor_sequence:
        found.append(Finding.LEFTOVER)
    if min(summary.expired, summary.count - rule.records) > 0 or summary.count > rule.most:
        found.append(Finding.RETENTION)
    return found


def missing_sequences(summary: ChainSummary, *, listed: int, floor: int) -> tuple[int, ...]:
    """Numbers that should have a record and have none, oldest first, at most `MAX_MISSING`."""
    first = summary.oldest if summary.count else listed + 1
    before = range(floor, min(first, listed + 1))
    after = range(max(summary.newest + 1, floor), listed + 1) if summary.count else range(0)
    inside = [sequence for sequence in summary.missing if floor <= sequence]
    # Never as a whole: a status that somebody spoiled can count to any number.
    return tuple(islice(chain(before, inside, after), MAX_MISSING))


def findings_gone(summary: ChainSummary, *, limit: datetime, ended: bool = False) -> list[Finding]:
    """What is to be done about a chain whose Deployment is gone.

    Args:
        summary: its records, as a list without their content shows them.
        limit: what is not younger than this has had its time.
        ended: its newest record is known to leave no release, although it is not an undeploy (the release was taken out
            while no policy watched).
    """
    if summary.newest_action != Action.UNDEPLOY and not ended:
        return [Finding.UNENDED_CHAIN]
    if summary.newest_created_at is not None and summary.newest_created_at <= limit:
        return [Finding.RETENTION]
    return []
