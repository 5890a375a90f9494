"""The one stand-in for the API server: objects, versions, preconditions and events in memory.

tests/contract holds it against the real API server. It has no schema and refuses nothing by policy; it stamps what
the mutating policies stamp while `stamps` is true.
"""

import asyncio
import copy
import itertools
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from server_side_apply import Path, contested, leaves, wanted_fields, with_fields
from stamping import stamped

from moorage_crds import names
from moorage_crds.identifiers import NamespaceName
from moorage_crds.kinds.registry import KINDS
from moorage_crds.moments import to_text
from moorage_crds.objects import RawObject, labels, metadata
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
    Warned,
    nobody,
)

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
PAGE_SIZE = 3
OPERATOR = "system:serviceaccount:moorage-system:moorage-operator"

Key = tuple[str, str, str]
#: Called with the plural, the kind of event (ADDED, MODIFIED, DELETED) and the object.
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


class FakeStore:
    """`ResourceStore` and `ClusterInfo` of one user."""

    def __init__(self, cluster: "FakeCluster", user: str, warned: Warned = nobody) -> None:
        self._cluster = cluster
        self._user = user
        self._warned = warned

    async def get(self, ref: ObjectRef) -> RawObject:
        await asyncio.sleep(0)
        self._cluster.reads.append((ref.plural, str(ref.name)))
        self._asked("get", ref.plural)
        return copy.deepcopy(self._cluster.found(ref))

    async def pages(
        self,
        plural: str,
        *,
        namespace: NamespaceName | None = None,
        selector: str | None = None,
        fields: str | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[Page]:
        await asyncio.sleep(0)
        self._asked("list", plural)
        chosen = dict(part.split("=", 1) for part in (fields or "").split(",") if part)
        self._cluster.reads += [(plural, value) for value in chosen.values()]
        wanted = dict(part.split("=", 1) for part in (selector or "").split(",") if part)
        found = [
            raw
            for raw in self._cluster.all(plural)
            if (namespace is None or metadata(raw).get("namespace") == namespace)
            and wanted.items() <= labels(raw).items()
            and all(_value(raw, path.split(".")) == value for path, value in chosen.items())
        ]
        if metadata_only:
            found = [{"metadata": raw.get("metadata")} for raw in found]
        version = self._cluster.next_version()
        for start in range(0, max(len(found), 1), PAGE_SIZE):
            yield Page(found[start : start + PAGE_SIZE], version)

    async def create(
        self, plural: str, namespace: NamespaceName | None, body: RawObject, *, dry_run: bool = False
    ) -> RawObject:
        await asyncio.sleep(0)
        if plural == names.OWN_REVIEWS:
            return {"status": {"userInfo": {"username": self._user}}}
        name, place = body["metadata"]["name"], namespace or ""
        lost = self._asked("create", plural, name)
        self._cluster.require_room(plural, place, name)
        raw = copy.deepcopy(body)
        raw.pop("status", None)
        meta = raw["metadata"]
        meta |= {"uid": str(uuid.uuid4()), "generation": 1, "creationTimestamp": self._cluster.stamp()}
        if place:
            meta["namespace"] = place
        return self._written("create", (plural, place, name), None, raw, dry_run=dry_run, lost=lost)

    async def merge_patch(self, ref: ObjectRef, patch: RawObject, *, dry_run: bool = False) -> RawObject:
        await asyncio.sleep(0)
        lost = self._asked("patch", ref.plural, str(ref.name))
        old = self._cluster.found(ref)
        held = patch.get("metadata") or {}
        if held.get("resourceVersion", old["metadata"]["resourceVersion"]) != old["metadata"]["resourceVersion"]:
            raise ConflictError(f"the version of {ref.name} is another one")
        if held.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
            raise InvalidError(f"metadata.uid of {ref.name}: field is immutable")
        raw = merged(old, {key: value for key, value in patch.items() if key != "status"})
        if raw.get("spec") != old.get("spec"):
            raw["metadata"]["generation"] += 1
        return self._written("patch", key_of(ref), old, raw, dry_run=dry_run, lost=lost)

    async def guarded_patch(
        self, ref: ObjectRef, *, tests: Mapping[str, Any], values: Mapping[str, Any], dry_run: bool = False
    ) -> RawObject:
        await asyncio.sleep(0)
        lost = self._asked("patch", ref.plural, str(ref.name))
        old = self._cluster.found(ref)
        if any(_value(old, _way(pointer)) != value for pointer, value in tests.items()):
            raise ConflictError(f"a test of {ref.name} failed")
        raw = copy.deepcopy(old)
        for pointer, value in values.items():
            *way, key = _way(pointer)
            inside = _value(raw, way)
            if inside is None or (value is None and key not in inside):
                raise ConflictError(f"{ref.name} has no {pointer}")
            inside.pop(key, None)
            inside.update({} if value is None else {key: copy.deepcopy(value)})
        if raw.get("spec") != old.get("spec"):
            raw["metadata"]["generation"] += 1
        return self._written("patch", key_of(ref), old, raw, dry_run=dry_run, lost=lost)

    async def apply(self, ref: ObjectRef, body: RawObject, *, manager: str) -> RawObject:
        await asyncio.sleep(0)
        lost = self._asked("patch", ref.plural, str(ref.name))
        old = self._cluster.objects.get(key_of(ref))
        meta = {} if old is None else old["metadata"]
        held = {key: body["metadata"][key] for key in ("resourceVersion", "uid") if key in body["metadata"]}
        if any(meta.get(key) != value for key, value in held.items()):
            if old is not None and held.get("resourceVersion") == meta["resourceVersion"]:
                raise InvalidError(f"metadata.uid of {ref.name}: field is immutable")
            raise ConflictError(f"{ref.name} is another object, or another version of it")
        if old is None:
            raise NotFoundError(f"{key_of(ref)} not found")
        raw = self._cluster.apply_fields(key_of(ref), old, body, manager)
        return self._written("patch", key_of(ref), old, raw, dry_run=False, lost=lost)

    async def replace_status(self, ref: ObjectRef, *, uid: str, status: Mapping[str, Any]) -> RawObject:
        await asyncio.sleep(0)
        lost = self._asked("patch", f"{ref.plural}/status", str(ref.name))
        old = self._cluster.found(ref)
        if old["metadata"]["uid"] != uid:
            raise InvalidError("the test of /metadata/uid failed")
        if status.get("recordedSequence", 0) < (old.get("status") or {}).get("recordedSequence", 0):
            raise InvalidError("recordedSequence never goes back")
        raw = {**copy.deepcopy(old), "status": copy.deepcopy(dict(status))}
        answer = self._cluster.commit(key_of(ref), raw) if raw != old else raw
        _raise(lost)
        return copy.deepcopy(answer)

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str | None = None, dry_run: bool = False
    ) -> RawObject | None:
        await asyncio.sleep(0)
        lost = self._asked("delete", ref.plural, str(ref.name))
        meta = self._cluster.found(ref)["metadata"]
        if meta["uid"] != uid or resource_version not in {None, meta["resourceVersion"]}:
            raise ConflictError(f"a precondition of {ref.name} does not hold")
        going = self._going(ref) if meta.get("finalizers") else None
        if not dry_run:
            self._cluster.accepted.append((self._user, "delete", ref.plural))
            if going is None:
                self._cluster.remove(*key_of(ref))
            elif "deletionTimestamp" not in meta:
                going = copy.deepcopy(self._cluster.commit(key_of(ref), going))
        _raise(lost)
        return going

    def _going(self, ref: ObjectRef) -> RawObject:
        """The object as it stands while finalizers hold it."""
        raw = copy.deepcopy(self._cluster.found(ref))
        raw["metadata"].setdefault("deletionTimestamp", self._cluster.stamp())
        raw["metadata"].setdefault("deletionGracePeriodSeconds", 0)
        return raw

    async def server_version(self) -> RawObject:
        return {"gitVersion": self._cluster.version}

    async def may_i(self, right: Right) -> bool:
        return not self._cluster.denied(right)

    def _asked(self, verb: str, plural: str, name: str | None = None) -> StoreError | None:
        """Count a request and raise what it is to fail with; the error to raise once it was carried out."""
        if name is not None and not plural.endswith("/status"):
            self._cluster.before(verb, plural, name)
            for text in self._cluster.warnings:
                self._warned(text)
        return self._cluster.count(verb, plural)

    def _written(
        self, verb: str, key: Key, old: RawObject | None, raw: RawObject, *, dry_run: bool, lost: StoreError | None
    ) -> RawObject:
        if self._cluster.stamps:
            self._cluster.require_unlocked(key[0], old, raw)
            raw = stamped(key[0], old, raw, user=self._user, at=self._cluster.stamp())
        if dry_run:
            raw["metadata"].setdefault("resourceVersion", "")
            return raw
        self._cluster.accepted.append((self._user, verb, key[0]))
        # A write that changes nothing makes no version and no event.
        answer = copy.deepcopy(self._cluster.commit(key, raw) if raw != old else raw)
        _raise(lost)
        return answer


