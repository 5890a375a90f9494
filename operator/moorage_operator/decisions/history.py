"""Which records are due, and what does each say? Called by the recorder and by the sweep. Pure.

A record is made of its log entry alone, so that every replica makes the same one. Only two things are not in the log:
releases that no policy watched, and bare deletes; both are numbered after the log and the records, and whoever comes
second to such a number takes what is there and looks again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from moorage_crds.deployment import Action, Change, Deployment, deletion_change, due_changes
from moorage_crds.record import Binding, Record
from moorage_operator.decisions.facts import ChainFacts, Progress, Unstamped, to_moment, to_text

#: An entry may be this far in the future of our clock before we trust our own clock more.
MAX_AHEAD: Final = timedelta(seconds=2)


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
    """How far the history has been written, as far as the status of the Deployment tells."""
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
    )


def further(known: Progress, seen: Progress) -> Progress:
    """The progress that is further; what only one of them knows (floor, adoptions) is kept."""
    ahead = seen if (seen.sequence, seen.tip_hash is not None) > (known.sequence, known.tip_hash is not None) else known
    floor = seen if seen.floor_sequence > known.floor_sequence else known
    return replace(
        ahead,
        floor_sequence=floor.floor_sequence,
        floor_hash=floor.floor_hash or known.floor_hash or seen.floor_hash,
        last_adopted=max(known.last_adopted, seen.last_adopted),
    )


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


def timed(waiting: Sequence[Due], *, after: str | None, seen_at: str, now: datetime) -> Change:
    """The first of the due changes with its time, so that the order of times is the order of the chain.

    The entry's own time counts, unless it has none or lies in our future; then the moment at which it was seen,
    not before the change before it and not after the next entry that has a time.

    Args:
        waiting: the due changes, at least one.
        after: the time of the change before it, if known.
        seen_at: when it was seen first, if the change itself does not say so.
        now: our own clock.
    """
    first = waiting[0]
    chosen = _trusted(first.change.at, now)
    if chosen is None:
        chosen = first.seen_at or seen_at
        later = [text for one in waiting[1:] if (text := _trusted(one.change.at, now))]
        chosen = min([chosen, *later[:1]], key=_moment)
    if after is not None and _moment(after) > _moment(chosen):
        chosen = after
    return replace(first.change, at=chosen)


def _trusted(at: str | None, now: datetime) -> str | None:
    moment = to_moment(at)
    return at if moment is not None and moment <= now + MAX_AHEAD else None


def _moment(text: str) -> datetime:
    moment = to_moment(text)
    if moment is None:
        message = f"{text!r} is no time"
        raise ValueError(message)
    return moment


def difference(stored: Record, wanted: Change, *, entry: Due, previous_hash: str | None) -> str | None:
    """Why the record that is there is not the record of this change; None if it is.

    Its time may differ where the entry has none, and be earlier where the clock of its writer was behind the entry.

    Args:
        stored: the record under the name that we wanted.
        wanted: our change, with the time that we would have written.
        entry: where `wanted` comes from.
        previous_hash: hash of the record before it; None if not known.
    """
    theirs, ours = stored.change, wanted
    if replace(theirs, at=None) != replace(ours, at=None):
        fields = [name for name in Change.__slots__ if name != "at" and getattr(theirs, name) != getattr(ours, name)]
        return f"differs in {', '.join(fields)}"
    if previous_hash is not None and stored.previous_hash != previous_hash:
        return "does not follow the record before it"
    if entry.change.at is not None and _moment(theirs.at or "") > _moment(ours.at or ""):
        return "has a later time than its log entry"
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
    return timed([Due(change, stamped=False)], after=record.change.at, seen_at=to_text(at), now=at)
