"""The binding of one app to one environment: its view, its change log, and what of it is not recorded yet.

Everything here is pure. The change log is written by the API server (policy `deployments-changelog.moorage.dev`);
`due_changes` is the one place that reads it, used by the recorder (which makes records of it) and by the facade
(which shows it before it is recorded), so that both always mean the same changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from moorage_crds.objects import RawObject, metadata, version_of

UNKNOWN_USER: Final = "unknown"
"""What people see where a change has no user (bare deletes, changes that no policy watched)."""

REASON_DELETED: Final = "the Deployment was deleted"
"""Reason in the record of a bare delete, which admission cannot stamp."""


class Action(StrEnum):
    """What a change did."""

    DEPLOY = "deploy"
    UNDEPLOY = "undeploy"
    ROLLBACK = "rollback"
    ADOPT = "adopt"
    """The release was changed while no policy watched: by whom and when exactly is not known."""


@dataclass(frozen=True, slots=True)
class Change:
    """One accepted change of the release of a binding: a line of the history, recorded or not.

    Attributes:
        sequence: its number in the chain of the binding, from 1, without gaps.
        previous: the release that was active before; None if there was none.
        release: the release that is active after it; None after an undeploy.
        by: the user whom the API server authenticated; None if unknown.
        at: when the API server accepted it, RFC 3339 to the second; None if it left no time.
    """

    sequence: int
    action: Action
    previous: str | None
    release: str | None
    by: str | None = None
    at: str | None = None
    reason: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """View of a stored Deployment.

    Attributes:
        release: the wanted release; None if not deployed.
        log: the entries of `changeLog`, oldest first.
        logged: `changeLog.sequence`, 0 without a log.
        recorded: `status.recordedSequence`, 0 without a status.
        recorded_release: the release after the last recorded change (`status.release`).
        status: the raw status, to compare with a wanted one.
        note_request_id: `spec.change.requestId`.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    environment: str
    app: str
    release: str | None
    log: tuple[Change, ...]
    logged: int
    recorded: int
    recorded_release: str | None
    environment_uid: str | None
    created_at: str
    deleting: bool
    status: Mapping[str, Any]


def from_object(raw: RawObject) -> Deployment:
    """Read a Deployment as the API server sent it (so schema and CEL hold)."""
    meta = metadata(raw)
    spec: Mapping[str, Any] = raw.get("spec") or {}
    log: Mapping[str, Any] = raw.get("changeLog") or {}
    status: Mapping[str, Any] = raw.get("status") or {}
    return Deployment(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=version_of(raw),
        generation=meta.get("generation", 0),
        environment=spec["environment"],
        app=spec["app"],
        release=spec.get("release") or None,
        log=tuple(_change(entry) for entry in log.get("entries", ())),
        logged=log.get("sequence", 0),
        recorded=status.get("recordedSequence", 0),
        recorded_release=status.get("release") or None,
        environment_uid=status.get("environmentUid") or None,
        created_at=meta["creationTimestamp"],
        deleting="deletionTimestamp" in meta,
        status=status,
    )


def _change(entry: Mapping[str, Any]) -> Change:
    return Change(
        sequence=entry["sequence"],
        action=Action(entry["action"]),
        previous=entry.get("from") or None,
        release=entry.get("to") or None,
        by=entry.get("by") or None,
        at=entry.get("at") or None,
        reason=entry.get("reason") or None,
        request_id=entry.get("requestId") or None,
    )


def due_changes(
    deployment: Deployment, *, recorded: int | None = None, recorded_release: str | None = None
) -> tuple[Change, ...]:
    """The changes of a binding that have no record yet, oldest first.

    Stamped entries come from the log. A release that neither log nor records know of was set while no policy
    watched: it is one `adopt`, numbered after both, exactly as the policy itself numbers it at the next stamped change.

    Args:
        deployment: the newest known state.
        recorded: the last sequence that has a record; default: what the status says. The recorder knows more than the
            status, which is written later.
        recorded_release: the release after that record; only looked at when `recorded` is given.
    """
    if recorded is None or recorded < deployment.recorded:
        recorded, recorded_release = deployment.recorded, deployment.recorded_release
    stamped = tuple(entry for entry in deployment.log if entry.sequence > recorded)
    known = recorded_release
    if recorded <= deployment.logged:
        known = deployment.log[-1].release if deployment.log else None
    if deployment.release == known:
        return stamped
    adopted = Change(
        sequence=max(deployment.logged, recorded) + 1,
        action=Action.ADOPT,
        previous=known,
        release=deployment.release,
    )
    return (*stamped, adopted)


def deletion_change(*, last_sequence: int, release: str | None) -> Change | None:
    """The undeploy that a bare delete of a Deployment is; None if nothing was deployed.

    Args:
        last_sequence: the last sequence of the chain, recorded or logged.
        release: the release that was active when the object went.
    """
    if release is None:
        return None
    return Change(
        sequence=last_sequence + 1,
        action=Action.UNDEPLOY,
        previous=release,
        release=None,
        reason=REASON_DELETED,
    )
