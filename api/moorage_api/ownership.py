"""Who declares a field: which GitOps tool will put it back if somebody else changes it. Pure.

Two signs count: an entry of the tool in `metadata.managedFields` that owns the field, and the tool's tracking label or
annotation. The second one stays when somebody overrode the first, which moves the field to another manager.
"""

from collections.abc import Collection, Iterable, Mapping
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
    tracked_by = _marked(meta.get("labels"), _LABELS, managers) or _marked(
        meta.get("annotations"), _ANNOTATIONS, managers
    )
    fields: dict[str, str] = {}
    for entry in meta.get("managedFields") or ():
        manager = entry.get("manager")
        if manager in managers and not entry.get("subresource"):
            fields |= dict.fromkeys(_owned(entry.get("fieldsV1") or {}), manager)
    if not fields and tracked_by is None:
        return UNOWNED
    return Ownership(fields, tracked_by, tracked_by or next(iter(fields.values())))


def _owned(owned: Mapping[str, Any]) -> Iterable[str]:
    """Names of the fields of `spec` in a FieldsV1."""
    spec = owned.get("f:spec")
    return (key[2:] for key in spec if key.startswith("f:")) if isinstance(spec, dict) else ()


def _marked(
    marks: Mapping[str, str] | None, known: Iterable[tuple[str, str | None, str]], managers: Collection[str]
) -> str | None:
    if not marks:
        return None
    for key, value, manager in known:
        if manager in managers and key in marks and value in {None, marks[key]}:
            return manager
    return None
