"""Decides which records are due, and their content. Called by the recorder and by the sweep. Pure.

A record is made from its log entry alone, so every replica makes the same one. Only two things are not in the log:
releases that no policy watched, and bare deletes. Both get the numbers after the log and the records; a replica that
finds such a number taken keeps the record that is there and decides again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from moorage_crds.kinds.deployment import Action, Change, Deployment, deletion_change, due_changes
from moorage_crds.kinds.record import Binding, Record
from moorage_crds.moments import to_text
from moorage_crds.stamps import Bounds, agrees, time_of
from moorage_operator.facts import ChainFacts, Progress, Unstamped


@dataclass(frozen=True, slots=True)
class Due:
    """A change that has no record yet.

    Attributes:
        stamped: the change stands in the log; else it was derived from what was seen.
        seen_at: when it was seen, RFC 3339, if that is part of how it was derived.
    """

    change: Change
    stamped: bool
    seen_at: str | None = None


def binding_of(deployment: Deployment) -> Binding:
    """The part of a Deployment that never changes."""
    return Binding(
        namespace=deployment.namespace,
        name=deployment.name,
        uid=deployment.uid,
        environment=deployment.environment,
        app=deployment.app,
    )


def progress_of(deployment: Deployment) -> Progress:
    """How far the history has been written, according to the status of the Deployment."""
    history: Mapping[str, Any] = deployment.status.get("history") or {}
    return Progress(
        sequence=deployment.recorded,
        release=deployment.recorded_release,
        tip_hash=history.get("tipHash") or None,
        last=_last_change(deployment.status.get("lastChange") or {}, deployment.recorded),
        floor_sequence=history.get("floorSequence") or 1,
        floor_hash=history.get("floorHash") or None,
        last_adopted=history.get("lastAdopted") or 0,
    )


def _last_change(last: Mapping[str, Any], recorded: int) -> Change | None:
    if not last or last.get("sequence") != recorded:
        return None
    return Change(
        sequence=recorded,
        action=Action(last["action"]),
        previous=last.get("previousRelease"),
        release=last.get("release"),
        by=last.get("by"),
        at=last.get("at"),
        reason=last.get("reason"),
        override=tuple(last.get("override") or ()),
    )


def further(known: Progress, seen: Progress) -> Progress:
    """The progress that is further; what only one of them knows (floor, adoptions) is kept."""
    ahead = seen if _how_far(seen) > _how_far(known) else known
    floor = seen if seen.floor_sequence > known.floor_sequence else known
    return replace(
        ahead,
        floor_sequence=floor.floor_sequence,
        floor_hash=floor.floor_hash or known.floor_hash or seen.floor_hash,
        last_adopted=max(known.last_adopted, seen.last_adopted),
    )


def _how_far(progress: Progress) -> tuple[int, bool, bool]:
    """Of two that are equally far, the one that knows the newest record is further."""
    return (progress.sequence, progress.tip_hash is not None, progress.last is not None)


def advanced(progress: Progress, change: Change, record_hash: str) -> Progress:
    """The progress after the record of `change` has been written (or found)."""
    return replace(
        progress,
        sequence=change.sequence,
        release=change.release,
        tip_hash=record_hash,
        last=change,
        last_adopted=change.sequence if change.action is Action.ADOPT else progress.last_adopted,
    )


def due(facts: ChainFacts) -> tuple[Due, ...]:
    """All changes without a record, oldest first: log entries, then what no policy watched, then the delete."""
    deployment, progress = facts.deployment, facts.progress
    stamped, known = _stamped(deployment, progress)
    changes = [Due(entry, stamped=True) for entry in stamped]
    for one in _still_unstamped(facts):
        adopted = Change(sequence=one.sequence, action=Action.ADOPT, previous=known, release=one.release)
        changes.append(Due(adopted, stamped=False, seen_at=one.seen_at))
        known = one.release
    if facts.deleted_at is not None:
        last = changes[-1].change.sequence if changes else max(deployment.logged, progress.sequence)
        gone = deletion_change(last_sequence=last, release=known)
        if gone is not None:
            changes.append(Due(gone, stamped=False, seen_at=facts.deleted_at))
    return tuple(changes)


def with_unstamped(facts: ChainFacts, seen_at: str) -> tuple[Unstamped, ...]:
    """The unstamped releases after the Deployment of `facts` has been seen: none of them is lost to a later one."""
    waiting = _still_unstamped(facts)
    _, known = _stamped(facts.deployment, facts.progress)
    tail = waiting[-1].release if waiting else known
    if facts.deployment.release == tail:
        return waiting
    last = waiting[-1].sequence if waiting else max(facts.deployment.logged, facts.progress.sequence)
    return (*waiting, Unstamped(last + 1, facts.deployment.release, seen_at))


def _still_unstamped(facts: ChainFacts) -> tuple[Unstamped, ...]:
    """Without what records have taken in; once the log has come to such a number, it speaks for all of them."""
    if facts.unstamped and facts.deployment.logged >= facts.unstamped[0].sequence:
        return ()
    return tuple(one for one in facts.unstamped if one.sequence > facts.progress.sequence)


def _stamped(deployment: Deployment, progress: Progress) -> tuple[tuple[Change, ...], str | None]:
    """The log entries that are due, and the release that log and records know of."""
    found = due_changes(deployment, recorded=progress.sequence, recorded_release=progress.release)
    stamped = tuple(change for change in found if change.sequence <= deployment.logged)
    if len(found) > len(stamped):
        return stamped, found[-1].previous
    return stamped, deployment.release


def timed(waiting: Sequence[Due], bounds: Bounds) -> Change:
    """The first of the due changes with its time.

    Args:
        waiting: the due changes, at least one.
        bounds: of the first; one that says itself when it was seen was seen then.
    """
    first = waiting[0]
    if first.seen_at is not None:
        bounds = replace(bounds, seen_at=first.seen_at)
    return replace(first.change, at=time_of(_stamps(waiting), bounds))


def _stamps(waiting: Sequence[Due]) -> list[str | None]:
    return [one.change.at for one in waiting]


def difference(
    stored: Record, wanted: Change, *, waiting: Sequence[Due], bounds: Bounds, previous_hash: str | None
) -> str | None:
    """Why the record that is there is not the record of this change; None if it is.

    Its time may differ within the bounds in which honest replicas differ (`stamps.agrees`).

    Args:
        stored: the record under the name that we wanted.
        wanted: our change, with the time that we would have written.
        waiting: where `wanted` comes from, and what is due after it.
        bounds: of the time of `wanted`.
        previous_hash: hash of the record before it; None if not known.
    """
    theirs, ours = stored.change, wanted
    if replace(theirs, at=None) != replace(ours, at=None):
        fields = [name for name in Change.__slots__ if name != "at" and getattr(theirs, name) != getattr(ours, name)]
        return f"differs in {', '.join(fields)}"
    if previous_hash is not None and stored.previous_hash != previous_hash:
        return "does not follow the record before it"
    if not agrees(theirs.at, _stamps(waiting), bounds):
        return "has a time that its log entry cannot have"
    return None


def resumed(stored: Record, progress: Progress) -> Progress:
    """The progress after a record that somebody else made under a number that is not in the log."""
    return advanced(progress, stored.change, stored.hash)


def latest_time(progress: Progress) -> str | None:
    """The time of the newest recorded change."""
    return progress.last.at if progress.last else None


def ended(record: Record, *, at: datetime) -> Change | None:
    """The undeploy that ends the chain of a Deployment that is gone; None if nothing was deployed.

    Args:
        record: the newest record of the chain.
        at: when the absence was noticed.
    """
    change = deletion_change(last_sequence=record.change.sequence, release=record.change.release)
    if change is None:
        return None
    bounds = Bounds(created_at=None, after=record.change.at, seen_at=to_text(at))
    return timed([Due(change, stamped=False)], bounds)
