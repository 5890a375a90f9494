"""Memory of the cluster: bindings with their chains, Environments, Namespaces.

Fed by the watches (through `intake`) and by the sweep's lists; every loop reads it. Views are slotted and statuses are
kept as bytes, because ten thousand bindings have to fit into a small container.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from moorage_crds import names
from moorage_crds.clock import Clock
from moorage_crds.identifiers import EnvironmentSlug, NamespaceName
from moorage_crds.kinds.deployment import Deployment
from moorage_crds.kinds.environment import Environment
from moorage_crds.kinds.lock import EnvironmentLock
from moorage_crds.kinds.workspace import Workspace
from moorage_crds.moments import to_moment, to_text
from moorage_crds.objects import is_newer
from moorage_crds.store import ObjectRef
from moorage_operator.facts import ActiveApp, Unlock
from moorage_operator.history import decisions as history
from moorage_operator.memory import chain_state
from moorage_operator.memory.chain import Chain, EnvironmentKey
from moorage_operator.memory.chain_state import NO_STATUS, Fact, Gone, Now, Seen, packed
from moorage_operator.memory.rules import Rules, unlocked
from moorage_operator.memory.stays import Stays

#: How long an object that was deleted is remembered, so that an older list does not bring it back. Seconds.
TOMBSTONE_SECONDS: Final = 600.0


@dataclass(slots=True)
class KnownEnvironment:
    """An Environment, and when its status was written last (monotonic; 0: never by this process)."""

    environment: Environment
    stored: bytes
    written_at: float = 0.0

    @property
    def ref(self) -> ObjectRef:
        """Where it is."""
        return ObjectRef(
            names.ENVIRONMENTS,
            NamespaceName.parse(self.environment.namespace),
            EnvironmentSlug.parse(self.environment.name),
        )


@dataclass(frozen=True, slots=True)
class EnvironmentEnd:
    """An Environment went, with this version, and no other one of its name has come."""

    monotonic: float
    version: str


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """One object, by place and uid."""

    plural: str
    namespace: str
    name: str
    uid: str


@dataclass(slots=True)
class World:
    """Everything that is remembered. All calls come from one event loop."""

    clock: Clock
    chains: dict[str, Chain] = field(default_factory=dict)
    environments: dict[EnvironmentKey, KnownEnvironment] = field(default_factory=dict)
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    unrecorded: set[str] = field(default_factory=set)
    degraded: set[str] = field(default_factory=set)
    unseen: dict[ObjectKey, float] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    stays: Stays = field(default_factory=Stays)
    _unlocks: dict[EnvironmentKey, Unlock] = field(default_factory=dict)
    _slugs: dict[str, set[str]] = field(default_factory=dict)
    _members: dict[EnvironmentKey, set[str]] = field(default_factory=dict)
    _places: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _dependents: dict[EnvironmentKey, set[EnvironmentKey]] = field(default_factory=dict)
    _missed: dict[EnvironmentKey, float] = field(default_factory=dict)
    _ended: dict[EnvironmentKey, EnvironmentEnd] = field(default_factory=dict)
    _tombstones: dict[str, float] = field(default_factory=dict)
    _second: tuple[int, str] = (0, "")

    # Deployments and their chains

    def see_deployment(self, seen: Deployment, *, from_list: bool = False) -> Chain | None:
        """Take in a view of a Deployment; None if something newer is known already (or that it is gone)."""
        if from_list and self.is_buried(seen.uid):
            return None
        known = self.chains.get(seen.uid)
        news = known is None or is_newer(seen.resource_version, known.deployment.resource_version)
        behind = known is not None and is_newer(known.deployment.resource_version, seen.resource_version)
        self._mark_seen(_key(names.DEPLOYMENTS, seen), from_list=from_list, news=news, behind=behind)
        if known is None:
            return self._begin(seen)
        if not news:
            return None
        self.tell(known, Seen(seen))
        return known

    def _begin(self, seen: Deployment) -> Chain:
        made = Chain(chain_state.first(seen, self._now()))
        self.chains[seen.uid] = made
        self._members.setdefault(made.environment, set()).add(seen.uid)
        self._places.setdefault((seen.namespace, seen.name), set()).add(seen.uid)
        self._keep(made)
        return made

    def tell(self, of: Chain, fact: Fact) -> None:
        """Something happened to a chain. Nobody else changes what is known of it."""
        of.go_on(fact, self._now())
        # Who asked the cluster meanwhile may speak of a chain that has ended and been forgotten since.
        if self.chains.get(of.deployment.uid) is of:
            self._keep(of)

    def _keep(self, of: Chain) -> None:
        """Keep what is asked for by another key than the chain."""
        uid = of.deployment.uid
        self.stays.follow(of.environment, of.deployment.app, uid, of.progress)
        (self.degraded.add if of.progress.degraded else self.degraded.discard)(uid)
        (self.unrecorded.add if of.arrivals else self.unrecorded.discard)(uid)

    def _now(self) -> Now:
        return Now(self.clock.monotonic(), self._present_second())

    def _present_second(self) -> str:
        """Now, RFC 3339; made into text once a second, because every event asks."""
        now = self.clock.now()
        second = int(now.timestamp())
        if second != self._second[0]:
            self._second = (second, to_text(now))
        return self._second[1]

    def mark_deleted(self, known: Chain) -> None:
        """The Deployment is gone; its chain stays until its end has been recorded."""
        self.bury(known.deployment.uid)
        self.unseen.pop(_key(names.DEPLOYMENTS, known.deployment), None)
        self.tell(known, Gone())

    def forget_chain(self, uid: str) -> None:
        """Drop a chain whose Deployment is gone and whose end is recorded (or can never be)."""
        known = self.chains.pop(uid, None)
        self.unrecorded.discard(uid)
        self.degraded.discard(uid)
        if known is None:
            return
        place = (known.deployment.namespace, known.deployment.name)
        self._places[place].discard(uid)
        if not self._places[place]:
            del self._places[place]
        members = self._members.get(known.environment, set())
        members.discard(uid)
        if not members:
            self._members.pop(known.environment, None)
            self._missed.pop(known.environment, None)

    def members(self, key: EnvironmentKey) -> Iterator[Chain]:
        """The chains of all Deployments that name that Environment, whether it exists or not."""
        for uid in tuple(self._members.get(key, ())):
            yield self.chains[uid]

    def at(self, namespace: str, name: str) -> Iterator[Chain]:
        """The chains of the Deployments that have, or had, that place."""
        for uid in tuple(self._places.get((namespace, name), ())):
            yield self.chains[uid]

    def active(self, key: EnvironmentKey) -> tuple[ActiveApp, ...]:
        """The deployed releases there that are recorded."""
        return tuple(
            ActiveApp(one.deployment.app, one.progress.release, history.latest_time(one.progress))
            for one in self.members(key)
            if one.progress.release is not None and one.deleted_at is None
        )

    # Environments and Namespaces

    def dependents(self, key: EnvironmentKey) -> tuple[EnvironmentKey, ...]:
        """The Environments that take releases from this one."""
        return tuple(self._dependents.get(key, ()))

    def _depend(self, seen: Environment, before: Environment | None) -> None:
        own = (seen.namespace, seen.name)
        for one, change in ((before, set.discard), (seen, set.add)):
            if one is not None and one.protection.promotion is not None:
                change(self._dependents.setdefault((seen.namespace, one.protection.promotion.origin), set()), own)

    def environment_uid(self, key: EnvironmentKey) -> str | None:
        """Uid of the Environment of that name, None if there is none."""
        known = self.environments.get(key)
        return known.environment.uid if known else None

    def see_environment(self, seen: Environment, *, from_list: bool = False) -> bool:
        """Take in a view of an Environment; False if it brings nothing new."""
        if from_list and self.is_buried(seen.uid):
            return False
        key = (seen.namespace, seen.name)
        known = self.environments.get(key)
        news = known is None or is_newer(seen.resource_version, known.environment.resource_version)
        behind = known is not None and is_newer(known.environment.resource_version, seen.resource_version)
        self._mark_seen(_key(names.ENVIRONMENTS, seen), from_list=from_list, news=news, behind=behind)
        if not news:
            return False
        self._missed.pop(key, None)
        self._ended.pop(key, None)
        written_at = known.written_at if known is not None else 0.0
        self._depend(seen, known.environment if known is not None else None)
        view = replace(seen, status=NO_STATUS)
        self.environments[key] = KnownEnvironment(view, packed(seen.status), written_at)
        self._slugs.setdefault(seen.namespace, set()).add(seen.name)
        return True

    def drop_environment(self, gone: Environment) -> bool:
        """An Environment is gone; False if it was not known, or a successor of that name is."""
        self.bury(gone.uid)
        self.unseen.pop(_key(names.ENVIRONMENTS, gone), None)
        key = (gone.namespace, gone.name)
        known = self.environments.get(key)
        if known is None or known.environment.uid != gone.uid:
            return False
        del self.environments[key]
        self._slugs[gone.namespace].discard(gone.name)
        if not self._slugs[gone.namespace]:
            del self._slugs[gone.namespace]
        self.stays.forget(key)
        self._unlocks.pop(key, None)
        self._note_end(key, gone.resource_version)
        self.missing_seconds(key)
        return True

    def lock_gone(self, lock: EnvironmentLock) -> None:
        """A lock is not there any more: who unlocked is remembered, unless it had ended by itself."""
        key = (lock.namespace, lock.name)
        until = to_moment(lock.until)
        ended = unlocked(lock)
        if ended is None and (until is None or until > self.clock.now()):
            ended = Unlock(self._present_second(), None, lock.first_locked_by)
        if ended is not None and key in self.environments:
            self._unlocks[key] = ended

    def unlock(self, key: EnvironmentKey) -> Unlock | None:
        """The last unlock of an Environment that this process has seen."""
        return self.rules.ended(*key) or self._unlocks.get(key)

    def _note_end(self, key: EnvironmentKey, version: str) -> None:
        now = self.clock.monotonic()
        old = [one for one, end in self._ended.items() if now - end.monotonic >= TOMBSTONE_SECONDS]
        for one in old:
            if one not in self._members:
                del self._ended[one]
        self._ended[key] = EnvironmentEnd(now, version)

    def outlived(self, known: Chain) -> bool:
        """An Environment of the name was seen to go, and the binding was there before.

        By versions and not by times, because an event can come late. A binding that was made afterwards is left alone,
        although somebody may have deployed it in the belief that the Environment is there: Git may apply it first.
        """
        end = self._ended.get(known.environment)
        return end is not None and is_newer(end.version, known.state.begun)

    def missing_seconds(self, key: EnvironmentKey) -> float:
        """How long this process has seen bindings that name an Environment that does not exist."""
        if key in self.environments or key not in self._members:
            return 0.0
        now = self.clock.monotonic()
        return now - self._missed.setdefault(key, now)

    def slugs(self, namespace: str) -> frozenset[str]:
        """Names of the Environments of a Namespace."""
        return frozenset(self._slugs.get(namespace, ()))

    def environments_of(self, namespace: str) -> Iterator[Environment]:
        """The Environments of a Namespace, in no order; no others are looked at."""
        return (self.environments[namespace, slug].environment for slug in self._slugs.get(namespace, ()))

    # What lists show and watches have not

    def _mark_seen(self, key: ObjectKey, *, from_list: bool, news: bool, behind: bool) -> None:
        if from_list and news:
            self.unseen.setdefault(key, self.clock.monotonic())
        elif not from_list and not behind:
            self.unseen.pop(key, None)

    def bury(self, uid: str) -> None:
        """Remember that an object was deleted, so that an older list does not bring it back."""
        now = self.clock.monotonic()
        self._tombstones[uid] = now
        while self._tombstones:
            oldest = next(iter(self._tombstones))
            if now - self._tombstones[oldest] < TOMBSTONE_SECONDS:
                break
            del self._tombstones[oldest]

    def is_buried(self, uid: str) -> bool:
        """The object was seen to be deleted a short while ago."""
        buried_at = self._tombstones.get(uid)
        return buried_at is not None and self.clock.monotonic() - buried_at < TOMBSTONE_SECONDS


def _key(plural: str, view: Deployment | Environment) -> ObjectKey:
    return ObjectKey(plural, view.namespace, view.name, view.uid)
