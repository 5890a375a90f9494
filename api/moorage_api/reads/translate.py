"""REST shape ↔ custom resource. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from moorage_api.cache.line import Line
from moorage_api.cache.views import BindingView, EnvironmentView, FreezeView, LockView
from moorage_api.contract.echo import printable
from moorage_api.reads.sight import SCHEDULE, Sight
from moorage_crds import names
from moorage_crds.gates.engine import Schedule
from moorage_crds.gates.verdict import Verdict
from moorage_crds.kinds.evidence import written
from moorage_crds.kinds.protection import Protection
from moorage_crds.kinds.registry import kind_of
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.moments import to_text
from moorage_crds.objects import RawObject

#: Phases of a rollout, as the status of a Deployment names them.
WAITING: Final = "Waiting"
FAILED: Final = "Failed"
#: The one value of an environment's `status`.
ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Within:
    """What is in an environment, and what stands before it.

    Attributes:
        active: app id → release id, sorted.
        rollouts: app id → rollout, sorted.
    """

    active: Mapping[str, str]
    lock: LockView | None
    schedule: Schedule
    rollouts: Mapping[str, Any] = field(default_factory=dict)


def environment(workspace: Workspace, view: EnvironmentView, within: Within, *, sight: Sight) -> dict[str, Any]:
    """An environment as REST shows it to somebody."""
    return {
        "environment_id": view.uid,
        "workspace_id": workspace.workspace,
        "org_id": workspace.org,
        "name": view.display_name,
        "slug": view.name,
        "description": view.description,
        "is_default": view.is_default,
        "active_deployments": within.active if sight.releases else None,
        "status": ACTIVE,
        "created_by": view.created_by or names.UNKNOWN_USER,
        "created_at": view.created_at,
        "updated_at": view.updated_at,
        "lock": lock_state(within.lock) if sight.lock else None,
        "managed_by": view.ownership.declared_by,
        "deleting": view.deleting,
        "hidden": sight.hidden,
        "created_by_known": view.created_by is not None,
        "rollouts": within.rollouts if sight.releases else None,
        **(opening(within.schedule) if sight.gates else dict.fromkeys(SCHEDULE)),
        "last_unlock": unlock_state(view.last_unlock) if sight.lock else None,
    }


def protection(asked: Protection) -> dict[str, Any] | None:
    """What an environment asks of a release before it may enter; None: nothing."""
    if not asked.is_set:
        return None
    promotion, approvals = asked.promotion, asked.approvals
    valid_for = approvals.valid_for if approvals is not None else None
    return {
        "from": promotion.origin if promotion is not None else None,
        "soak": written(promotion.soak) if promotion is not None else None,
        "require": str(promotion.require) if promotion is not None else None,
        "required_approvals": approvals.required if approvals is not None else 0,
        "valid_for": written(valid_for) if valid_for is not None else None,
        "enforcement": str(asked.enforcement),
    }


def opening(schedule: Schedule) -> dict[str, Any]:
    """Whether something is closed, and when that changes."""
    return {
        "closed": schedule.closed,
        "next_open": to_text(schedule.next_open) if schedule.next_open else None,
        "next_close": to_text(schedule.next_close) if schedule.next_close else None,
    }


def verdict(said: Verdict) -> dict[str, Any]:
    """What one gate says of a change."""
    return {
        "gate": said.gate,
        "allowed": said.allowed,
        "enforcement": str(said.enforcement),
        "code": str(said.code) if said.code is not None else None,
        "message": printable(said.message, 1024),
        "opens_at": to_text(said.opens_at) if said.opens_at is not None else None,
        "details": dict(said.details),
        "override": said.override,
        "overridden": said.overridden,
    }


def rollouts(bindings: Iterable[BindingView]) -> dict[str, Any]:
    """App id → rollout of all bindings that have a release and that something follows, by app id."""
    return {
        binding.app: rollout(binding)
        for binding in sorted(bindings, key=lambda one: one.app)
        if binding.release is not None and binding.rollout is not None
    }


def rollout(binding: BindingView) -> dict[str, Any] | None:
    """What became of the present release of a binding; None where nothing follows it.

    What is stored about an earlier change says nothing of the present one.
    """
    found = binding.rollout
    if found is None:
        return None
    if found.sequence != binding.last_sequence:
        return {"phase": WAITING, "since": None, "healthy_at": None, "message": "this change is not recorded yet"}
    return {
        "phase": found.phase,
        "since": found.since,
        "healthy_at": found.healthy_at,
        "message": found.message,
    }


def outcome(binding: BindingView | None, sequence: int) -> tuple[str | None, str | None]:
    """How a change ended, and when it was healthy first; both None if that is not known or not decided."""
    if binding is None:
        return None, None
    present = binding.rollout
    if present is not None and present.sequence == sequence:
        failed = "failed" if present.phase == FAILED else None
        return ("healthy" if present.healthy_at else failed), present.healthy_at
    ended = next((one for one in binding.outcomes if one.sequence == sequence), None)
    return (ended.phase, ended.healthy_at) if ended is not None else (None, None)


def unlock_state(said: Mapping[str, Any]) -> dict[str, Any] | None:
    """The last unlock, as the status of an environment has it, as REST shows it; None where it has none."""
    if not said:
        return None
    return {
        "unlocked_by": said.get("by") or names.UNKNOWN_USER,
        "unlocked_at": said["at"],
        "unlocked_by_known": bool(said.get("by")),
        "first_locked_by": said.get("lockedBy") or names.UNKNOWN_USER,
    }


def lock_state(lock: LockView | None) -> dict[str, Any] | None:
    """A lock as REST shows it."""
    if lock is None:
        return None
    return {
        "reason": lock.reason,
        "locked_by": lock.locked_by or names.UNKNOWN_USER,
        "locked_at": lock.locked_at,
        "locked_by_known": lock.locked_by is not None,
        "until": to_text(lock.until) if lock.until is not None else None,
        "first_locked_by": lock.first_locked_by or names.UNKNOWN_USER,
    }


def active_releases(bindings: Iterable[BindingView]) -> dict[str, str]:
    """App id → release id of all bindings that have a release, by app id."""
    return {
        binding.app: binding.release
        for binding in sorted(bindings, key=lambda one: one.app)
        if binding.release is not None
    }


def history_line(environment_id: str, line: Line, binding: BindingView | None = None) -> dict[str, Any]:
    """A line of history as REST shows it. For an undeploy both releases are the one that was taken out.

    Args:
        environment_id: whose history it is.
        line: the line.
        binding: the Deployment, while it exists: it knows how its changes ended.
    """
    ended, healthy_at = outcome(binding, line.sequence)
    return {
        "deployment_id": names.record_name(line.uid, line.sequence),
        "environment_id": environment_id,
        "app_id": line.app,
        "release_id": line.release or line.previous or names.UNKNOWN_RELEASE,
        "previous_release_id": line.previous,
        "action": str(line.action),
        "deployed_by": line.by or (line.claim and line.claim.by) or names.UNKNOWN_USER,
        "deployed_at": line.at,
        "reason": line.reason,
        "sequence": line.sequence,
        "recorded": line.recorded,
        "deployed_by_known": line.by is not None,
        "outcome": ended,
        "healthy_at": healthy_at,
        "override": list(line.override),
        "hash": line.digest.hex() if line.digest is not None else None,
        "removed": line.release is None,
        "imported": line.claim is not None,
        "imported_from": line.claim.source if line.claim is not None else None,
    }


#: What a Freeze says where it says nothing: field of the kind → (field of REST, value).
_FREEZE_FIELDS: Final[dict[str, tuple[str, Any]]] = {
    "reason": ("reason", ""),
    "mode": ("mode", "Closed"),
    "environments": ("environments", None),
    "apps": ("apps", None),
    "windows": ("windows", None),
    "weekly": ("weekly", None),
    "yearly": ("yearly", None),
    "timeZone": ("time_zone", "UTC"),
    "allowRollback": ("allow_rollback", False),
    "enforcement": ("enforcement", "Deny"),
}


def full_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a Freeze with all its fields."""
    return {field: spec.get(field, default) for field, (_, default) in _FREEZE_FIELDS.items()}


