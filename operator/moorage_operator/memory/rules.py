"""Memory of the rules of workspaces: locks, Freezes, ClusterFreezes, Approvals. Fed by watches and lists."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from moorage_crds import names
from moorage_crds.gates.freezes import Freeze
from moorage_crds.gates.lock import Lock
from moorage_crds.kinds import approval, cluster_freeze, freeze, lock
from moorage_crds.kinds.approval import Approval
from moorage_crds.kinds.freeze import StoredFreeze
from moorage_crds.kinds.lock import EnvironmentLock
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.moments import parse
from moorage_crds.objects import RawObject, is_newer, metadata
from moorage_operator.facts import Unlock

#: The kinds that are rules, and how each is read.
READERS: Final[dict[str, Any]] = {
    names.LOCKS: lock.from_object,
    names.FREEZES: freeze.from_object,
    names.CLUSTER_FREEZES: cluster_freeze.from_object,
    names.APPROVALS: approval.from_object,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One object that is a rule: where it is, its version, and its view; no Namespace: of the whole cluster."""

    namespace: str
    name: str
    uid: str
    version: str
    view: Any


@dataclass(slots=True)
class Rules:
    """All of them. `changes` grows whenever something about a lock or a Freeze is new."""

    changes: int = 0
    _known: dict[str, dict[str, Rule]] = field(default_factory=lambda: {plural: {} for plural in READERS})
    #: The same by Namespace: what somebody makes in one must not be walked through for all others.
    _in: dict[tuple[str, str], dict[str, Rule]] = field(default_factory=dict)

    def see(self, plural: str, raw: RawObject) -> Rule | None:
        """Take in an object; None if it brings nothing new.

        Raises:
            KeyError: it cannot be read, like everything else that somebody has spoiled in the store.
        """
        seen = read(plural, raw)
        known = self._known[plural].get(seen.uid)
        if known is not None and not is_newer(seen.version, known.version):
            return None
        self._known[plural][seen.uid] = seen
        self._in.setdefault((plural, seen.namespace), {})[seen.uid] = seen
        self._count(plural)
        return seen

    def drop(self, plural: str, uid: str) -> Rule | None:
        """An object is gone; None if it was not known."""
        gone = self._known[plural].pop(uid, None)
        if gone is not None:
            neighbours = self._in[plural, gone.namespace]
            del neighbours[uid]
            if not neighbours:
                del self._in[plural, gone.namespace]
            self._count(plural)
        return gone

    def _count(self, plural: str) -> None:
        self.changes += plural != names.APPROVALS

    def get(self, plural: str, uid: str) -> Rule | None:
        """One object of a kind; None if it is not known."""
        return self._known[plural].get(uid)

    def all(self, plural: str) -> tuple[Rule, ...]:
        """Everything of a kind."""
        return tuple(self._known[plural].values())

    def lock(self, namespace: str, environment: str) -> Lock | None:
        """The lock of an environment."""
        found = self._lock(namespace, environment)
        if found is None:
            return None
        return Lock(found.name, found.reason, found.locked_by, _moment(found.until))

    def ended(self, namespace: str, environment: str) -> Unlock | None:
        """Who unlocked an environment whose lock is still there, ended by name."""
        found = self._lock(namespace, environment)
        return unlocked(found) if found is not None else None

    def _lock(self, namespace: str, environment: str) -> EnvironmentLock | None:
        views: Iterator[EnvironmentLock] = (one.view for one in self._of(names.LOCKS, namespace))
        return next((view for view in views if view.name == environment), None)

    def freezes(self, namespace: str, workspace: Workspace | None) -> Iterator[Freeze]:
        """The Freezes that a Namespace has, and the ClusterFreezes that are about it, by name."""
        yield from _by_name(one.view for one in self._of(names.FREEZES, namespace))
        org, name = (workspace.org, workspace.workspace) if workspace is not None else ("", "")
        yield from _by_name(one.view for one in self.all(names.CLUSTER_FREEZES) if one.view.is_about(org, name))

    def approvals(self, namespace: str, environment: str) -> tuple[Approval, ...]:
        """The Approvals for an environment, oldest first."""
        views: Iterator[Approval] = (one.view for one in self._of(names.APPROVALS, namespace))
        return tuple(
            sorted(
                (view for view in views if view.environment == environment),
                key=lambda view: (view.created_at, view.uid),
            )
        )

    def _of(self, plural: str, namespace: str) -> Iterator[Rule]:
        return iter(self._in.get((plural, namespace), {}).values())


def unlocked(lock: EnvironmentLock) -> Unlock | None:
    """Who ended a lock by name; None: nobody."""
    return Unlock(lock.locked_at, lock.ended_by, lock.first_locked_by) if lock.ended_by is not None else None


def read(plural: str, raw: RawObject) -> Rule:
    """An object of one of the kinds."""
    meta = metadata(raw)
    return Rule(meta.get("namespace", ""), meta["name"], meta["uid"], meta["resourceVersion"], READERS[plural](raw))


def _by_name(stored: Iterable[StoredFreeze]) -> list[Freeze]:
    return sorted((one.gate for one in stored), key=lambda gate: gate.gate)


def _moment(text: str | None) -> datetime | None:
    return parse(text) if text else None
