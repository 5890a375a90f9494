"""View of a stored Environment. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage_crds.objects import RawObject, metadata, version_of


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment of a workspace.

    Attributes:
        name: the slug (`metadata.name`).
        display_name: what people call it; the slug if nothing else was said.
        is_default: one of the environments the workspace came with; cannot be deleted.
        created_by: user of the creating request, None where no policy stamped it.
        updated_at: time of the last change of the spec, else of the creation.
        status: the raw status, to compare with a wanted one.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    display_name: str
    description: str
    is_default: bool
    created_by: str | None
    created_at: str
    updated_at: str
    deleting: bool
    status: Mapping[str, Any]


def from_object(raw: RawObject) -> Environment:
    """Read an Environment as the API server sent it."""
    meta = metadata(raw)
    spec: Mapping[str, Any] = raw.get("spec") or {}
    provenance: Mapping[str, Any] = raw.get("provenance") or {}
    return Environment(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=version_of(raw),
        generation=meta.get("generation", 0),
        display_name=spec.get("displayName") or meta["name"],
        description=spec.get("description") or "",
        is_default=bool(spec.get("isDefault", False)),
        created_by=provenance.get("createdBy") or None,
        created_at=meta["creationTimestamp"],
        updated_at=provenance.get("updatedAt") or meta["creationTimestamp"],
        deleting="deletionTimestamp" in meta,
        status=raw.get("status") or {},
    )
