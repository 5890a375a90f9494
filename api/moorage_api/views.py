"""What the cache keeps of each object: slotted views without anything that no answer needs.

10,000 bindings and 100,000 lines of history have to fit into a small pod, so raw objects, managedFields and statuses
are let go here, and words that repeat (apps, releases, users, times) are kept once.
"""

from collections.abc import Collection
from dataclasses import dataclass

from moorage_api import ownership
from moorage_api.ownership import Ownership
from moorage_crds import deployment, environment, lock, workspace
from moorage_crds.deployment import Action, Change
from moorage_crds.environment import Environment
from moorage_crds.lock import EnvironmentLock
from moorage_crds.objects import RawObject, metadata
from moorage_crds.workspace import Workspace

#: Sorts after every time: a line that has no time yet is the newest.
NO_TIME = "~"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of history, of a record or of a log entry that has no record yet.

    Attributes:
        uid: of the Deployment; with `sequence` it is the `deployment_id`.
        previous: the release before the change.
        release: the release after it; None after an undeploy.
        was_at: the time by which it stood in the history until it was recorded, if that was another one than `at`.
        version: resourceVersion of the record, or of the Deployment whose log has the entry.
    """

    namespace: str
    environment: str
    app: str
    uid: str
    sequence: int
    action: Action
    previous: str | None
    release: str | None
    by: str | None
    at: str | None
    reason: str | None
    request_id: str | None
    recorded: bool
    version: str
    was_at: str | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """Place in the history: time, then binding, then sequence."""
        return (self.at or NO_TIME, self.uid, self.sequence)


@dataclass(frozen=True, slots=True)
class BindingView:
    """A Deployment as the facade needs it.

    Attributes:
        pending: changes that have no record yet, oldest first.
        last_sequence: number of the last change, recorded or not; 0 if there was none.
        recorded: the last sequence that has a record.
        floor: sequence of the oldest kept record.
        declared_by: the GitOps tool that declares the release.
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


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """An Environment as the facade needs it."""

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
    ownership: Ownership


@dataclass(frozen=True, slots=True)
class LockView:
    """An EnvironmentLock as the facade needs it."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    reason: str
    locked_by: str | None
    locked_at: str
    declared_by: str | None


@dataclass(frozen=True, slots=True)
class NamespaceView:
    """A Namespace, and the workspace that it is; None when it lost the labels."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    workspace: Workspace | None


class Words:
    """Keeps one copy of each repeated word. Bounded: when full it starts anew, which costs memory and nothing else."""

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
            ownership=ownership.read(raw, self._managers),
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
        )

    def lock(self, raw: RawObject) -> LockView:
        """Read an EnvironmentLock."""
        read: EnvironmentLock = lock.from_object(raw)
        return LockView(
            namespace=self._words(read.namespace),
            name=self._words(read.name),
            uid=read.uid,
            resource_version=read.resource_version,
            reason=read.reason,
            locked_by=self._words.maybe(read.locked_by),
            locked_at=read.locked_at,
            declared_by=ownership.read(raw, self._managers).of("reason"),
        )

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
        return Line(
            namespace=words(meta["namespace"]),
            environment=words(spec["environment"]),
            app=words(spec["app"]),
            uid=words(spec["deployment"]["uid"]),
            sequence=spec["sequence"],
            action=Action(spec["action"]),
            previous=words.maybe(spec.get("previousRelease")),
            release=words.maybe(spec.get("release")),
            by=words.maybe(spec.get("by")),
            at=words(spec["at"]),
            reason=words.maybe(spec.get("reason")),
            request_id=spec.get("requestId"),
            recorded=True,
            version=meta["resourceVersion"],
        )


def pending_line(binding: BindingView, change: Change) -> Line:
    """The line of a change that has no record yet."""
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
        at=change.at,
        reason=change.reason,
        request_id=change.request_id,
        recorded=False,
        version=binding.resource_version,
    )
