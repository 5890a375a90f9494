"""Stand-ins for the ports: a store in memory, a clock that is set by hand, a leadership, counters."""

import asyncio
import copy
import itertools
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from moorage_crds import names
from moorage_crds.clock import to_rfc3339
from moorage_crds.deployment import Change
from moorage_crds.identifiers import NamespaceName
from moorage_crds.objects import RawObject
from moorage_crds.store import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ObjectRef,
    Page,
    Right,
    StoreError,
)

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
PAGE_SIZE = 3

Key = tuple[str, str, str]
Watcher = Callable[[str, str, RawObject], None]


class FixedClock:
    """A clock that moves when it is told to."""

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment
        self.seconds = 1000.0

    def now(self) -> datetime:
        """The moment it was set to."""
        return self.moment

    def monotonic(self) -> float:
        """Moves along with `now`."""
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)
        self.seconds += seconds


@dataclass
class Failure:
    """An answer to be given instead of the real one, `times` times."""

    verb: str
    plural: str
    error: StoreError
    times: int
    committed: bool


class InMemoryStore:
    """`ResourceStore` over a dictionary, with uids, versions, generations, preconditions and a separate status.

    Watchers hear of every change at once, unless `muted`. There is no schema and no policy.
    """

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.objects: dict[Key, RawObject] = {}
        self.watchers: list[Watcher] = []
        self.muted = False
        self.calls: Counter[tuple[str, str]] = Counter()
        self.failures: list[Failure] = []
        self.version = "v1.37.2"
        self.denied: Callable[[Right], bool] = lambda _: False
        self._versions = itertools.count(1)

    # For tests

    def fail(self, verb: str, plural: str, error: StoreError, *, times: int = 1, committed: bool = False) -> None:
        """Answer the next calls with an error; `committed` does the work first, as a lost reply does."""
        self.failures.append(Failure(verb, plural, error, times, committed))

    def put(self, raw: RawObject) -> RawObject:
        """Write an object as it is, as somebody else would; it gets a version (and a uid, if it has none)."""
        plural = _plural_of(raw)
        meta = raw["metadata"]
        key = (plural, meta.get("namespace", ""), meta["name"])
        known = self.objects.get(key)
        same = known is not None and known["metadata"]["uid"] == meta.get("uid", known["metadata"]["uid"])
        stored = copy.deepcopy(raw)
        meta = stored["metadata"]
        meta.setdefault("uid", known["metadata"]["uid"] if known and same else str(uuid.uuid4()))
        meta.setdefault("creationTimestamp", to_rfc3339(self.clock.now()))
        meta.setdefault("generation", 1)
        return self._store(key, stored, "MODIFIED" if same else "ADDED")

    def remove(self, plural: str, namespace: str, name: str) -> None:
        """Delete an object, as somebody else would."""
        raw = self.objects.pop((plural, namespace, name))
        raw["metadata"]["resourceVersion"] = str(next(self._versions))
        self._tell(plural, "DELETED", raw)

    def one(self, plural: str, namespace: str, name: str) -> RawObject | None:
        """A copy of an object, None if there is none."""
        return copy.deepcopy(self.objects.get((plural, namespace, name)))

    def all(self, plural: str) -> list[RawObject]:
        """Copies of all objects of a kind, in the order of their keys."""
        return [copy.deepcopy(raw) for key, raw in sorted(self.objects.items()) if key[0] == plural]

    @property
    def writes(self) -> int:
        """How many writes were asked for."""
        return sum(count for (verb, _), count in self.calls.items() if verb not in {"get", "list"})

    # The port

    async def get(self, ref: ObjectRef) -> RawObject:
        await asyncio.sleep(0)
        self._count("get", ref.plural)
        return copy.deepcopy(self._found(ref))

    async def pages(
        self,
        plural: str,
        *,
        namespace: NamespaceName | None = None,
        selector: str | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[Page]:
        await asyncio.sleep(0)
        self._count("list", plural)
        wanted = dict(part.split("=", 1) for part in (selector or "").split(",") if part)
        found = [
            raw
            for raw in self.all(plural)
            if (namespace is None or raw["metadata"].get("namespace") == namespace)
            and wanted.items() <= (raw["metadata"].get("labels") or {}).items()
        ]
        if metadata_only:
            found = [{"metadata": raw["metadata"]} for raw in found]
        version = str(next(self._versions))
        for start in range(0, max(len(found), 1), PAGE_SIZE):
            yield Page(found[start : start + PAGE_SIZE], version)

    async def create(
        self, plural: str, namespace: NamespaceName | None, body: RawObject, *, dry_run: bool = False
    ) -> RawObject:
        await asyncio.sleep(0)
        pending = self._count("create", plural)
        place = namespace or ""
        key = (plural, place, body["metadata"]["name"])
        if place and (names.NAMESPACES, "", place) not in self.objects and plural != names.LEASES:
            raise NotFoundError(f"namespaces {place!r} not found")
        if place and self._is_terminating(place):
            raise ForbiddenError(f"unable to create new content in namespace {place} because it is being terminated")
        if key in self.objects:
            raise AlreadyExistsError(f"{key} exists")
        stored = copy.deepcopy(body)
        meta = stored["metadata"]
        meta |= {"uid": str(uuid.uuid4()), "generation": 1, "creationTimestamp": to_rfc3339(self.clock.now())}
        answer = copy.deepcopy(self._store(key, stored, "ADDED"))
        _raise(pending)
        return answer

    async def merge_patch(self, ref: ObjectRef, patch: RawObject, *, dry_run: bool = False) -> RawObject:
        await asyncio.sleep(0)
        pending = self._count("patch", ref.plural)
        raw = copy.deepcopy(self._found(ref))
        for field_name, value in (patch.get("metadata") or {}).items():
            if field_name in {"uid", "resourceVersion"} and raw["metadata"][field_name] != value:
                raise ConflictError(f"{field_name} differs")
        before = copy.deepcopy(raw.get("spec"))
        _merge(raw, {key: value for key, value in patch.items() if key != "status"})
        if raw.get("spec") != before:
            raw["metadata"]["generation"] += 1
        answer = copy.deepcopy(self._store(_key(ref), raw, "MODIFIED"))
        _raise(pending)
        return answer

    async def replace_status(self, ref: ObjectRef, *, uid: str, status: Mapping[str, Any]) -> RawObject:
        await asyncio.sleep(0)
        pending = self._count("patch", f"{ref.plural}/status")
        raw = copy.deepcopy(self._found(ref))
        if raw["metadata"]["uid"] != uid:
            raise InvalidError("the test of /metadata/uid failed")
        before = (raw.get("status") or {}).get("recordedSequence", 0)
        if status.get("recordedSequence", 0) < before:
            raise InvalidError("recordedSequence never goes back")
        if raw.get("status") != status:
            raw["status"] = copy.deepcopy(dict(status))
            raw = self._store(_key(ref), raw, "MODIFIED")
        _raise(pending)
        return copy.deepcopy(raw)

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str | None = None, dry_run: bool = False
    ) -> None:
        await asyncio.sleep(0)
        pending = self._count("delete", ref.plural)
        meta = self._found(ref)["metadata"]
        if meta["uid"] != uid or resource_version not in {None, meta["resourceVersion"]}:
            raise ConflictError("a precondition does not hold")
        self.remove(*_key(ref))
        _raise(pending)

    async def server_version(self) -> RawObject:
        return {"gitVersion": self.version}

    async def may_i(self, right: Right) -> bool:
        return not self.denied(right)

    # Inside

    def _count(self, verb: str, plural: str) -> StoreError | None:
        self.calls[verb, plural] += 1
        for failure in self.failures:
            if (failure.verb, failure.plural) == (verb, plural) and failure.times > 0:
                failure.times -= 1
                if not failure.committed:
                    raise failure.error
                return failure.error
        return None

    def _found(self, ref: ObjectRef) -> RawObject:
        raw = self.objects.get(_key(ref))
        if raw is None:
            raise NotFoundError(f"{_key(ref)} not found")
        return raw

    def _is_terminating(self, namespace: str) -> bool:
        known = self.objects.get((names.NAMESPACES, "", namespace))
        return known is not None and "deletionTimestamp" in known["metadata"]

    def _store(self, key: Key, raw: RawObject, kind: str) -> RawObject:
        raw["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[key] = raw
        self._tell(key[0], kind, raw)
        return raw

    def _tell(self, plural: str, kind: str, raw: RawObject) -> None:
        if not self.muted:
            for watcher in self.watchers:
                watcher(plural, kind, copy.deepcopy(raw))


def _key(ref: ObjectRef) -> Key:
    return (ref.plural, ref.namespace or "", str(ref.name))


def _plural_of(raw: RawObject) -> str:
    plurals = {kind: plural for plural, kind in names.KINDS.items()} | {"Namespace": names.NAMESPACES}
    return plurals[raw["kind"]]


def _merge(target: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, Mapping):
            inside = target.setdefault(key, {})
            _merge(inside, value)
        else:
            target[key] = value


def _raise(pending: StoreError | None) -> None:
    if pending is not None:
        raise pending


@dataclass
class FixedLeadership:
    """Says what it was told to say."""

    acts: bool = True


@dataclass
class CountedMeasures:
    """Remembers what was counted."""

    changes: list[tuple[str, Change]] = field(default_factory=list)
    findings: Counter[str] = field(default_factory=Counter)
    policies: dict[str, bool] = field(default_factory=dict)

    def recorded(self, environment: str, change: Change, *, lag_seconds: float) -> None:
        self.changes.append((environment, change))

    def found(self, finding: str, count: int = 1) -> None:
        self.findings[str(finding)] += count

    def policy(self, name: str, *, in_force: bool) -> None:
        self.policies[name] = in_force
