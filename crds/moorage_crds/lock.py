"""View of a stored EnvironmentLock. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage_crds.objects import RawObject, metadata, version_of


@dataclass(frozen=True, slots=True)
class EnvironmentLock:
    """A refusal of every release change in the environment of the same name, for everybody.

    Attributes:
        name: the slug of the environment it locks.
        locked_by: user of the last change of the lock, None where no policy stamped it.
        locked_at: time of the last change of the lock.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    reason: str
    locked_by: str | None
    locked_at: str


def from_object(raw: RawObject) -> EnvironmentLock:
    """Read an EnvironmentLock as the API server sent it."""
    meta = metadata(raw)
    provenance: Mapping[str, Any] = raw.get("provenance") or {}
    return EnvironmentLock(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=version_of(raw),
        reason=raw["spec"]["reason"],
        locked_by=provenance.get("updatedBy") or None,
        locked_at=provenance.get("updatedAt") or meta["creationTimestamp"],
    )
