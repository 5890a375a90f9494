"""REST shape ↔ custom resource. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from moorage_api.views import BindingView, EnvironmentView, Line, LockView
from moorage_crds import names
from moorage_crds.deployment import UNKNOWN_USER
from moorage_crds.objects import RawObject
from moorage_crds.workspace import Workspace

#: The one value of an environment's `status`.
ACTIVE = "active"
#: What `deployed_at` says while the change has no time yet.
NO_TIME_YET = "unknown"


def environment(
    workspace: Workspace,
    view: EnvironmentView,
    *,
    active: Mapping[str, str],
    lock: LockView | None,
) -> dict[str, Any]:
    """An environment as REST shows it. `active`: app id → release id, sorted."""
    return {
        "environment_id": view.uid,
        "workspace_id": workspace.workspace,
        "org_id": workspace.org,
        "name": view.display_name,
        "slug": view.name,
        "description": view.description,
        "is_default": view.is_default,
        "active_deployments": active,
        "status": ACTIVE,
        "created_by": view.created_by or UNKNOWN_USER,
        "created_at": view.created_at,
        "updated_at": view.updated_at,
        "lock": lock_state(lock),
        "managed_by": view.ownership.declared_by,
    }


def lock_state(lock: LockView | None) -> dict[str, str] | None:
    """A lock as REST shows it."""
    if lock is None:
        return None
    return {"reason": lock.reason, "locked_by": lock.locked_by or UNKNOWN_USER, "locked_at": lock.locked_at}


def active_releases(bindings: Iterable[BindingView]) -> dict[str, str]:
    """App id → release id of all bindings that have a release, by app id."""
    return {
        binding.app: binding.release
        for binding in sorted(bindings, key=lambda one: one.app)
        if binding.release is not None
    }


def history_line(environment_id: str, line: Line) -> dict[str, Any]:
    """A line of history as REST shows it. For an undeploy both releases are the one that was taken out."""
    return {
        "deployment_id": names.record_name(line.uid, line.sequence),
        "environment_id": environment_id,
        "app_id": line.app,
        "release_id": line.release or line.previous or UNKNOWN_USER,
        "previous_release_id": line.previous,
        "action": str(line.action),
        "deployed_by": line.by or UNKNOWN_USER,
        "deployed_at": line.at or NO_TIME_YET,
        "reason": line.reason,
        "sequence": line.sequence,
        "recorded": line.recorded,
    }


# --- bodies for the API server ---------------------------------------------------------------------------------------


def wanted_environment(slug: str, name: str, description: str | None) -> RawObject:
    """A new Environment."""
    spec = {"displayName": name}
    if description:
        spec["description"] = description
    return _object(names.ENVIRONMENTS, slug, spec)


def wanted_lock(slug: str, reason: str) -> RawObject:
    """A new EnvironmentLock."""
    return _object(names.LOCKS, slug, {"reason": reason})


def wanted_binding(name: str, spec: Mapping[str, Any]) -> RawObject:
    """A new Deployment."""
    return _object(names.DEPLOYMENTS, name, spec)


def note(*, reason: str | None, request_id: str, action: str | None) -> dict[str, Any]:
    """`spec.change` as a whole for a merge patch: null takes out what an earlier note may have left."""
    return {"reason": reason, "requestId": request_id, "action": action}


def patch(view: BindingView | EnvironmentView | LockView, spec: Mapping[str, Any]) -> RawObject:
    """A merge patch of the spec of exactly that state of that object."""
    return {"metadata": {"uid": view.uid, "resourceVersion": view.resource_version}, "spec": dict(spec)}


def _object(plural: str, name: str, spec: Mapping[str, Any]) -> RawObject:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KINDS[plural],
        "metadata": {"name": name},
        "spec": dict(spec),
    }


def without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping without the entries that are null: a create wants them left out, a merge patch wants them there."""
    return {key: item for key, item in value.items() if item is not None}