class FakeCluster(FakeStore):
    """The cluster itself, for tests to look into and to change; as a store it is the operator's.

    Attributes:
        stamps: whether the mutating policies are in force, and the one of locks.
        locks_unheard: whether the policy of locks has not heard of any lock yet.
        muted: watchers hear nothing while it is true.
        calls: (verb, plural) → how often it was asked.
        reads: (plural, name) of each read of one object.
        accepted: (user, verb, plural) of each write that was carried out.
        before: called before a write with (verb, plural, name); may raise a StoreError or change the cluster.
        version: what the server says of itself.
        denied: rights that the account lacks.
    """

    def __init__(self, clock: FixedClock, *, stamps: bool = False) -> None:
        super().__init__(self, OPERATOR)
        self.clock = clock
        self.stamps = stamps
        self.locks_unheard = False
        #: What the API server warns of with every write.
        self.warnings: list[str] = []
        self.objects: dict[Key, RawObject] = {}
        self.watchers: list[Watcher] = []
        self.muted = False
        self.calls: Counter[tuple[str, str]] = Counter()
        self.reads: list[tuple[str, str]] = []
        self.accepted: list[tuple[str, str, str]] = []
        self.before: Callable[[str, str, str], None] = lambda _verb, _plural, _name: None
        self.version = "v1.37.2"
        self.denied: Callable[[Right], bool] = lambda _right: False
        self._failures: list[Failure] = []
        self._owned: dict[tuple[Key, str], dict[Path, Any]] = {}
        self._versions = itertools.count(1)

    def as_caller(self, token: str, warned: Warned = nobody) -> FakeStore:
        """The store of the user with that token, which is the user's name here."""
        return FakeStore(self, token, warned)

    def fail(self, verb: str, plural: str, error: StoreError, *, times: int = 1, committed: bool = False) -> None:
        """Answer the next calls with an error; `committed` does the work first, as a lost reply does."""
        self._failures.append(Failure(verb, plural, error, times, committed))

    def put(self, raw: RawObject, plural: str = "") -> RawObject:
        """Write an object as it is, as somebody else would, past all policies.

        It gets a version, a uid if it has none, and a new generation if its spec changes.
        """
        key = (plural or plural_of(raw), raw["metadata"].get("namespace", ""), raw["metadata"]["name"])
        stored = copy.deepcopy(raw)
        meta, known = stored["metadata"], self.objects.get(key)
        old = (
            known["metadata"] if known and known["metadata"]["uid"] == meta.get("uid", known["metadata"]["uid"]) else {}
        )
        meta.setdefault("uid", old.get("uid") or str(uuid.uuid4()))
        meta.setdefault("creationTimestamp", old.get("creationTimestamp") or self.stamp())
        meta.setdefault("generation", old.get("generation", 1))
        if known and old and known.get("spec") != raw.get("spec") and meta["generation"] == old["generation"]:
            meta["generation"] += 1
        return copy.deepcopy(self.commit(key, stored))

    def remove(self, plural: str, namespace: str, name: str) -> None:
        """Delete an object, as somebody else would."""
        raw = self.objects.pop((plural, namespace, name))
        raw["metadata"]["resourceVersion"] = self.next_version()
        self._tell(plural, "DELETED", raw)

    def release(self, plural: str, namespace: str, name: str) -> None:
        """Somebody removes the finalizers: what is being deleted goes, what is not stays."""
        raw = copy.deepcopy(self.objects[plural, namespace, name])
        raw["metadata"].pop("finalizers", None)
        if "deletionTimestamp" in raw["metadata"]:
            self.remove(plural, namespace, name)
        else:
            self.put(raw, plural)

    def one(self, plural: str, namespace: str, name: str) -> RawObject | None:
        """A copy of an object, None if there is none."""
        return copy.deepcopy(self.objects.get((plural, namespace, name)))

    def all(self, plural: str) -> list[RawObject]:
        """Copies of all objects of a kind, in the order of their keys."""
        return [copy.deepcopy(raw) for key, raw in sorted(self.objects.items()) if key[0] == plural]

    def stamp(self) -> str:
        """The present second."""
        return to_text(self.clock.now())

    @property
    def writes(self) -> int:
        """How many writes were asked for."""
        return sum(count for (verb, _), count in self.calls.items() if verb not in {"get", "list"})

    # What the stores of all users share

    def next_version(self) -> str:
        """Versions of all objects are one sequence."""
        return str(next(self._versions))

    def found(self, ref: ObjectRef) -> RawObject:
        """The stored object itself. Raises NotFoundError."""
        raw = self.objects.get(key_of(ref))
        if raw is None:
            raise NotFoundError(f"{key_of(ref)} not found")
        return raw

    def require_room(self, plural: str, namespace: str, name: str) -> None:
        """Refuse to create what is there, or where nothing can be created. Leases have no Namespace here."""
        place = self.objects.get((names.NAMESPACES, "", namespace))
        if namespace and place is None and plural != names.LEASES:
            raise NotFoundError(f"namespaces {namespace!r} not found")
        if place is not None and "deletionTimestamp" in place["metadata"]:
            raise ForbiddenError(
                f"unable to create new content in namespace {namespace} because it is being terminated"
            )
        if (plural, namespace, name) in self.objects:
            raise AlreadyExistsError(f"{plural} {name!r} already exists")

    def require_unlocked(self, plural: str, old: RawObject | None, raw: RawObject) -> None:
        """Refuse another release in a locked environment."""
        if plural != names.DEPLOYMENTS or (old or {"spec": {}})["spec"].get("release") == raw["spec"].get("release"):
            return
        slug = raw["spec"]["environment"]
        lock = self.objects.get((names.LOCKS, raw["metadata"]["namespace"], slug))
        if lock is not None and not self.locks_unheard:
            who = lock.get("provenance", {}).get("updatedBy", "nobody")
            message = f"environment {slug} is locked by {who}: {lock['spec']['reason']}"
            raise ForbiddenError(message, policy=names.POLICY_DEPLOYMENT_LOCKS)

    def apply_fields(self, key: Key, old: RawObject, body: RawObject, manager: str) -> RawObject:
        """The object after a server-side apply. Raises ConflictError: somebody else owns a field with another value."""
        wanted, own = wanted_fields(body), self._owned.get((key, manager), {})
        if disputed := contested(old, wanted, own):
            raise ConflictError(f"conflict: {disputed}")
        raw = with_fields(old, wanted, own)
        if raw.get("spec") != old.get("spec"):
            raw["metadata"]["generation"] += 1
        # That somebody owns a field, too, is a new version of the object.
        known = [one for one in old["metadata"].get("managedFields", []) if one["manager"] != manager]
        mine = {"manager": manager, "operation": "Apply", "fieldsV1": {".".join(path): {} for path in wanted}}
        raw["metadata"]["managedFields"] = [*known, mine]
        there = dict(leaves(old))
        # What was there with that value already stays its owner's, too.
        self._owned[key, manager] = {
            path: value for path, value in wanted.items() if path not in there or there[path] != value or path in own
        }
        return raw

    def count(self, verb: str, plural: str) -> StoreError | None:
        """Count a request; raise the failure that was ordered for it, or return one that comes after the work."""
        self.calls[verb, plural] += 1
        for failure in self._failures:
            if (failure.verb, failure.plural) == (verb, plural) and failure.times > 0:
                failure.times -= 1
                if not failure.committed:
                    raise failure.error
                return failure.error
        return None

    def commit(self, key: Key, raw: RawObject) -> RawObject:
        """Store a new version and tell the watchers."""
        known = self.objects.get(key)
        same = known is not None and known["metadata"]["uid"] == raw["metadata"]["uid"]
        raw["metadata"]["resourceVersion"] = self.next_version()
        self.objects[key] = raw
        self._tell(key[0], "MODIFIED" if same else "ADDED", raw)
        return raw

    def _tell(self, plural: str, kind: str, raw: RawObject) -> None:
        if not self.muted:
            for watcher in self.watchers:
                watcher(plural, kind, copy.deepcopy(raw))


def key_of(ref: ObjectRef) -> Key:
    """Where an object is kept."""
    return (ref.plural, ref.namespace or "", str(ref.name))


def plural_of(raw: RawObject) -> str:
    """The plural of an object that says its kind."""
    plurals = {kind.kind: kind.plural for kind in KINDS} | {"Namespace": names.NAMESPACES}
    return plurals[raw["kind"]]


def merged(target: Any, patch: Mapping[str, Any]) -> dict[str, Any]:
    """JSON merge patch (RFC 7386); neither argument changes."""
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = merged(result.get(key), value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _way(pointer: str) -> list[str]:
    """The names in a JSON pointer."""
    return [name.replace("~1", "/").replace("~0", "~") for name in pointer.removeprefix("/").split("/")]


def _value(raw: Any, way: Sequence[str]) -> Any:
    """What is at the end of a way, None if there is nothing."""
    for name in way:
        raw = raw.get(name) if isinstance(raw, Mapping) else None
    return raw


def _raise(lost: StoreError | None) -> None:
    if lost is not None:
        raise lost
