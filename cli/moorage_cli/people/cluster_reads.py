"""The state of a workspace, by kubeconfig: objects as the API server stores them, in the words of the commands.

All of it is pure; `cluster` reads the objects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from moorage_cli.people import questions
from moorage_cli.people.model import Asked, Line, ListedFreeze, Lock, Place, Rollout, State
from moorage_crds import names
from moorage_crds.gates import engine
from moorage_crds.kinds import deployment, environment, freeze, lock, record
from moorage_crds.kinds.deployment import Change as StoredChange
from moorage_crds.kinds.deployment import Deployment
from moorage_crds.moments import to_text
from moorage_crds.objects import RawObject, metadata

_FAILED = "Failed"


def places(
    environments: Sequence[RawObject], bindings: Sequence[RawObject], raw_locks: Sequence[RawObject]
) -> list[Place]:
    """All environments, by slug, with what is active in each."""
    found = [environment.from_object(raw) for raw in environments]
    locks = {one.name: one for one in map(lock.from_object, raw_locks)}
    active: dict[str, dict[str, str]] = {}
    for slug, app, release in sorted(filter(None, map(deployment.active_of, bindings))):
        active.setdefault(slug, {})[app] = release
    return [
        Place(
            environment=one.name,
            name=one.display_name,
            is_default=one.is_default,
            active=active.get(one.name, {}),
            lock=_lock(locks.get(one.name)),
        )
        for one in sorted(found, key=lambda one: one.name)
    ]


def _lock(found: lock.EnvironmentLock | None) -> Lock | None:
    if found is None:
        return None
    return Lock(found.locked_by or names.UNKNOWN_USER, found.reason, found.until)


def lines(records: Sequence[RawObject], bindings: Sequence[Deployment]) -> list[Line]:
    """Records, and what of the change logs has none yet; the newest first."""
    by_uid = {one.uid: one for one in bindings}
    found = [_recorded(raw, by_uid) for raw in records]
    known = {line.deployment_id for line in found}
    waiting = [_waiting(one, change) for one in bindings for change in deployment.due_changes(one)]
    return questions.newest_first(found + [line for line in waiting if line.deployment_id not in known])


def chosen(found: Sequence[Line], asked: Asked) -> list[Line]:
    """The part of a history that was asked for."""
    inside = questions.between(found, asked.since, asked.until)
    return [line for line in inside if asked.by in {None, line.by}][: asked.limit]


def _recorded(raw: RawObject, bindings: Mapping[str, Deployment]) -> Line:
    one, claim = record.from_object(raw), record.imported_claim(raw)
    binding = bindings.get(one.name.rpartition("-")[0])
    line = _line(one.name, one.binding.environment, one.binding.app, one.change, recorded=True)
    if claim is not None:
        return replace(line, by=None, at=claim.at, imported=True, claimed_by=claim.by)
    outcome, healthy_at = _outcome(binding, one.change.sequence)
    return replace(line, outcome=outcome, healthy_at=healthy_at)


def _waiting(binding: Deployment, change: StoredChange) -> Line:
    name = names.record_name(binding.uid, change.sequence)
    return _line(name, binding.environment, binding.app, change, recorded=False)


def _line(name: str, slug: str, app: str, change: StoredChange, *, recorded: bool) -> Line:
    return Line(
        deployment_id=name,
        environment=slug,
        app=app,
        action=str(change.action),
        previous=change.previous,
        release=change.release,
        by=change.by,
        at=change.at,
        reason=change.reason,
        sequence=change.sequence,
        recorded=recorded,
        override=change.override,
    )


def _outcome(binding: Deployment | None, sequence: int) -> tuple[str | None, str | None]:
    """How a change ended, and when its release was healthy first."""
    status: Mapping[str, Any] = binding.status if binding is not None else {}
    present: Mapping[str, Any] = status.get("rollout") or {}
    if present.get("sequence") == sequence:
        failed = "failed" if present["phase"] == _FAILED else None
        return ("healthy" if present.get("healthySince") else failed), present.get("healthySince")
    ended = next((one for one in status.get("outcomes") or () if one["sequence"] == sequence), None)
    return (ended["outcome"], ended.get("healthyAt")) if ended is not None else (None, None)


def state(binding: Deployment) -> State:
    """One app in one environment now."""
    due = deployment.due_changes(binding)
    last = next(reversed((*binding.log, *due)), None)
    sequence = last.sequence if last is not None else binding.recorded
    return State(
        environment=binding.environment,
        app=binding.app,
        release=binding.release,
        deployment_id=names.record_name(binding.uid, sequence) if sequence else None,
        recorded=bool(sequence) and not due,
        rollout=_rollout(binding, sequence),
    )


def phase(binding: Deployment, sequence: int) -> str | None:
    """The phase of what became of the newest change; None: nothing follows the binding."""
    found = _rollout(binding, sequence)
    return found.phase if found is not None else None


def _rollout(binding: Deployment, sequence: int) -> Rollout | None:
    found: Mapping[str, Any] | None = binding.status.get("rollout")
    if found is None or binding.release is None:
        return None
    if found["sequence"] != sequence:
        # What is stored about an earlier change says nothing of the present one.
        return Rollout("Waiting", message="this change is not recorded yet")
    return Rollout(found["phase"], found["since"], found.get("healthySince"), found.get("message"))


def listed_freeze(raw: RawObject, now: datetime) -> ListedFreeze:
    """A Freeze as it stands."""
    stored = freeze.from_object(raw)
    spec, stamped = stored.spec, stored.provenance
    schedule = engine.schedule_of(stored.gate.calendar, now)
    return ListedFreeze(
        freeze=str(metadata(raw)["name"]),
        reason=spec["reason"],
        mode=spec.get("mode") or "Closed",
        environments=spec.get("environments"),
        apps=spec.get("apps"),
        windows=spec.get("windows"),
        weekly=spec.get("weekly"),
        yearly=spec.get("yearly"),
        time_zone=spec.get("timeZone") or "UTC",
        allow_rollback=bool(spec.get("allowRollback")),
        enforcement=spec.get("enforcement") or "Deny",
        closed=schedule.closed,
        next_open=to_text(schedule.next_open) if schedule.next_open is not None else None,
        next_close=to_text(schedule.next_close) if schedule.next_close is not None else None,
        created_by=stamped.get("createdBy") or names.UNKNOWN_USER,
        updated_by=stamped.get("updatedBy") or names.UNKNOWN_USER,
    )