def freeze(workspace: Workspace, view: FreezeView, schedule: Schedule) -> dict[str, Any]:
    """A Freeze as REST shows it."""
    spec, provenance = full_spec(view.stored.spec), view.stored.provenance
    return {
        "name": view.name,
        "workspace_id": workspace.workspace,
        "org_id": workspace.org,
        **{shown: spec[field] for field, (shown, _) in _FREEZE_FIELDS.items()},
        "created_by": provenance.get("createdBy") or names.UNKNOWN_USER,
        "created_at": view.created_at,
        "updated_by": provenance.get("updatedBy") or names.UNKNOWN_USER,
        "updated_at": provenance.get("updatedAt") or view.created_at,
        "managed_by": view.declared_by,
        "deleting": view.deleting,
        **opening(schedule),
    }


# --- bodies for the API server ---------------------------------------------------------------------------------------


def wanted_environment(slug: str, name: str, description: str | None) -> RawObject:
    """A new Environment."""
    spec = {"displayName": name}
    if description:
        spec["description"] = description
    return _object(names.ENVIRONMENTS, slug, spec)


def wanted_lock(slug: str, spec: Mapping[str, Any]) -> RawObject:
    """A new EnvironmentLock."""
    return _object(names.LOCKS, slug, without_nulls(spec))


