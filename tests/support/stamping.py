"""What the API server stamps into our objects: the one Python twin of the mutating policies under crds/policies.

tests/contract holds it against the real policies.
"""

import copy
from typing import Any

from moorage_crds import names
from moorage_crds.objects import RawObject

Entry = dict[str, Any]


def stamped(plural: str, before: RawObject | None, after: RawObject, *, user: str, at: str) -> RawObject:
    """The object as it is stored when `user` writes `after` over `before` (None: creates it)."""
    raw = copy.deepcopy(after)
    if plural == names.DEPLOYMENTS:
        _stamp_changes(before or {"spec": {}}, raw, user=user, at=at)
    elif plural in {names.ENVIRONMENTS, names.LOCKS, names.FREEZES, names.CLUSTER_FREEZES, names.APPROVALS}:
        _stamp_provenance(before, raw, user=user, at=at)
    return raw


def _stamp_provenance(before: RawObject | None, raw: RawObject, *, user: str, at: str) -> None:
    had = (before or {}).get("provenance", {})
    raw.pop("provenance", None)
    if before is None:
        raw["provenance"] = {"createdBy": user, "updatedBy": user, "updatedAt": at}
    elif before["spec"] != raw["spec"]:
        raw["provenance"] = {**had, "updatedBy": user, "updatedAt": at}
    elif had:
        raw["provenance"] = copy.deepcopy(had)


def _stamp_changes(old: RawObject, raw: RawObject, *, user: str, at: str) -> None:
    log = old.get("changeLog", {"sequence": 0, "entries": []})
    # What the writer says about the log is put back.
    raw.pop("changeLog", None)
    if "changeLog" in old:
        raw["changeLog"] = copy.deepcopy(log)
    was, wanted = old["spec"].get("release"), raw["spec"].get("release")
    base, known = _known(old, log)
    new = [{"action": "adopt", "from": known, "to": was}] if was != known else []
    if was != wanted:
        new.append(_change(old, raw, log["entries"], user=user, at=at))
    if new:
        numbered = [{"sequence": base + place, **entry} for place, entry in enumerate(new, 1)]
        said = [{key: value for key, value in entry.items() if value is not None} for entry in numbered]
        entries = [*copy.deepcopy(log["entries"]), *said][-names.MAX_UNRECORDED :]
        raw["changeLog"] = {"sequence": base + len(new), "entries": entries}


def _known(old: RawObject, log: dict[str, Any]) -> tuple[int, str | None]:
    """The last number that log and records know of, and the release after it."""
    status = old.get("status") or {}
    recorded = status.get("recordedSequence", 0)
    if recorded > log["sequence"]:
        return recorded, status.get("release")
    return log["sequence"], (log["entries"] or [{}])[-1].get("to")


def _change(old: RawObject, raw: RawObject, entries: list[Entry], *, user: str, at: str) -> Entry:
    was, wanted = old["spec"].get("release"), raw["spec"].get("release")
    earlier, note = old["spec"].get("change", {}), raw["spec"].get("change", {})
    # A note counts in the write that changes it, and each part of it in the write that brings it.
    note = {} if note == earlier else note
    request_id = note.get("requestId") if note.get("requestId") != earlier.get("requestId") else None
    says = note.get("action") if request_id or note.get("action") != earlier.get("action") else None
    overrides = note.get("override") if request_id or note.get("override") != earlier.get("override") else None
    return {
        "action": _action(entries, was, wanted, says),
        "from": was,
        "to": wanted,
        "by": user,
        # A write that only removes the release leaves no time in managedFields.
        "at": at if wanted is not None or note else None,
        "reason": note.get("reason"),
        "requestId": request_id,
        "override": overrides or None,
    }


def _action(entries: list[Entry], was: str | None, wanted: str | None, says: str | None) -> str:
    if wanted is None:
        return "undeploy"
    if says is not None:
        return says
    if was is None:
        return "deploy"
    last = entries[-1] if entries else {}
    if last.get("from") == wanted:
        return "deploy" if last["action"] == "rollback" else "rollback"
    first = {entry["to"]: -place for place, entry in reversed([*enumerate(entries)]) if "to" in entry}
    return "rollback" if wanted in first and first[wanted] > first.get(was, -len(entries)) else "deploy"
