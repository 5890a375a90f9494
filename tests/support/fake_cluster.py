"""The one stand-in for the API server: objects, versions, preconditions and events in memory.

tests/contract holds it against the real API server. It has no schema and refuses nothing by policy; it stamps what
the mutating policies stamp while `stamps` is true.
"""

import copy
import itertools
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fake_store import FakeStore, Key, key_of
from fixed_clock import FixedClock
from server_side_apply import Path, contested, leaves, wanted_fields, with_fields

from moorage_crds import names
from moorage_crds.kinds.registry import KINDS
from moorage_crds.moments import to_text
from moorage_crds.objects import RawObject
from moorage_crds.store import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ObjectRef,
    Right,
    StoreError,
    Warned,
    nobody,
)

OPERATOR = "system:serviceaccount:moorage-system:moorage-operator"

#: Called with the plural, the kind of event (ADDED, MODIFIED, DELETED) and the object.
Watcher = Callable[[str, str, RawObject], None]


@dataclass
class Failure:
    """An answer to be given instead of the real one, `times` times."""

    verb: str
    plural: str
    error: StoreError
    times: int
    committed: bool


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
        fields = with_fields({}, {tuple(f"f:{part}" for part in path): {} for path in wanted}, {})
        mine = {"manager": manager, "operation": "Apply", "fieldsV1": fields}
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


def plural_of(raw: RawObject) -> str:
    """The plural of an object that says its kind."""
    plurals = {kind.kind: kind.plural for kind in KINDS} | {"Namespace": names.NAMESPACES}
    return plurals[raw["kind"]]
