"""The part of each object that the cache keeps: slotted views without anything that no answer needs.

10,000 bindings and 100,000 lines of history have to fit into a small pod, so raw objects, managedFields and statuses
are dropped here, and words that repeat (apps, releases, users, times) are kept once.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moorage_api.cache import ownership
from moorage_api.cache.line import NO_TIME, Line, recorded_place
from moorage_api.cache.ownership import Ownership
from moorage_crds.kinds import deployment, environment, freeze, lock, workspace
from moorage_crds.kinds.deployment import Action, Change, Claim
from moorage_crds.kinds.environment import NO_PROTECTION, Environment
from moorage_crds.kinds.freeze import StoredFreeze
from moorage_crds.kinds.lock import EnvironmentLock
from moorage_crds.kinds.protection import Protection
from moorage_crds.kinds.record import imported_claim
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.moments import to_moment
from moorage_crds.objects import RawObject, metadata, version_of


@dataclass(frozen=True, slots=True)
class RolloutView:
    """What became of a release; of an earlier one: how it ended.

    Attributes:
        sequence: the change that put it there.
        phase: as the status says; of an earlier one `healthy`, `failed` or `superseded`.
        since: when the phase began; empty of an earlier one.
        healthy_at: when it was healthy first.
        message: what is in the way.
    """

    sequence: int
    phase: str
    since: str = ""
    healthy_at: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class BindingView:
    """A Deployment as the facade needs it.

    Attributes:
        pending: changes that have no record yet, oldest first.
        last_sequence: number of the last change, recorded or not; 0 if there was none.
        recorded: the last sequence that has a record.
        floor: sequence of the oldest kept record.
        created_at: its creation time.
        declared_by: the GitOps tool that declares the release.
        rollout: what became of the newest recorded release; None where nothing follows the binding.
        outcomes: how earlier ones ended.
        evidence: `status.evidence`; None: there is none.
        deleting: it is being deleted, and goes when the last finalizer is removed.
        finalizers: what holds it.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    environment: str
    app: str
    release: str | None
    pending: tuple[Change, ...]
    last_sequence: int
    recorded: int
    floor: int
    declared_by: str | None
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    created_at: str = ""
    rollout: RolloutView | None = None
    outcomes: tuple[RolloutView, ...] = ()
    evidence: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """An Environment as the facade needs it.

    Attributes:
        stamp: the time of the last change as the policy stamped it; `updated_at` is made of it when the cache takes it.
        protection: what it asks of a release before it may enter.
        evidence, last_unlock: `status.gates`, where something is asked, and `status.lastUnlock`.
        deleting: it is being deleted, and goes when the last finalizer is removed.
        finalizers: what holds it.
        parameters: short texts about the place, sorted by name.
        comes_after: slug of the environment from which releases are promoted here.
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
    stamp: str | None
    ownership: Ownership
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    comes_after: str | None = None
    protection: Protection = NO_PROTECTION
    evidence: Mapping[str, Any] = field(default_factory=dict)
    last_unlock: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LockView:
    """An EnvironmentLock as the facade needs it.

    Attributes:
        stamp: the time of the last change as the policy stamped it; `locked_at` is made of it when the cache takes it.
        until: when it ends by itself; None: when somebody deletes it.
        first_locked_by: who made it.
        deleting: it is being deleted, and locks until the last finalizer is removed.
        finalizers: what holds it.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    reason: str
    locked_by: str | None
    created_at: str
    locked_at: str
    stamp: str | None
    declared_by: str | None
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    until: datetime | None = None
    first_locked_by: str | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether it has ended by itself."""
        return self.until is not None and self.until <= now

    @property
    def is_ended(self) -> bool:
        """Whether its last write has ended it, so that its deletion takes no name away."""
        return lock.is_ended(self.until, self.created_at, self.stamp)


@dataclass(frozen=True, slots=True)
class FreezeView:
    """A Freeze as the facade needs it.

    Attributes:
        stored: the gate that it is, and what was written.
        declared_by: the GitOps tool that declares anything of it.
        deleting: it is being deleted, and holds until the last finalizer is removed.
        finalizers: what holds it.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    created_at: str
    stored: StoredFreeze
    declared_by: str | None
    deleting: bool = False
    finalizers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamespaceView:
    """A Namespace, and the workspace that it is; None when it lost the labels."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    workspace: Workspace | None


class Words:
    """Keeps one copy of each repeated word. Bounded: when full it starts again empty, which costs only memory."""

    def __init__(self, limit: int = 200_000) -> None:
        self._limit = limit
        self._known: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        """The kept copy of `text`."""
        if len(self._known) >= self._limit:
            self._known.clear()
        return self._known.setdefault(text, text)

    def maybe(self, text: str | None) -> str | None:
        """The kept copy, or None of nothing."""
        return self(text) if text else None


class Reader:
    """Raw object → view, for every kind.

    Args:
        managers: the field managers that count as GitOps tools.
    """

    def __init__(self, managers: Collection[str]) -> None:
        self._managers = frozenset(managers)
        self._words = Words()

    def environment(self, raw: RawObject) -> EnvironmentView:
        """Read an Environment."""
        read: Environment = environment.from_object(raw)
        return EnvironmentView(
            namespace=self._words(read.namespace),
            name=self._words(read.name),
            uid=read.uid,
            resource_version=read.resource_version,
            generation=read.generation,
            display_name=read.display_name,
            description=read.description,
            is_default=read.is_default,
            created_by=self._words.maybe(read.created_by),
            created_at=read.created_at,
            updated_at=read.updated_at,
            stamp=read.stamp,
            ownership=ownership.read(raw, self._managers),
            deleting=read.deleting,
            finalizers=self._finalizers(raw),
            parameters=read.parameters,
            comes_after=self._words.maybe((raw["spec"].get("promotion") or {}).get("from")),
            protection=read.protection,
            evidence=read.status.get("gates") or {} if read.protection.is_set else {},
            last_unlock=read.status.get("lastUnlock") or {},
        )

    def binding(self, raw: RawObject) -> BindingView:
        """Read a Deployment."""
        read = deployment.from_object(raw)
        due = deployment.due_changes(read)
        kept = read.status.get("history") or {}
        last = due[-1].sequence if due else max(read.logged, read.recorded)
        return BindingView(
            namespace=self._words(read.namespace),
            name=self._words(read.name),
            uid=self._words(read.uid),
            resource_version=read.resource_version,
            environment=self._words(read.environment),
            app=self._words(read.app),
            release=self._words.maybe(read.release),
            pending=due,
            last_sequence=last,
            recorded=read.recorded,
            floor=kept.get("floorSequence") or 1,
            declared_by=self._words.maybe(ownership.read(raw, self._managers).of("release")),
            deleting=read.deleting,
            finalizers=self._finalizers(raw),
            created_at=read.created_at,
            rollout=_rollout(read.status.get("rollout")),
            outcomes=tuple(
                RolloutView(one["sequence"], self._words(one["outcome"]), healthy_at=one.get("healthyAt"))
                for one in read.status.get("outcomes") or ()
            ),
            evidence=read.status.get("evidence"),
        )

    def lock(self, raw: RawObject) -> LockView:
        """Read an EnvironmentLock."""
        read: EnvironmentLock = lock.from_object(raw)
        return LockView(
            namespace=self._words(read.namespace),
            name=self._words(read.name),
            uid=read.uid,
            resource_version=read.resource_version,
            generation=metadata(raw).get("generation", 0),
            reason=read.reason,
            locked_by=self._words.maybe(read.locked_by),
            created_at=read.created_at,
            locked_at=read.locked_at,
            stamp=read.stamp,
            declared_by=ownership.read(raw, self._managers).of("reason"),
            deleting=read.deleting,
            finalizers=self._finalizers(raw),
            until=to_moment(read.until),
            first_locked_by=self._words.maybe(read.first_locked_by),
        )

    def freeze(self, raw: RawObject) -> FreezeView:
        """Read a Freeze."""
        meta = metadata(raw)
        return FreezeView(
            namespace=self._words(meta["namespace"]),
            name=self._words(meta["name"]),
            uid=meta["uid"],
            resource_version=version_of(raw),
            created_at=meta["creationTimestamp"],
            stored=freeze.from_object(raw),
            declared_by=ownership.read(raw, self._managers).declared_by,
            deleting="deletionTimestamp" in meta,
            finalizers=self._finalizers(raw),
        )

    def _finalizers(self, raw: RawObject) -> tuple[str, ...]:
        return tuple(self._words(name) for name in metadata(raw).get("finalizers") or ())

    def namespace(self, raw: RawObject) -> NamespaceView:
        """Read a Namespace, workspace or not."""
        meta = metadata(raw)
        return NamespaceView(
            namespace="",
            name=self._words(meta["name"]),
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            workspace=workspace.from_object(raw),
        )

    def line(self, raw: RawObject) -> Line:
        """Read a DeploymentRecord."""
        meta, spec, words = raw["metadata"], raw["spec"], self._words
        claim = imported_claim(raw)
        uid, sequence = words(spec["deployment"]["uid"]), spec["sequence"]
        at = words(claim.at if claim is not None else spec["at"])
        created, version = words(meta["creationTimestamp"]), meta["resourceVersion"]
        own = words(recorded_place(at, created))
        return Line(
            namespace=words(meta["namespace"]),
            environment=words(spec["environment"]),
            app=words(spec["app"]),
            uid=uid,
            sequence=sequence,
            action=Action(spec["action"]),
            previous=words.maybe(spec.get("previousRelease")),
            release=words.maybe(spec.get("release")),
            by=words.maybe(spec.get("by")) if claim is None else None,
            at=at,
            reason=words.maybe(spec.get("reason")),
            request_id=spec.get("requestId"),
            recorded=True,
            version=version,
            created=created,
            first_version=version,
            own=own,
            key=(own, uid, sequence),
            override=tuple(words(gate) for gate in spec.get("override") or ()),
            digest=bytes.fromhex(spec["hash"]),
            claim=claim and Claim(at, words(claim.source), words.maybe(claim.by)),
        )


def _rollout(stored: Mapping[str, Any] | None) -> RolloutView | None:
    if stored is None:
        return None
    sequence, phase, since = stored["sequence"], stored["phase"], stored["since"]
    return RolloutView(sequence, phase, since, stored.get("healthySince"), stored.get("message"))


def pending_line(
    binding: BindingView, change: Change, *, at: str = "", own: str | None = None, seen_at: str = ""
) -> Line:
    """The line of a change that has no record yet.

    Args:
        binding: where it was made.
        change: what was made.
        at: its time, if that can be believed; default: the one in the change.
        own: the time by which it stands in the history; default: the one in the change.
        seen_at: when it was seen.
    """
    return Line(
        namespace=binding.namespace,
        environment=binding.environment,
        app=binding.app,
        uid=binding.uid,
        sequence=change.sequence,
        action=change.action,
        previous=change.previous,
        release=change.release,
        by=change.by,
        at=at or change.at or "",
        reason=change.reason,
        request_id=change.request_id,
        recorded=False,
        version=binding.resource_version,
        created=seen_at,
        first_version=binding.resource_version,
        own=own or change.at or NO_TIME,
        key=(own or change.at or NO_TIME, binding.uid, change.sequence),
        override=change.override,
    )
