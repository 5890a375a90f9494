"""What this process knows of the cluster: bindings with their chains, Environments, Namespaces.

Fed by the watches (through `intake`) and by the sweep's lists; every loop reads it. Views are slotted and statuses are
kept as bytes, because ten thousand bindings have to fit into a small container.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from moorage_crds import names
from moorage_crds.clock import Clock, to_rfc3339
from moorage_crds.deployment import Deployment
from moorage_crds.environment import Environment
from moorage_crds.identifiers import BindingName, EnvironmentSlug, NamespaceName
from moorage_crds.objects import is_newer
from moorage_crds.store import ObjectRef
from moorage_crds.workspace import Workspace
from moorage_operator.decisions import history
from moorage_operator.decisions.facts import ActiveDeployment, ChainFacts, Progress, Trouble, Unstamped
from moorage_operator.decisions.history import Due

#: How long an object that was deleted is remembered, so that an older list does not bring it back. Seconds.
TOMBSTONE_SECONDS: Final = 600.0

EnvironmentKey = tuple[str, str]
"""Namespace and slug."""

_NO_STATUS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a change that is not recorded yet was seen first."""

    sequence: int
    monotonic: float
    seen_at: str


@dataclass(slots=True)
class Chain:
    """One binding and how far its history is.

    Attributes:
        deployment: the newest view; without its status, and of its log only what is still needed.
        stored: the status as it is stored, JSON.
        progress: how far the records go, as far as this process knows; the status may be behind.
        written: `recordedSequence` of the status that is stored, or on its way.
        written_at: monotonic time of our last status write; 0 if there was none.
        arrivals: changes that are waiting, oldest first.
        listed: `recordedSequence` at the last full list.
        homeless: its Namespace is going or gone, so nothing can be recorded any more.
    """

    deployment: Deployment
    stored: bytes
    progress: Progress
    written: int
    written_at: float = 0.0
    unstamped: tuple[Unstamped, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    deleted_at: str | None = None
    trouble: Trouble | None = None
    listed: int = 0
    homeless: bool = False

    @property
    def incomplete(self) -> bool:
        """The status counts records without saying what the newest of them is: it has to be read."""
        return self.progress.sequence > 0 and (self.progress.tip_hash is None or self.progress.last is None)

    @property
    def environment(self) -> EnvironmentKey:
        """The Environment that the binding names."""
        return (self.deployment.namespace, self.deployment.environment)

    @property
    def ref(self) -> ObjectRef:
        """Where the Deployment is."""
        return ObjectRef(
            names.DEPLOYMENTS,
            NamespaceName.parse(self.deployment.namespace),
            BindingName.parse(self.deployment.name),
        )

    def facts(self) -> ChainFacts:
        """What decides which records are due."""
        return ChainFacts(self.deployment, self.progress, self.unstamped, self.deleted_at)

    def due(self) -> tuple[Due, ...]:
        """The changes that have no record yet."""
        return history.due(self.facts())

    def status(self) -> dict[str, Any]:
        """The stored status."""
        status: dict[str, Any] = orjson.loads(self.stored)
        return status


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
    _members: dict[EnvironmentKey, set[str]] = field(default_factory=dict)
    _missed: dict[EnvironmentKey, float] = field(default_factory=dict)
    _tombstones: dict[str, float] = field(default_factory=dict)
    _second: tuple[int, str] = (0, "")

    # Deployments and their chains

    def see_deployment(self, seen: Deployment, *, from_list: bool = False) -> Chain | None:
        """Take in a view of a Deployment; None if something newer is known already (or that it is gone)."""
        if from_list and self.is_buried(seen.uid):
            return None
        chain = self.chains.get(seen.uid)
        news = chain is None or is_newer(seen.resource_version, chain.deployment.resource_version)
        behind = chain is not None and is_newer(chain.deployment.resource_version, seen.resource_version)
        self._mark_seen(_key(names.DEPLOYMENTS, seen), from_list=from_list, news=news, behind=behind)
        if chain is not None and not news:
            return None
        return self._begin(seen) if chain is None else self._go_on(chain, seen)

    def _begin(self, seen: Deployment) -> Chain:
        progress = history.progress_of(seen)
        chain = Chain(_slim(seen, progress), packed(seen.status), progress, seen.recorded)
        self.chains[seen.uid] = chain
        self._members.setdefault(chain.environment, set()).add(seen.uid)
        self._take_stock(chain)
        return chain

    def _go_on(self, chain: Chain, seen: Deployment) -> Chain:
        chain.progress = history.further(chain.progress, history.progress_of(seen))
        chain.deployment = _slim(seen, chain.progress)
        chain.stored = packed(seen.status)
        chain.written = max(chain.written, seen.recorded)
        self._take_stock(chain)
        return chain

    def advance(self, chain: Chain, progress: Progress) -> None:
        """A record was written or found: the chain is that much further."""
        chain.progress = progress
        chain.trouble = None
        self._take_stock(chain)

    def _take_stock(self, chain: Chain) -> None:
        """Work out anew what waits, after anything about the chain has changed."""
        seen_at = self._present_second()
        if chain.deleted_at is None:
            chain.unstamped = history.with_unstamped(chain.facts(), seen_at)
        waiting = chain.due()
        uid = chain.deployment.uid
        (self.degraded.add if chain.progress.degraded else self.degraded.discard)(uid)
        if not waiting:
            chain.arrivals, chain.trouble = (), None
            self.unrecorded.discard(uid)
            return
        self.unrecorded.add(uid)
        old = {arrival.sequence: arrival for arrival in chain.arrivals}
        now = self.clock.monotonic()
        chain.arrivals = tuple(
            old.get(one.change.sequence) or Arrival(one.change.sequence, now, one.seen_at or seen_at) for one in waiting
        )

    def _present_second(self) -> str:
        """Now, RFC 3339; made into text once a second, because every event asks."""
        now = self.clock.now()
        second = int(now.timestamp())
        if second != self._second[0]:
            self._second = (second, to_rfc3339(now))
        return self._second[1]

    def mark_deleted(self, chain: Chain) -> None:
        """The Deployment is gone; its chain stays until its end has been recorded."""
        if chain.deleted_at is None:
            chain.deleted_at = to_rfc3339(self.clock.now())
        self._bury(chain.deployment.uid)
        self.unseen.pop(_key(names.DEPLOYMENTS, chain.deployment), None)
        self._take_stock(chain)

    def forget_chain(self, uid: str) -> None:
        """Drop a chain whose Deployment is gone and whose end is recorded (or can never be)."""
        chain = self.chains.pop(uid, None)
        self.unrecorded.discard(uid)
        self.degraded.discard(uid)
        if chain is None:
            return
        members = self._members.get(chain.environment, set())
        members.discard(uid)
        if not members:
            self._members.pop(chain.environment, None)
            self._missed.pop(chain.environment, None)

    def members(self, key: EnvironmentKey) -> Iterator[Chain]:
        """The chains of all Deployments that name that Environment, whether it exists or not."""
        for uid in tuple(self._members.get(key, ())):
            yield self.chains[uid]

    def active(self, key: EnvironmentKey) -> tuple[ActiveDeployment, ...]:
        """What is deployed there, as far as it is recorded."""
        return tuple(
            ActiveDeployment(
                chain.deployment.app,
                chain.progress.release,
                history.latest_time(chain.progress),
            )
            for chain in self.members(key)
            if chain.progress.release is not None and chain.deleted_at is None
        )

    # Environments and Namespaces

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
        written_at = known.written_at if known is not None else 0.0
        view = replace(seen, status=_NO_STATUS)
        self.environments[key] = KnownEnvironment(view, packed(seen.status), written_at)
        return True

    def drop_environment(self, gone: Environment) -> bool:
        """An Environment is gone; False if it was not known, or a successor of that name is."""
        self._bury(gone.uid)
        self.unseen.pop(_key(names.ENVIRONMENTS, gone), None)
        key = (gone.namespace, gone.name)
        known = self.environments.get(key)
        if known is None or known.environment.uid != gone.uid:
            return False
        del self.environments[key]
        self.missing_seconds(key)
        return True

    def missing_seconds(self, key: EnvironmentKey) -> float:
        """For how long, as far as this process has seen, bindings name an Environment that is not there."""
        if key in self.environments or key not in self._members:
            return 0.0
        now = self.clock.monotonic()
        return now - self._missed.setdefault(key, now)

    def slugs(self, namespace: str) -> frozenset[str]:
        """Names of the Environments of a Namespace."""
        return frozenset(name for place, name in self.environments if place == namespace)

    # What lists show and watches have not

    def _mark_seen(self, key: ObjectKey, *, from_list: bool, news: bool, behind: bool) -> None:
        if from_list and news:
            self.unseen.setdefault(key, self.clock.monotonic())
        elif not from_list and not behind:
            self.unseen.pop(key, None)

    def _bury(self, uid: str) -> None:
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


def packed(status: Mapping[str, Any]) -> bytes:
    """A status as JSON that takes no more room than it needs: orjson's own buffer is four times as large."""
    return bytes(memoryview(orjson.dumps(status)))


def _key(plural: str, view: Deployment | Environment) -> ObjectKey:
    return ObjectKey(plural, view.namespace, view.name, view.uid)


def _slim(seen: Deployment, progress: Progress) -> Deployment:
    """The view without its status, with shared strings, and without log entries that are recorded (but the last)."""
    log = seen.log[-1:] if seen.logged <= progress.sequence else seen.log
    return replace(
        seen,
        namespace=sys.intern(seen.namespace),
        environment=sys.intern(seen.environment),
        app=sys.intern(seen.app),
        log=log,
        status=_NO_STATUS,
    )
