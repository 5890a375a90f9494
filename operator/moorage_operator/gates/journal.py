"""The history of rules, as lines of the log of the history: a rule that is gone leaves no object to read.

The replica that acts writes a line when a watch or a sweep shows the change. A deleted object does not say who deleted
it. A lock that was ended before, as REST and `moorage unlock` do it, says who unlocked; of other deletions only the
audit log of the API server knows.
"""

import logging
from collections.abc import Mapping
from typing import Any

from moorage_crds import names
from moorage_crds.kinds.environment import Environment
from moorage_crds.kinds.evidence import written
from moorage_crds.kinds.protection import Protection
from moorage_crds.process.telemetry import HISTORY_LOGGER
from moorage_operator.memory.rules import Rule

_history_log = logging.getLogger(HISTORY_LOGGER)


def rule_changed(plural: str, before: Rule | None, after: Rule | None) -> None:
    """A lock, a Freeze or an Approval was made, changed or taken away. None: it was not known, or is gone."""
    old = _said(plural, before) if before is not None else None
    new = _said(plural, after) if after is not None else None
    shown = after or before
    if shown is None or old == new:
        return
    _write(plural, shown.namespace, shown.name, new if new is not None else old, before=old, gone=new is None)


def protection_changed(before: Environment | None, after: Environment) -> None:
    """An Environment asks for something else than before; None: it was not known."""
    old = _asked(before.protection) if before is not None and before.uid == after.uid else None
    new = _asked(after.protection)
    if old == new:
        return
    said = {**(new or {}), "by": after.updated_by, "at": after.updated_at}
    _write("protection", after.namespace, after.name, said, before=old, gone=new is None)


def _write(kind: str, namespace: str, name: str, said: Mapping[str, Any] | None, *, before: object, gone: bool) -> None:
    event = "rule gone" if gone else "rule changed" if before is not None else "rule set"
    fields = {"rule": kind, "namespace": namespace, "name": name, **(said or {})}
    _history_log.info(event, extra={"fields": fields})


def _said(plural: str, rule: Rule) -> dict[str, Any]:
    """What a rule says, who said so last, and when."""
    view = rule.view
    if plural == names.LOCKS:
        said = {"reason": view.reason, "until": view.until, "by": view.locked_by, "at": view.locked_at}
        return {**said, "unlockedBy": view.ended_by}
    if plural == names.APPROVALS:
        fields = ("environment", "app", "release", "comment", "by")
        said = {field: getattr(view, field) for field in fields}
        return {**said, "decision": str(view.decision), "at": view.created_at}
    made = view.provenance
    return {"spec": dict(view.spec), "by": made.get("updatedBy"), "at": made.get("updatedAt")}


def _asked(protection: Protection) -> dict[str, Any] | None:
    """What an Environment asks of a release; None: nothing."""
    if not protection.is_set:
        return None
    promotion, approvals = protection.promotion, protection.approvals
    valid_for = approvals.valid_for if approvals is not None else None
    return {
        "from": promotion.origin if promotion is not None else None,
        "soak": written(promotion.soak) if promotion is not None else None,
        "require": str(promotion.require) if promotion is not None else None,
        "approvals": approvals.required if approvals is not None else None,
        "validFor": written(valid_for) if valid_for is not None else None,
        "enforcement": str(protection.enforcement),
    }
