"""Gathers the evidence for the gates of Environments; the status writers write it to bindings and Environments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from moorage_crds import names
from moorage_crds.gates import engine
from moorage_crds.gates.engine import Schedule
from moorage_crds.gates.verdict import Gate
from moorage_crds.identifiers import NamespaceName
from moorage_crds.kinds.approval import Approval
from moorage_crds.kinds.protection import Protection, Requirement
from moorage_crds.kinds.record import Record, is_imported
from moorage_crds.kinds.record import from_object as to_record
from moorage_crds.reading import readable
from moorage_operator.facts import Stay
from moorage_operator.gates.decisions import (
    AppFacts,
    BindingNow,
    GatesFacts,
    is_housed,
    wanted_evidence,
    wanted_gates,
)
from moorage_operator.memory.chain import Chain, EnvironmentKey
from moorage_operator.memory.stays import AppStays
from moorage_operator.memory.world import KnownEnvironment, World
from moorage_operator.work.context import Surroundings

#: Changes continue while the history is read: attempts to read it again at once, before it waits for the next look.
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class _Planned:
    """A schedule, and for how long it is right: while the rules are these, until the moment."""

    changes: int
    schedule: Schedule | None
    until: datetime | None


class Evidence:
    """What stands before Environments."""

    def __init__(self, around: Surroundings) -> None:
        self._store = around.store
        self._world = around.world
        self._clock = around.clock
        self._planned: dict[EnvironmentKey, _Planned] = {}

    async def prepare(self, known: KnownEnvironment) -> None:
        """Make sure that the history is known by which this Environment decides.

        Raises:
            StoreError: the cluster did not answer; try again.
        """
        for key in _looked_at(known):
            for _ in range(_TRIES):
                if key in self._world.stays:
                    break
                await self._load(key)

    async def _load(self, key: EnvironmentKey) -> None:
        namespace, slug = key
        pages = self._store.pages(
            names.RECORDS, namespace=NamespaceName.parse(namespace), selector=f"{names.LABEL_ENVIRONMENT}={slug}"
        )
        found: list[Record] = []
        async for page in pages:
            # What an import claims proves nothing: no API server saw it.
            seen = [raw for raw in page.items if not is_imported(raw)]
            found += filter(None, (readable(to_record, raw, names.RECORDS) for raw in seen))
        self._world.stays.load(key, found)
        for chain in self._world.members(key):
            self._world.stays.follow(key, chain.deployment.app, chain.deployment.uid, chain.progress)

    def gates(self, known: KnownEnvironment, stored: dict[str, Any]) -> dict[str, Any] | None:
        """`status.gates` as it should be; None if nothing stands before the Environment."""
        key = (known.environment.namespace, known.environment.name)
        protection = known.environment.protection
        stays, origin = self._world.stays, _origin(known)
        first = {place: {app: one.since for app, one in stays.apps(place).items()} for place in (origin, key)}
        healthy = protection.promotion is not None and protection.promotion.require is Requirement.HEALTHY
        return wanted_gates(
            GatesFacts(
                protection=protection,
                schedule=self._schedule(key),
                lock=self._world.rules.lock(*key),
                stays=stays.of(key) if key in stays else None,
                origin=stays.of(origin) if origin in stays else None,
                bindings=bindings_of(self._world, key) if protection.approvals is not None else {},
                origin_bindings=bindings_of(self._world, origin) if healthy else {},
                approvals=self._world.rules.approvals(*key) if protection.approvals is not None else (),
                stored=stored.get("gates") or {},
                since=first[key],
                origin_since=first[origin],
                housed=self._housed(key, protection),
            )
        )

    def of(self, chain: Chain) -> dict[str, Any] | None:
        """`status.evidence` of a binding as it should be; None: its Environment asks for none."""
        known = self._world.environments.get(chain.environment)
        if known is None or not known.environment.protection.is_set:
            return None
        namespace, origin = _origin(known)
        place = names.binding_name(origin, chain.deployment.app)
        there = (one for one in self._world.at(namespace, place) if one.deleted_at is None)
        before = next((one for one in there if one.deployment.app == chain.deployment.app), None)
        return self._of(chain, known.environment.protection, before, self._approvals(known))

    def behind(self, known: KnownEnvironment) -> list[str]:
        """The uids of the bindings there whose evidence is not what it should be."""
        protection = known.environment.protection
        if not protection.is_set:
            return []
        before = {one.deployment.app: one for one in self._there(_origin(known))}
        approvals = self._approvals(known)
        key = (known.environment.namespace, known.environment.name)
        return [
            one.deployment.uid
            for one in self._there(key)
            if self._of(one, protection, before.get(one.deployment.app), approvals) != stored_evidence(one)
        ]

    def _of(
        self, chain: Chain, protection: Protection, before: Chain | None, approvals: Sequence[Approval]
    ) -> dict[str, Any] | None:
        """The evidence of one binding. `before`: that of its app in the environment that the promotion names."""
        app, stays, promotion = chain.deployment.app, self._world.stays, protection.promotion
        origin = (chain.deployment.namespace, promotion.origin if promotion is not None else "")
        healthy = promotion is not None and promotion.require is Requirement.HEALTHY
        return wanted_evidence(
            AppFacts(
                protection=protection,
                stays=_stays(stays.apps(chain.environment).get(app)) if chain.environment in stays else None,
                origin=_stays(stays.apps(origin).get(app)) if origin in stays else None,
                binding=_now(chain, stays.apps(chain.environment).get(app)),
                origin_healthy_since=_healthy_since(before) if healthy and before is not None else None,
                approvals=[one for one in approvals if one.app == app],
                stored=stored_evidence(chain),
            )
        )

    def _there(self, key: EnvironmentKey) -> Iterator[Chain]:
        return (one for one in self._world.members(key) if one.deleted_at is None)

    def _approvals(self, known: KnownEnvironment) -> Sequence[Approval]:
        place = known.environment
        if place.protection.approvals is None:
            return ()
        return self._world.rules.approvals(place.namespace, place.name)

    def _housed(self, key: EnvironmentKey, protection: Protection) -> frozenset[str]:
        if not protection.is_set:
            return frozenset()
        return frozenset(one.deployment.app for one in self._there(key) if is_housed(stored_evidence(one), protection))

    def is_ready(self, known: KnownEnvironment) -> bool:
        """Whether the history is known by which this Environment decides."""
        return all(key in self._world.stays for key in _looked_at(known))

    def over(self) -> list[EnvironmentKey]:
        """The Environments whose schedule is over: the calendar has closed or opened them."""
        now = self._clock.now()
        found = [key for key, one in self._planned.items() if one.until is not None and one.until <= now]
        for key in found:
            del self._planned[key]
        return found

    def _schedule(self, key: EnvironmentKey) -> Schedule | None:
        """By lock and Freezes. Kept until an edge, because a year of windows is long."""
        changes, now = self._world.rules.changes, self._clock.now()
        planned = self._planned.get(key)
        if planned is None or planned.changes != changes or (planned.until is not None and planned.until <= now):
            planned = self._planned[key] = self._plan(key, changes, now)
        return planned.schedule

    def _plan(self, key: EnvironmentKey, changes: int, now: datetime) -> _Planned:
        namespace, slug = key
        rules = self._world.rules
        lock = rules.lock(namespace, slug)
        freezes = rules.freezes(namespace, self._world.workspaces.get(namespace))
        gates: list[Gate] = [lock] if lock is not None else []
        gates += (one for one in freezes if one.is_about(slug, ""))
        if not gates:
            return _Planned(changes, None, None)
        schedule = engine.schedule(gates, slug, now)
        return _Planned(changes, schedule, schedule.next_open or schedule.next_close)


def bindings_of(world: World, key: EnvironmentKey) -> dict[str, BindingNow]:
    """App → how far its binding in an environment is.

    The numbers of a Deployment that is created again restart at 1, and the next change of an app without a Deployment
    is number 1, too. The last change of the deleted Deployment still uses up every approval made before it.
    """
    apps = world.stays.apps(key)
    before = {app: _after_all(known) for app, known in apps.items()}
    there = (chain for chain in world.members(key) if not chain.deleted_at)
    return before | {chain.deployment.app: _now(chain, apps.get(chain.deployment.app)) for chain in there}


def _now(chain: Chain, known: AppStays | None) -> BindingNow:
    """How far a binding is; of one that had no change yet: where its app was before it came."""
    now = _binding(chain)
    return now if now.sequence or known is None else _after_all(known)


def stored_evidence(chain: Chain) -> dict[str, Any] | None:
    """`status.evidence` as it is stored."""
    found: dict[str, Any] | None = chain.status().get("evidence")
    return found


def _stays(known: AppStays | None) -> Sequence[Stay]:
    return known.stays if known is not None else ()


def _origin(known: KnownEnvironment) -> EnvironmentKey:
    promotion = known.environment.protection.promotion
    return (known.environment.namespace, promotion.origin if promotion is not None else "")


def _looked_at(known: KnownEnvironment) -> tuple[EnvironmentKey, ...]:
    """The environments whose history is evidence for this one."""
    protection = known.environment.protection
    if not protection.is_set:
        return ()
    own = (known.environment.namespace, known.environment.name)
    return (own, _origin(known)) if protection.promotion is not None else (own,)


def _after_all(known: AppStays) -> BindingNow:
    last = known.stays[-1].release if known.stays else None
    return BindingNow(changed_at=known.changed_at or None, around=frozenset((last,) if last else ()))


def _binding(chain: Chain) -> BindingNow:
    deployment, progress = chain.deployment, chain.progress
    last = deployment.log[-1] if deployment.log and deployment.logged >= progress.sequence else progress.last
    # A change without a stamp has the time of its record, and until then none: what was approved before it is used up.
    recorded_at = progress.last.at if progress.last and progress.sequence >= deployment.logged else None
    return BindingNow(
        sequence=max(deployment.logged, progress.sequence),
        changed_at=(last.at or recorded_at) if last else None,
        around=frozenset(release for release in (last.release, last.previous) if release) if last else frozenset(),
        healthy_since=_healthy_since(chain),
    )


def _healthy_since(chain: Chain) -> str | None:
    """What the way back of a delivery says; a rollout of another change than the newest says nothing."""
    rollout = orjson.loads(chain.state.stored).get("rollout") or {}
    if rollout.get("phase") != "Healthy" or rollout.get("sequence") != chain.progress.sequence:
        return None
    return rollout.get("healthySince")
