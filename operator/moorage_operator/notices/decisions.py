"""Notices → Events of Kubernetes on a binding. Pure.

The name of an Event is that of the record of its change, so the same Event cannot be made twice.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from moorage_crds import names
from moorage_crds.conditions import Reason
from moorage_crds.kinds.deployment import Action, Change
from moorage_crds.objects import RawObject
from moorage_operator.memory.notices import Notice

#: Who reports, in every Event.
REPORTER: Final = f"{names.GROUP}/operator"
#: Of a note, in characters: the API server refuses more than 1,024 bytes.
_MOST: Final = 250
_REASONS: Final = {
    Action.DEPLOY: ("Deployed", "deployed"),
    Action.ROLLBACK: ("RolledBack", "rolled back to"),
    Action.ADOPT: ("Deployed", "deployed"),
}


class _Kind(NamedTuple):
    """What an Event is about.

    Attributes:
        suffix: of its name, so that one change can have one Event of each kind.
        type: `Normal` or `Warning`.
        reason: one word for programs.
        action: what was done, or failed.
    """

    suffix: str
    type: str
    reason: str
    action: str


_FAILED: Final = _Kind("-failed", "Warning", "RolloutFailed", "Rollout")
_ASTRAY: Final = _Kind("-astray", "Warning", str(Reason.ENVIRONMENT_NOT_FOUND), "Deploy")


def events(notices: Sequence[Notice], now: datetime) -> Iterator[RawObject]:
    """The Events to create.

    One is about the newest change, and counts those before it; there is one more for a failed rollout, and one for a
    release in an environment that is not there.
    """
    changes = [notice for notice in notices if notice.of_change]
    failures = [notice for notice in notices if notice.failure is not None]
    astray = [notice for notice in notices if notice.astray]
    if changes:
        reason, note = _told(changes[-1].change)
        if len(changes) > 1:
            note += f" ({len(changes) - 1} more just before it; the history has all of them)"
        action = str(changes[-1].change.action).capitalize()
        yield _event(changes[-1], _Kind("", "Normal", reason, action), note, now)
    if failures:
        change = failures[-1].change
        yield _event(failures[-1], _FAILED, f"{change.release}: {failures[-1].failure}", now)
    if astray:
        slug = astray[-1].binding.environment
        note = f"there is no Environment {slug} in this Namespace: no lock, Freeze or rule holds this release back"
        yield _event(astray[-1], _ASTRAY, note, now)


def _told(change: Change) -> tuple[str, str]:
    by = change.by or names.UNKNOWN_USER
    why = f": {change.reason}" if change.reason else ""
    if change.release is None:
        return "Removed", f"{by} removed {change.previous or names.UNKNOWN_RELEASE}{why}"
    reason, did = _REASONS.get(change.action, _REASONS[Action.DEPLOY])
    before = f", before it {change.previous}" if change.previous else ""
    return reason, f"{by} {did} {change.release}{before}{why}"


def _event(notice: Notice, kind: _Kind, note: str, now: datetime) -> RawObject:
    binding = notice.binding
    name = names.record_name(binding.uid, notice.change.sequence) + kind.suffix
    line = " ".join(note.split())
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": binding.namespace},
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": kind.type,
        "reason": kind.reason,
        "action": kind.action,
        "note": line if len(line) <= _MOST else f"{line[: _MOST - 1]}…",
        "reportingController": REPORTER,
        "reportingInstance": names.MANAGER_OPERATOR,
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": "Deployment",
            "namespace": binding.namespace,
            "name": binding.name,
            "uid": binding.uid,
        },
    }
