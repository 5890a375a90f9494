"""The store of one user of a `FakeCluster`."""

import asyncio
import copy
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from merge_patch import merged, pointer_parts, value_at
from stamping import stamped

from moorage_crds import names
from moorage_crds.identifiers import NamespaceName
from moorage_crds.objects import RawObject, labels, metadata
from moorage_crds.store import (
    ConflictError,
    InvalidError,
    NotFoundError,
    ObjectRef,
    Page,
    Right,
    StoreError,
    Warned,
    nobody,
)

PAGE_SIZE = 3


Key = tuple[str, str, str]


if TYPE_CHECKING:
    from fake_cluster import FakeCluster


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
            and all(value_at(raw, path.split(".")) == value for path, value in chosen.items())
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
        if any(value_at(old, pointer_parts(pointer)) != value for pointer, value in tests.items()):
            raise ConflictError(f"a test of {ref.name} failed")
        raw = copy.deepcopy(old)
        for pointer, value in values.items():
            *way, key = pointer_parts(pointer)
            inside = value_at(raw, way)
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


def key_of(ref: ObjectRef) -> Key:
    """Where an object is kept."""
    return (ref.plural, ref.namespace or "", str(ref.name))


def _raise(lost: StoreError | None) -> None:
    if lost is not None:
        raise lost
