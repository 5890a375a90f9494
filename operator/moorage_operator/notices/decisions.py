"""Notices → Events of Kubernetes on a binding. Pure.

The name of an Event is that of the record of its change, so the same Event cannot be made twice.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from moorage_crds import names
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


def events(notices: Sequence[Notice], now: datetime) -> Iterator[RawObject]:
    """The Events to create: one about the newest change, which counts those before it, and one for a failed rollout."""
    changes = [notice for notice in notices if notice.failure is None]
    failures = [notice for notice in notices if notice.failure is not None]
    if changes:
        reason, note = _told(changes[-1].change)
        if len(changes) > 1:
            note += f" ({len(changes) - 1} more just before it; the history has all of them)"
        yield _event(changes[-1], reason, note, now)
    if failures:
        change = failures[-1].change
        yield _event(failures[-1], "RolloutFailed", f"{change.release}: {failures[-1].failure}", now)


def _told(change: Change) -> tuple[str, str]:
    by = change.by or names.UNKNOWN_USER
    why = f": {change.reason}" if change.reason else ""
    if change.release is None:
        return "Removed", f"{by} removed {change.previous or names.UNKNOWN_RELEASE}{why}"
    reason, did = _REASONS.get(change.action, _REASONS[Action.DEPLOY])
    before = f", before it {change.previous}" if change.previous else ""
    return reason, f"{by} {did} {change.release}{before}{why}"


def _event(notice: Notice, reason: str, note: str, now: datetime) -> RawObject:
    binding, failed = notice.binding, notice.failure is not None
    name = names.record_name(binding.uid, notice.change.sequence)
    line = " ".join(note.split())
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{name}-failed" if failed else name, "namespace": binding.namespace},
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Warning" if failed else "Normal",
        "reason": reason,
        "action": "Rollout" if failed else str(notice.change.action).capitalize(),
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