def wanted_freeze(name: str, spec: Mapping[str, Any]) -> RawObject:
    """A new Freeze."""
    return _object(names.FREEZES, name, without_nulls(spec))


def wanted_approval(name: str, spec: Mapping[str, Any]) -> RawObject:
    """A new Approval."""
    return _object(names.APPROVALS, name, spec)


def wanted_binding(name: str, spec: Mapping[str, Any]) -> RawObject:
    """A new Deployment."""
    return _object(names.DEPLOYMENTS, name, spec)


def note(*, reason: str | None, request_id: str, action: str | None, override: Sequence[str] = ()) -> dict[str, Any]:
    """`spec.change` as a whole for a merge patch: null takes out what an earlier note may have left."""
    return {
        "reason": reason,
        "requestId": request_id,
        "action": action,
        "override": list(override) or None,
        "completeFor": request_id,
    }


def patch(view: BindingView | EnvironmentView | FreezeView | LockView, spec: Mapping[str, Any]) -> RawObject:
    """A merge patch of the spec of exactly that state of that object."""
    return {"metadata": {"uid": view.uid, "resourceVersion": view.resource_version}, "spec": dict(spec)}


def same_release(raw: RawObject) -> dict[str, Any]:
    """The tests of a guarded patch that hold while nobody changes the release of a Deployment, whatever else changes.

    Every change of the release counts up the change log, so there and back again is not the same. Without the policy
    there may be no log: then the release alone tells.
    """
    log = raw.get("changeLog")
    return {
        "/metadata/uid": raw["metadata"]["uid"],
        "/spec/release": raw["spec"].get("release"),
        "/changeLog/sequence" if log else "/changeLog": log["sequence"] if log else None,
    }


def release_values(release: str | None, note: Mapping[str, Any]) -> dict[str, Any]:
    """What a guarded patch of a release sets."""
    return {"/spec/release": release, "/spec/change": without_nulls(note)}


def _object(plural: str, name: str, spec: Mapping[str, Any]) -> RawObject:
    return {**kind_of(plural).header, "metadata": {"name": name}, "spec": dict(spec)}


def without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping without the entries that are null: a create wants them left out, a merge patch wants them there."""
    return {key: item for key, item in value.items() if item is not None}
