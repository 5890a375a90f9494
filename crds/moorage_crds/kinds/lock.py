"""EnvironmentLocks: schema, view, and what the cluster knows of the kind. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field

from moorage_crds import names, patterns
from moorage_crds.admission import LOCKED, Policy
from moorage_crds.identifiers import EnvironmentSlug
from moorage_crds.kinds.kind import READ, WRITE, AccountRights, Kind, Role
from moorage_crds.kinds.parts import Instant, Part, Provenance
from moorage_crds.moments import to_moment
from moorage_crds.objects import RawObject, metadata, version_of
from moorage_crds.patterns import whole


class EnvironmentLockSpec(Part):
    """Why the environment is locked."""

    reason: Annotated[str, Field(min_length=1, max_length=512, pattern=whole(patterns.LINE))] = Field(
        description="Shown to everybody whose change is refused. Who changes somebody else's lock replaces it."
    )
    until: Instant | None = Field(
        default=None, description="When the lock ends by itself, RFC 3339; absent: when somebody deletes it."
    )


class EnvironmentLockModel(Part):
    """Refuses every release change in the environment of the same name, by every door. Its name is the slug."""

    spec: EnvironmentLockSpec
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentLock:
    """A refusal of every release change in the environment of the same name, for everybody.

    Attributes:
        name: the slug of the environment it locks.
        until: when it ends by itself, RFC 3339; None: when somebody deletes it.
        locked_by: user of the last change of the lock, None where no policy stamped it.
        first_locked_by: user who created it, None where no policy stamped it.
        created_at: time of its creation.
        locked_at: time of the last change of the lock, else of the creation.
        stamp: the same as the policy stamped it, None if it left no time.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    reason: str
    locked_by: str | None
    created_at: str
    locked_at: str
    stamp: str | None
    deleting: bool
    until: str | None = None
    first_locked_by: str | None = None

    @property
    def ended_by(self) -> str | None:
        """Who unlocked, by a last write that ended it; None: nobody, or it is not known."""
        return self.locked_by if is_ended(to_moment(self.until), self.created_at, self.stamp) else None


def is_ended(until: datetime | None, created_at: str, stamp: str | None) -> bool:
    """Whether the last write of a lock has ended it: it set an end that was not ahead of it.

    Every write comes after the creation, so an end before that is one even where the write left no time.

    Args:
        until: when the lock ends by itself; None: it does not.
        created_at: time of its creation.
        stamp: time of its last change, None if it left none.
    """
    known = (to_moment(created_at), to_moment(stamp))
    return until is not None and any(until <= one for one in known if one is not None)


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
        created_at=meta["creationTimestamp"],
        locked_at=provenance.get("updatedAt") or meta["creationTimestamp"],
        stamp=provenance.get("updatedAt") or None,
        deleting="deletionTimestamp" in meta,
        until=raw["spec"].get("until") or None,
        first_locked_by=provenance.get("createdBy") or None,
    )


KIND: Final = Kind(
    plural=names.LOCKS,
    kind="EnvironmentLock",
    short_names=("elock",),
    identifier=EnvironmentSlug,
    model=EnvironmentLockModel,
    read=from_object,
    name_schema={"type": "string", "maxLength": 63, "pattern": whole(patterns.SLUG)},
    columns=[
        {"name": "Reason", "type": "string", "jsonPath": ".spec.reason"},
        {"name": "Locked By", "type": "string", "jsonPath": ".provenance.updatedBy"},
        {"name": "Until", "type": "string", "jsonPath": ".spec.until"},
        {"name": "First Locked By", "type": "string", "jsonPath": ".provenance.createdBy", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ],
    rest_word="lock",
    operator=AccountRights(("list", "watch")),
    facade=AccountRights(READ, why="get: what changed between the cache and a write is read again"),
    callers=WRITE,
    users=dict.fromkeys((Role.EDIT, Role.RELEASE_MANAGER), (*WRITE, "update")),
    policies=(
        Policy(names.POLICY_DEPLOYMENT_LOCKS, "locks do not hold back changes of releases", LOCKED),
        Policy("lock-takeovers.moorage.dev", "who changes somebody else's lock can keep the reason of the other"),
    ),
)
