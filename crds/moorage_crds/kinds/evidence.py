"""An Environment and its Approvals as gates: what is asked of a release, with the evidence about one app. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from moorage_crds.gates.approvals import ApprovalsGate, Approved, Approver, Rejection
from moorage_crds.gates.promotion import PromotionGate
from moorage_crds.gates.verdict import Gate
from moorage_crds.kinds.approval import Approval, Decision
from moorage_crds.kinds.protection import Promotion, Protection, Requirement, protection_of
from moorage_crds.moments import parse, to_moment

#: What is known by app, in the status of an Environment; in that of a binding the same is about its own app.
_PARTS: Final = ("proven", "known", "approved")


def gates_of(
    environment: str, protection: Protection, evidence: Mapping[str, Any], app: str, own: Mapping[str, Any] | None
) -> Iterator[Gate]:
    """The gates that an Environment itself is, for one app. Evidence of both places counts.

    Args:
        environment: slug.
        protection: what it asks for.
        evidence: its `status.gates`.
        app: whose evidence counts.
        own: `status.evidence` of the binding of the app there; None without a binding, or without evidence.
    """
    shared = {part: (evidence.get(part) or {}).get(app) for part in _PARTS}
    both = (own or {}, {**shared, "provenFor": evidence.get("provenFor")})
    known = frozenset(release for one in both for release in one.get("known") or ())
    if protection.promotion is not None:
        yield PromotionGate(
            environment=environment,
            origin=protection.promotion.origin,
            soak_text=written(protection.promotion.soak),
            healthy=protection.promotion.require is Requirement.HEALTHY,
            is_looked_at=any(_is_about(protection.promotion, one) for one in both),
            proven=_proven(protection.promotion, both),
            known=known,
            enforcement=protection.enforcement,
        )
    if protection.approvals is not None:
        yield ApprovalsGate(
            environment=environment,
            required=protection.approvals.required,
            approved=_approved_in(both),
            known=known,
            enforcement=protection.enforcement,
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """The place of a binding's next change, as Approvals count it.

    Attributes:
        sequence: number of its newest change; 0: there was none.
        changed_at: time of that change; None if it has none.
        around: the releases before and after that change.
    """

    sequence: int = 0
    changed_at: str | None = None
    around: Collection[str] = frozenset()


def is_bound(approval: Approval, turn: Turn) -> bool:
    """Whether the binding has not changed since the Approval was given.

    Of the second of the change itself it cannot be told what came first: an Approval of a release that the change is
    about was used by it, or was given before it.
    """
    if turn.changed_at is None:
        return turn.sequence == 0
    given, changed = parse(approval.created_at), parse(turn.changed_at)
    return given > changed or (given == changed and approval.release not in turn.around)


def ends_at(approval: Approval, valid_for: timedelta | None) -> datetime | None:
    """When a yes ends by itself; None: it does not."""
    if valid_for is None or approval.decision is not Decision.APPROVE:
        return None
    return parse(approval.created_at) + valid_for


def counts(approval: Approval, turn: Turn, valid_for: timedelta | None, moment: datetime) -> bool:
    """Whether it says anything about the next change: a no always does, a yes until it was used or has ended."""
    if approval.decision is Decision.REJECT:
        return True
    end = ends_at(approval, valid_for)
    is_over = end is not None and moment >= end
    return approval.by is not None and not approval.deleting and not is_over and is_bound(approval, turn)


def rejections_of(approvals: Iterable[Approval]) -> Iterator[Rejection]:
    """Those of the Approvals that say no."""
    return (
        Rejection(one.name, one.environment, one.app, one.release, one.by, one.comment)
        for one in approvals
        if one.decision is Decision.REJECT
    )


def _proven(promotion: Promotion, places: Iterable[Mapping[str, Any]]) -> dict[str, datetime]:
    """Evidence is about one promotion; of another one nothing is known yet."""
    earliest: dict[str, datetime] = {}
    for place in places:
        for one in (place.get("proven") or ()) if _is_about(promotion, place) else ():
            moment = to_moment(one.get("eligibleAt"))
            if moment is not None:
                earliest[one["release"]] = min(moment, earliest.get(one["release"], moment))
    return earliest


def _approved_in(places: Iterable[Mapping[str, Any]]) -> list[Approved]:
    """Of each release and number the first that is found: people must not count twice."""
    found: dict[tuple[str, int], Approved] = {}
    for place in places:
        for raw in place.get("approved") or ():
            one = _approved(raw)
            found.setdefault((one.release, one.sequence), one)
    return list(found.values())


def _is_about(promotion: Promotion, evidence: Mapping[str, Any]) -> bool:
    return protection_of({"promotion": evidence.get("provenFor")}).promotion == promotion


def written(soak: timedelta) -> str:
    """`1h30m`, as people and policies write it."""
    minutes, seconds = divmod(int(soak.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = "".join(f"{number}{unit}" for number, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if number)
    return parts or "0s"


def _approved(raw: Mapping[str, Any]) -> Approved:
    by = tuple(Approver(one["user"], parse(one["until"]) if one.get("until") else None) for one in raw["by"])
    return Approved(raw["release"], raw["sequence"], by)
