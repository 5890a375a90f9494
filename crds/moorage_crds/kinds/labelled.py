"""Which objects policies choose by a label, and what the label has to say. Pure.

The policy `enforcement.moorage.dev` keeps these labels true in every write. What was stored before that policy existed,
or while it was gone, has none, and then no other policy looks at it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moorage_crds import names
from moorage_crds.objects import RawObject, metadata


@dataclass(frozen=True, slots=True)
class Labelled:
    """One kind whose objects are chosen by a label.

    Attributes:
        wanted: spec → value of the label; None: the object carries none.
        may_lack: an object without the label is looked at, too.
    """

    plural: str
    label: str
    wanted: Callable[[Mapping[str, Any]], str | None]
    may_lack: bool = False

    def holds(self, raw: RawObject) -> bool:
        """Whether an object says what its spec wants it to say."""
        labels: Mapping[str, str] = metadata(raw).get("labels") or {}
        if self.may_lack and self.label not in labels:
            return True
        return labels.get(self.label) == self.wanted(raw.get("spec") or {})


def _enforcement(spec: Mapping[str, Any]) -> str:
    return "warn" if spec.get("enforcement") == "Warn" else "deny"


def _protected(spec: Mapping[str, Any]) -> str | None:
    if not spec.get("promotion") and not spec.get("approvals"):
        return None
    return "observe" if spec.get("enforcement") == "Warn" else "enforce"


def _rules(spec: Mapping[str, Any]) -> str | None:
    asks = [rule for rule in ("promotion", "approvals") if spec.get(rule)]
    return "all" if len(asks) == 2 else next(iter(asks), None)


def _decision(spec: Mapping[str, Any]) -> str:
    return "reject" if spec.get("decision") == "Reject" else "approve"


LABELLED: Final = (
    Labelled(names.FREEZES, names.LABEL_ENFORCEMENT, _enforcement),
    Labelled(names.CLUSTER_FREEZES, names.LABEL_ENFORCEMENT, _enforcement),
    Labelled(names.ENVIRONMENTS, names.LABEL_PROTECTED, _protected),
    Labelled(names.ENVIRONMENTS, names.LABEL_RULES, _rules, may_lack=True),
    Labelled(names.APPROVALS, names.LABEL_DECISION, _decision),
)
