"""Who declares a field: which GitOps tool will put it back if somebody else changes it. Pure.

Two signs count: an entry of the tool in `metadata.managedFields` that owns the field, and the tool's tracking label or
annotation. The second one stays when somebody overrode the first, which moves the field to another manager.

A label alone proves nothing: everybody who may write the object can set one with `kubectl label`, and could make REST
refuse what others want to do. So a mark counts only if the tool itself owns it in `managedFields`. A client chooses the
name of its field manager, too: anybody can write as `helm`. This is a courtesy to tools and not a guard, so everybody
can override it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moorage_crds.objects import RawObject, metadata

#: What the tools put on objects that they keep equal to Git: (label or annotation, its value or None for any, manager).
_LABELS: tuple[tuple[str, str | None, str], ...] = (
    ("kustomize.toolkit.fluxcd.io/name", None, "kustomize-controller"),
    ("helm.toolkit.fluxcd.io/name", None, "helm-controller"),
    ("app.kubernetes.io/managed-by", "Helm", "helm"),
    ("kapp.k14s.io/app", None, "kapp"),
)
_ANNOTATIONS: tuple[tuple[str, str | None, str], ...] = (
    ("argocd.argoproj.io/tracking-id", None, "argocd-controller"),
    ("meta.helm.sh/release-name", None, "helm"),
)


@dataclass(frozen=True, slots=True)
class Ownership:
    """What GitOps tools declare of one object.

    Attributes:
        fields: name of a field of `spec` → the manager that owns it.
        tracked_by: the manager whose tracking mark the object carries.
        declared_by: the manager that declares anything of the object's spec, or tracks it.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    tracked_by: str | None = None
    declared_by: str | None = None

    def of(self, name: str) -> str | None:
        """The manager that declares `spec.<name>`, or None."""
        return self.fields.get(name) or self.tracked_by


UNOWNED = Ownership()


def read(raw: RawObject, managers: Collection[str]) -> Ownership:
    """Look at an object; only tools in `managers` count."""
    meta = metadata(raw)
    entries = [entry for entry in meta.get("managedFields") or () if not entry.get("subresource")]
    tracked_by = _marked(meta, "labels", _LABELS, managers, entries) or _marked(
        meta, "annotations", _ANNOTATIONS, managers, entries
    )
    fields: dict[str, str] = {}
    for entry in entries:
        manager = entry.get("manager")
        if manager in managers:
            fields |= dict.fromkeys(_owned(entry.get("fieldsV1") or {}), manager)
    if not fields and tracked_by is None:
        return UNOWNED
    return Ownership(fields, tracked_by, tracked_by or next(iter(fields.values())))


def _owned(owned: Mapping[str, Any]) -> Iterable[str]:
    """Names of the fields of `spec` in a FieldsV1."""
    spec = owned.get("f:spec")
    return (key[2:] for key in spec if key.startswith("f:")) if isinstance(spec, dict) else ()


def _marked(
    meta: Mapping[str, Any],
    place: str,
    known: Iterable[tuple[str, str | None, str]],
    managers: Collection[str],
    entries: Sequence[Mapping[str, Any]],
) -> str | None:
    """The tool that has left its mark in `place`, which is labels or annotations."""
    marks: Mapping[str, str] = meta.get(place) or {}
    for key, value, manager in known:
        there = manager in managers and key in marks and value in {None, marks[key]}
        if there and (not entries or any(_set_by(entry, manager, place, key) for entry in entries)):
            return manager
    return None


def _set_by(entry: Mapping[str, Any], manager: str, place: str, key: str) -> bool:
    """Whether a tool of that family owns the mark: Argo CD writes under two names, kapp and Flux under several."""
    if _family(entry.get("manager") or "") != _family(manager):
        return False
    owned = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get(f"f:{place}") or {}
    return f"f:{key}" in owned


def _family(manager: str) -> str:
    """`argocd` of `argocd-controller` and `argocd-application-controller`, `helm` of `Helm` and `helm-controller`."""
    return manager.split("-", maxsplit=1)[0].lower()
