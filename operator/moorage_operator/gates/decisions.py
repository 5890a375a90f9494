"""Facts → `status.gates` of an Environment and `status.evidence` of a binding. Pure.

The first says when an Environment is closed. Both hold the evidence by which its policies decide: that about an app
stands with its binding, because a policy pays for all that the status of the Environment holds (ADR 0065).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from moorage_crds.gates.engine import Schedule
from moorage_crds.gates.lock import Lock
from moorage_crds.kinds.approval import Approval, Decision
from moorage_crds.kinds.evidence import Turn, counts, ends_at, is_bound
from moorage_crds.kinds.protection import (
    MAX_APPROVED,
    MAX_APPROVERS,
    MAX_APPS,
    MAX_KNOWN,
    MAX_PROVEN,
    MAX_REASON,
    Promotion,
    Protection,
    Requirement,
)
from moorage_crds.moments import parse, to_text
from moorage_operator.facts import Stay

#: The parts of `status.gates` that are evidence; what was written of them stays while nothing better is known.
EVIDENCE = ("provenFor", "proven", "known", "approved")
#: Of each part, as JSON: an object of etcd has 1.5 MB, and one that is too large could not be written at all.
MOST_BYTES: Final = {"known": 350_000, "proven": 700_000, "approved": 150_000}


@dataclass(frozen=True, slots=True)
class BindingNow(Turn):
    """How far a binding is.

    Attributes:
        healthy_since: since when its rollout is healthy; None: it is not, or nobody looks.
    """

    healthy_since: str | None = None


_NOTHING = BindingNow()


@dataclass(frozen=True, slots=True)
class GatesFacts:
    """Everything that the gates of an Environment are made of.

    Attributes:
        schedule: by its lock and its Freezes; None: there are none.
        stays: app → which releases were here, oldest first; None: not known yet.
        origin: the same for the environment that the promotion names.
        bindings: app → how far its binding is.
        origin_bindings: the same for the environment that the promotion names.
        stored: `status.gates` as it is stored.
        since: app → when it was here first.
        origin_since: the same for the environment that the promotion names.
        housed: the apps whose binding holds the evidence about them.
    """

    protection: Protection
    schedule: Schedule | None
    lock: Lock | None
    stays: Mapping[str, Sequence[Stay]] | None
    origin: Mapping[str, Sequence[Stay]] | None
    bindings: Mapping[str, BindingNow]
    origin_bindings: Mapping[str, BindingNow]
    approvals: Sequence[Approval]
    stored: Mapping[str, Any]
    since: Mapping[str, str] = field(default_factory=dict)
    origin_since: Mapping[str, str] = field(default_factory=dict)
    housed: frozenset[str] = frozenset()

    def rank(self, app: str) -> tuple[bool, str, str]:
        """Sort key of an app where the status has no room for all evidence: apps deployed here first, then the oldest.

        A user who may deploy can invent any number of apps; the apps that were there before keep their evidence.
        """
        first = min(filter(None, (self.since.get(app), self.origin_since.get(app))), default="~")
        return app not in self.since, first, app


@dataclass(frozen=True, slots=True)
class AppFacts:
    """Everything that the evidence about one app is made of, for the rules of one Environment.

    Attributes:
        stays: which releases of it were here, oldest first; None: not known yet.
        origin: the same for the environment that the promotion names.
        binding: how far its binding is.
        origin_healthy_since: since when its rollout there is healthy; None: it is not, or nobody looks.
        approvals: those of that Environment and app.
        stored: `status.evidence` as it is stored; None: there is none.
    """

    protection: Protection
    stays: Sequence[Stay] | None
    origin: Sequence[Stay] | None
    binding: BindingNow
    origin_healthy_since: str | None
    approvals: Sequence[Approval]
    stored: Mapping[str, Any] | None


def wanted_evidence(facts: AppFacts) -> dict[str, Any] | None:
    """The evidence that a binding should hold; None: nothing asks for any. While history is not known, it stays."""
    if not facts.protection.is_set:
        return None
    promotion, asked = facts.protection.promotion, facts.protection.approvals
    if facts.stays is None or (promotion is not None and facts.origin is None):
        return dict(facts.stored) if facts.stored is not None else None
    found: dict[str, Any] = {"known": known(facts.stays)}
    if promotion is not None:
        found |= {
            "provenFor": rule_of(promotion),
            "proven": _proven(promotion, facts.origin or (), facts.origin_healthy_since),
        }
    if asked is not None:
        given = approved(
            facts.approvals, {one.app: facts.binding for one in facts.approvals}, valid_for=asked.valid_for
        )
        found["approved"] = [one for _, those in given for one in those]
    return {key: value for key, value in found.items() if value}


def is_housed(stored: Mapping[str, Any] | None, protection: Protection) -> bool:
    """Whether a binding holds evidence for the present rules, so that the Environment need not."""
    if stored is None:
        return False
    promotion = protection.promotion
    return promotion is None or stored.get("provenFor") == rule_of(promotion)


def wanted_gates(facts: GatesFacts) -> dict[str, Any] | None:
    """The gates that an Environment should show; None if nothing stands before it."""
    if facts.schedule is None and not facts.protection.is_set:
        return None
    return _calendar(facts.schedule or Schedule(closed=False), facts.lock) | _evidence(facts)


def _calendar(schedule: Schedule, lock: Lock | None) -> dict[str, Any]:
    opens, closes = _text(schedule.next_open), _text(schedule.next_close)
    said = {
        "reason": schedule.reason[:MAX_REASON] or None,
        "lockedBy": (lock.locked_by or "unknown") if lock is not None and schedule.closed else None,
        "nextOpen": opens,
        "nextClose": closes,
        "next": f"opens {opens}" if opens else f"closes {closes}" if closes else None,
    }
    return {"closed": schedule.closed, **{key: value for key, value in said.items() if value is not None}}


def _evidence(facts: GatesFacts) -> dict[str, Any]:
    if not facts.protection.is_set:
        return {}
    promotion = facts.protection.promotion
    if facts.stays is None or (promotion is not None and facts.origin is None):
        return {key: facts.stored[key] for key in EVIDENCE if key in facts.stored}
    here, origin = facts.stays, facts.origin or {}
    found: dict[str, Any] = {"known": _bounded(facts, "known", here, lambda app: known(here[app]))}
    if promotion is not None:

        def of(app: str) -> list[dict[str, str]]:
            return _proven(promotion, origin[app], facts.origin_bindings.get(app, _NOTHING).healthy_since)

        found |= {"provenFor": rule_of(promotion), "proven": _bounded(facts, "proven", origin, of)}
    if facts.protection.approvals is not None:
        given = dict(approved(facts.approvals, facts.bindings, valid_for=facts.protection.approvals.valid_for))
        found["approved"] = _bounded(facts, "approved", given, given.__getitem__)
    return {key: value for key, value in found.items() if value}


def _bounded(facts: GatesFacts, part: str, apps: Iterable[str], of: Callable[[str], list[Any]]) -> dict[str, list[Any]]:
    """As many apps as have room, by name; none without evidence. That of the others is not even worked out."""
    kept: dict[str, list[Any]] = {}
    room = MOST_BYTES[part]
    for app in sorted((one for one in apps if one not in facts.housed), key=facts.rank):
        if found := of(app):
            room -= len(app) + len(orjson.dumps(found))
            if len(kept) == MAX_APPS or room < 0:
                break
            kept[app] = found
    return dict(sorted(kept.items()))


def known(stays: Sequence[Stay]) -> list[str]:
    """The releases that were active, newest first."""
    return list(dict.fromkeys(stay.release for stay in reversed(stays)))[:MAX_KNOWN]


def _proven(promotion: Promotion, stays: Sequence[Stay], healthy_since: str | None) -> list[dict[str, str]]:
    if promotion.require is Requirement.HEALTHY:
        return healthy(stays, healthy_since, promotion.soak)
    return proven(stays, promotion.soak)


def proven(stays: Sequence[Stay], soak: timedelta) -> list[dict[str, str]]:
    """The release that is active, and those that had soaked when they left; the newest first, each once.

    A release that came again may enter as soon as its first stay that was long enough allowed it.
    """
    eligible: dict[str, datetime] = {}
    for stay in reversed(stays):
        at = parse(stay.since) + soak
        if stay.until is None or at <= parse(stay.until):
            eligible[stay.release] = min(at, eligible.get(stay.release, at))
    return [{"release": release, "eligibleAt": to_text(at)} for release, at in list(eligible.items())[:MAX_PROVEN]]


def healthy(stays: Sequence[Stay], healthy_since: str | None, soak: timedelta) -> list[dict[str, str]]:
    """The release that is active, if its rollout is healthy. What has left cannot be shown to be healthy any more."""
    if not stays or stays[-1].until is not None or healthy_since is None:
        return []
    at = max(parse(stays[-1].since), parse(healthy_since)) + soak
    return [{"release": stays[-1].release, "eligibleAt": to_text(at)}]


def approved(
    approvals: Iterable[Approval], bindings: Mapping[str, BindingNow], *, valid_for: timedelta | None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The releases that were approved for the next change of their binding, by app."""
    people: dict[str, dict[str, dict[str, str | None]]] = {}
    for one in approvals:
        if one.decision is not Decision.APPROVE or one.by is None or one.deleting:
            continue
        if not is_bound(one, bindings.get(one.app, _NOTHING)):
            continue
        # Who approves again approves for longer.
        people.setdefault(one.app, {}).setdefault(one.release, {})[one.by] = _text(ends_at(one, valid_for))
    for app, releases in people.items():
        sequence = bindings.get(app, _NOTHING).sequence
        newest = list(releases.items())[-MAX_APPROVED:]
        yield app, [{"release": release, "sequence": sequence, "by": _by(users)} for release, users in newest]


