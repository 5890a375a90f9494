"""When was a change made? The one rule for the times of changes, asked by the recorder and by the facade alike. Pure.

A change carries a stamp: the time that the API server found in `managedFields` when it took the change. Policies see to
it that a client cannot bring one along, but a policy may be missing, older, or wrong. So a stamp counts only within
bounds that no client can set: the creation of the Deployment, the change before it in the chain, the moment at which
this process saw the change first, and the last list that did not have it yet. Outside them, and without a stamp, the
moment at which the change was seen is its time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from moorage_crds.moments import to_moment, to_text

#: A stamp may be this far before the creation of its Deployment, and this far after it was seen. The stamp is cut to
#: the second and taken before the creation time is; otherwise only the clocks of two machines differ. What is allowed
#: here is what a forged time could win, so it is as little as clocks that NTP keeps can do with.
MAX_SKEW: Final = timedelta(seconds=2)
#: A stamp may be this far before a list that did not have its change. More than `MAX_SKEW`, because the list itself is
#: minutes old: a few seconds more win a forger nothing, and clocks that are apart cost no honest change its time.
MAX_BEHIND: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is known of the time of a change apart from its stamp; no client can set any of it. All RFC 3339.

    Attributes:
        created_at: `creationTimestamp` of its Deployment; None if that is not known (any more).
        after: the time of the change before it in the chain; None if there is none, or it is not known.
        seen_at: when this process saw the change first.
        absent_at: the last time this process knew that the change had not been made: the beginning of a consistent
            list without it, not the state of a watch, which can lag without anybody noticing. None before the first
            such list, so that what was made while nobody watched keeps its own time.
    """

    created_at: str | None
    after: str | None
    seen_at: str
    absent_at: str | None = None


def believed(stamp: str | None, bounds: Bounds) -> datetime | None:
    """The moment of a stamp; None if there is none, or if it lies where no honest one can."""
    moment = to_moment(stamp)
    if moment is None or moment - _moment(bounds.seen_at) > MAX_SKEW:
        return None
    created_at, absent_at = to_moment(bounds.created_at), to_moment(bounds.absent_at)
    if created_at is not None and created_at - moment > MAX_SKEW:
        return None
    if absent_at is not None and absent_at - moment > MAX_BEHIND:
        return None
    return moment


def time_of(stamps: Sequence[str | None], bounds: Bounds) -> str:
    """The time of a change, such that times along a chain never go back.

    Args:
        stamps: that of the change, then the known ones of the changes after it. A change without a believed stamp was
            made before the next change whose stamp is.
        bounds: of the change.

    Raises:
        ValueError: `bounds.seen_at` is not a time, or there is no stamp at all (not even None).
    """
    own, *later = (believed(stamp, bounds) for stamp in stamps)
    if own is not None:
        chosen = own
    else:
        following = [moment for moment in later if moment is not None]
        chosen = max([min([_moment(bounds.seen_at), *following[:1]]), *_known(bounds.created_at)])
    return to_text(max([chosen, *_known(bounds.after)]))


def agrees(theirs: str | None, stamps: Sequence[str | None], bounds: Bounds) -> bool:
    """Whether an honest process with other sightings may have given that time to the change.

    All processes share the stamp, the creation and the change before. They differ in their clocks, in when they saw the
    change, and in whether a list of theirs shows that a stamp is too old. So a stamp that is not believed here may have
    any time within the bounds that all share. One that is believed may have been from the future for a clock that is
    behind (then their time is earlier), or too old for a process that had looked (then it is later by more than
    `MAX_BEHIND`, or that of a later change).
    """
    moment = to_moment(theirs)
    created_at, after = _known(bounds.created_at), _known(bounds.after)
    if moment is None or any(one - moment > MAX_SKEW for one in created_at) or any(one > moment for one in after):
        return False
    own = believed(stamps[0], bounds)
    if own is None or moment <= max([own, *created_at, *after]) or moment - own > MAX_BEHIND:
        return True
    return any(moment == to_moment(stamp) for stamp in stamps[1:])


def _known(text: str | None) -> list[datetime]:
    moment = to_moment(text)
    return [] if moment is None else [moment]


def _moment(text: str) -> datetime:
    moment = to_moment(text)
    if moment is None:
        message = f"{text!r} is not a time"
        raise ValueError(message)
    return moment
