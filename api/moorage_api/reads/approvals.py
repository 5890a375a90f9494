"""Answers about Approvals from the cache: whether each counts, and which releases wait for one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from moorage_api.cache.catalog import Catalog
from moorage_api.cache.views import BindingView, EnvironmentView
from moorage_api.reads import gates, translate
from moorage_crds import names
from moorage_crds.gates import engine
from moorage_crds.gates.verdict import AskedChange, Code
from moorage_crds.kinds import evidence
from moorage_crds.kinds.approval import Approval, Decision
from moorage_crds.kinds.evidence import Turn
from moorage_crds.moments import to_text

#: Candidates of one answer: each is asked of the gates.
MOST_CANDIDATES: Final = 200

Release = tuple[str, str]
"""App and release."""
Wanted = Callable[[str, str], bool]
"""Whether a release of an app is asked for."""


def of_environment(catalog: Catalog, environment: EnvironmentView) -> list[Approval]:
    """The Approvals of an environment, oldest first."""
    found = catalog.approvals_of(environment.namespace, environment.name)
    return sorted(found, key=lambda one: (one.created_at, one.name))


def counts(catalog: Catalog, environment: EnvironmentView, one: Approval, now: datetime) -> bool:
    """Whether an Approval says anything about the next change of its app.

    A yes is for the app as it is spelled there. While another spelling has the place, no change of that app can come.
    """
    binding = _binding(catalog, environment, one.app)
    if one.decision is Decision.APPROVE and binding is not None and binding.app != one.app:
        return False
    asked = environment.protection.approvals
    valid_for = asked.valid_for if asked is not None else None
    return evidence.counts(one, _turn(catalog, environment, one.app), valid_for, now)


def shown(catalog: Catalog, environment: EnvironmentView, one: Approval, now: datetime) -> dict[str, Any]:
    """An Approval as REST shows it."""
    asked = environment.protection.approvals
    end = evidence.ends_at(one, asked.valid_for if asked is not None else None)
    return {
        "name": one.name,
        "environment_id": environment.uid,
        "app_id": one.app,
        "release_id": one.release,
        "decision": str(one.decision),
        "comment": one.comment or None,
        "decided_by": one.by or names.UNKNOWN_USER,
        "decided_by_known": one.by is not None,
        "decided_at": one.created_at,
        "counts": counts(catalog, environment, one, now),
        "until": to_text(end) if end is not None else None,
        "deleting": one.deleting,
    }


def candidates(
    catalog: Catalog, environment: EnvironmentView, user: str, now: datetime, *, wanted: Wanted
) -> tuple[list[dict[str, Any]], int]:
    """The releases that may come next, by app, with what each lacks when `user` deploys it; and how many there are.

    They are what runs in the environment before and differs here, and what somebody has approved.
    Of more than `MOST_CANDIDATES` those that only somebody has approved are left out first.
    """
    given: dict[Release, list[Approval]] = {}
    for one in of_environment(catalog, environment):
        if wanted(one.app, one.release) and counts(catalog, environment, one, now):
            given.setdefault((one.app, one.release), []).append(one)
    present = {(one.app, one.release) for one in catalog.bindings_of(environment)}
    before = {which for which in _before(catalog, environment) if wanted(*which)} - present
    approved = {which for which, those in given.items() if any(one.decision is Decision.APPROVE for one in those)}
    due = [*sorted(before), *sorted(approved - before - present)]
    shown = [
        _candidate(catalog, environment, AskedChange(environment.name, app, release, user=user), given, now)
        for app, release in sorted(due[:MOST_CANDIDATES])
    ]
    return shown, len(due)


def _before(catalog: Catalog, environment: EnvironmentView) -> Iterator[Release]:
    origin = catalog.environments.get(environment.namespace, environment.comes_after or "")
    for one in catalog.bindings_of(origin) if origin is not None else ():
        if one.release is not None:
            yield one.app, one.release


def _candidate(
    catalog: Catalog,
    environment: EnvironmentView,
    asked: AskedChange,
    every: Mapping[Release, list[Approval]],
    now: datetime,
) -> dict[str, Any]:
    change = gates.change_of(catalog, environment.namespace, asked)
    given = every.get((asked.app, asked.release or ""), [])
    # The gates that ask something of a release itself.
    standing = (*gates.asked_by(catalog, environment, change.app), *evidence.rejections_of(given))
    found = engine.verdicts(standing, change, now)
    opens_at = engine.opens_at(standing, change, now)
    missing = next((one.details["missing"] for one in found if one.code is Code.APPROVAL_REQUIRED), 0)
    yes = [one for one in given if one.decision is Decision.APPROVE and one.by != change.user]
    return {
        "app_id": change.app,
        "release_id": change.release,
        "present_release_id": change.present,
        "approved_by": _people(yes),
        "rejected_by": _people([one for one in given if one.decision is Decision.REJECT]),
        "missing": missing,
        "allowed": not any(one.refuses for one in found),
        "opens_at": to_text(opens_at) if opens_at is not None and opens_at > now else None,
        "gates": [translate.verdict(one) for one in found],
    }


def _people(given: list[Approval]) -> list[str]:
    return list(dict.fromkeys(one.by or names.UNKNOWN_USER for one in given))


def _turn(catalog: Catalog, environment: EnvironmentView, app: str) -> Turn:
    """As the operator has it: a Deployment that is made again does not bring back what was approved before."""
    binding = _binding(catalog, environment, app)
    if binding is not None and binding.app == app and binding.last_sequence:
        chain = catalog.history.chain(binding.uid)
        newest = chain.get(binding.last_sequence) if chain is not None else None
        turn = Turn(sequence=binding.last_sequence)
    else:
        newest = catalog.history.newest(environment.namespace, environment.name, app)
        turn = Turn()
    if newest is None:
        return turn
    around = frozenset(release for release in (newest.release, newest.previous) if release is not None)
    return replace(turn, changed_at=newest.at, around=around)


def _binding(catalog: Catalog, environment: EnvironmentView, app: str) -> BindingView | None:
    """What stands in the place of an app, perhaps under another spelling."""
    return catalog.bindings.get(environment.namespace, names.binding_name(environment.name, app))