def is_spent(approval: Approval, turn: Turn, protection: Protection | None, *, kept: timedelta, now: datetime) -> bool:
    """Whether an Approval may go: it says nothing about any change to come, and was given long enough ago.

    A rejection goes by its author alone.

    Args:
        approval: somebody's yes or no.
        turn: which change of its binding comes next.
        protection: of its Environment; None: there is none of that name.
        kept: how long it stays at least, so that people can still see who agreed.
        now: the present moment.
    """
    if approval.decision is Decision.REJECT or approval.deleting or now - parse(approval.created_at) < kept:
        return False
    asked = protection.approvals if protection is not None else None
    return protection is None or not counts(approval, turn, asked.valid_for if asked is not None else None, now)


def _by(users: Mapping[str, str | None]) -> list[dict[str, str]]:
    newest = list(users.items())[-MAX_APPROVERS:]
    return [{"user": user, **({"until": until} if until is not None else {})} for user, until in newest]


def rule_of(promotion: Promotion) -> dict[str, str]:
    """A promotion as evidence names it."""
    seconds = int(promotion.soak.total_seconds())
    return {"from": promotion.origin, "soak": f"{seconds}s", "require": str(promotion.require)}


def _text(moment: datetime | None) -> str | None:
    return to_text(moment) if moment is not None else None
