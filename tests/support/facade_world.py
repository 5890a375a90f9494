"""A facade over a cluster in memory: the real edge, flows and cache; only API server, reviews and clock are stand-ins.

The stand-in of the API server stamps the change log as the policy does, keeps versions, and checks preconditions. Its
events reach the cache at once, or when `deliver` is called (`held=True`): so a test decides how far the watch lags.
"""

import copy
import itertools
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import orjson
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

from moorage_api.access import Access
from moorage_api.app import operations
from moorage_api.cache.catalog import Catalog, EnvironmentSink
from moorage_api.cache.freshness import Freshness
from moorage_api.calls import Facade
from moorage_api.config import GITOPS_MANAGERS, ApiSettings
from moorage_api.flows.presenting import Presenter
from moorage_api.handlers.service import Documentation, Readiness
from moorage_api.metrics import Metrics
from moorage_api.middlewares import Edge
from moorage_api.router import Router
from moorage_crds import clock, names
from moorage_crds.deployment import Change
from moorage_crds.objects import RawObject
from moorage_crds.record import Binding, to_object
from moorage_crds.store import (
    AlreadyExistsError,
    ConflictError,
    Identity,
    NotFoundError,
    ObjectRef,
    Page,
    Right,
    StoreError,
)

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
ORG, WORKSPACE, NAMESPACE = "acme", "shop", "acme-shop"
BASE = f"/v1/orgs/{ORG}/workspaces/{WORKSPACE}/environments"


class HandClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        """The moment it was set to."""
        return self.moment

    def monotonic(self) -> float:
        """Seconds since it was made."""
        return (self.moment - START).total_seconds()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


class StampedCluster:
    """Objects, versions and events; `as_caller` gives the store of one user."""

    def __init__(self, hand: HandClock) -> None:
        self.clock = hand
        self.objects: dict[tuple[str, str, str], RawObject] = {}
        self.events: list[tuple[str, str, RawObject]] = []
        self.writes: list[tuple[str, str, str]] = []
        #: (plural, name) of every read of one object
        self.reads: list[tuple[str, str]] = []
        #: called after every event
        self.told: Callable[[], None] = lambda: None
        #: called before a write with (verb, plural, name); may raise a StoreError or change the cluster
        self.before: Callable[[str, str, str], None] = lambda _verb, _plural, _name: None
        self._versions = itertools.count(100)

    def put(self, plural: str, raw: RawObject, *, kind: str | None = None) -> RawObject:
        """Store an object in a new version, and tell the watch."""
        meta = raw["metadata"]
        key = (plural, meta.get("namespace", ""), meta["name"])
        old = self.objects.get(key)
        meta.setdefault("uid", old["metadata"]["uid"] if old else str(uuid.uuid4()))
        meta.setdefault("creationTimestamp", self.stamp())
        meta["generation"] = meta.get("generation", 0) + (0 if old and old.get("spec") == raw.get("spec") else 1)
        meta["resourceVersion"] = str(next(self._versions))
        self.objects[key] = copy.deepcopy(raw)
        self.events.append((plural, kind or ("MODIFIED" if old else "ADDED"), copy.deepcopy(raw)))
        self.told()
        return copy.deepcopy(raw)

    def remove(self, plural: str, namespace: str, name: str) -> None:
        """Delete an object, and tell the watch."""
        raw = self.objects.pop((plural, namespace, name))
        raw["metadata"]["resourceVersion"] = str(next(self._versions))
        self.events.append((plural, "DELETED", copy.deepcopy(raw)))
        self.told()

    def stamp(self) -> str:
        """The present second."""
        return clock.to_rfc3339(self.clock.now())

    def as_caller(self, token: str) -> "CallersStore":
        """The store of the user with that token (the user's name, here)."""
        return CallersStore(self, token)

    async def get(self, ref: ObjectRef) -> RawObject:
        """One object."""
        return await CallersStore(self, "facade").get(ref)

    def record(self, namespace: str, name: str) -> None:
        """Do what the operator does: make the records that are due, and write the status."""
        raw = copy.deepcopy(self.objects[names.DEPLOYMENTS, namespace, name])
        done = raw.get("status", {}).get("recordedSequence", 0)
        binding = Binding(namespace, name, raw["metadata"]["uid"], raw["spec"]["environment"], raw["spec"]["app"])
        for entry in raw["changeLog"]["entries"]:
            if entry["sequence"] > done:
                made = to_object(binding, change_of(entry, self.stamp()), previous_hash="0" * 64)
                self.put(names.RECORDS, made)
        raw["status"] = {"recordedSequence": raw["changeLog"]["sequence"], "release": raw["spec"].get("release")}
        self.put(names.DEPLOYMENTS, raw)


def change_of(entry: Mapping[str, Any], now: str) -> Change:
    """A log entry as the change that a record is made of."""
    return Change(
        sequence=entry["sequence"],
        action=entry["action"],
        previous=entry.get("from"),
        release=entry.get("to"),
        by=entry.get("by"),
        at=entry.get("at") or now,
        reason=entry.get("reason"),
        request_id=entry.get("requestId"),
    )


class CallersStore:
    """`ResourceStore` of one user."""

    def __init__(self, cluster: StampedCluster, user: str) -> None:
        self._cluster = cluster
        self._user = user

    async def get(self, ref: ObjectRef) -> RawObject:
        """One object."""
        self._cluster.reads.append((ref.plural, ref.name))
        return copy.deepcopy(self._found(ref))

    async def pages(self, *_arguments: Any, **_options: Any) -> AsyncIterator[Page]:
        """Nothing lists in the path of a request."""
        raise AssertionError
        yield

    async def create(self, plural: str, namespace: str, body: RawObject, *, dry_run: bool = False) -> RawObject:
        """Create, stamped."""
        name = body["metadata"]["name"]
        self._cluster.before("create", plural, name)
        if (plural, namespace, name) in self._cluster.objects:
            raise AlreadyExistsError(name)
        raw = copy.deepcopy(body)
        raw["metadata"]["namespace"] = namespace
        return self._stored("create", plural, self._stamped(plural, None, raw), dry_run=dry_run)

    async def merge_patch(self, ref: ObjectRef, patch: RawObject, *, dry_run: bool = False) -> RawObject:
        """Merge, stamped; versions and uids are preconditions."""
        self._cluster.before("patch", ref.plural, ref.name)
        old = self._found(ref)
        for precondition in ("uid", "resourceVersion"):
            if patch["metadata"].get(precondition, old["metadata"][precondition]) != old["metadata"][precondition]:
                raise ConflictError(ref.name)
        raw = _merged(copy.deepcopy(old), {"spec": patch["spec"]})
        return self._stored("patch", ref.plural, self._stamped(ref.plural, old, raw), dry_run=dry_run)

    async def replace_status(self, ref: ObjectRef, *, uid: str, status: Mapping[str, Any]) -> RawObject:
        """Nobody here writes a status."""
        raise AssertionError

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str | None = None, dry_run: bool = False
    ) -> None:
        """Delete with preconditions."""
        self._cluster.before("delete", ref.plural, ref.name)
        meta = self._found(ref)["metadata"]
        if meta["uid"] != uid or resource_version not in {None, meta["resourceVersion"]}:
            raise ConflictError(ref.name)
        if not dry_run:
            self._cluster.writes.append((self._user, "delete", ref.plural))
            self._cluster.remove(ref.plural, ref.namespace, ref.name)

    def _found(self, ref: ObjectRef) -> RawObject:
        found = self._cluster.objects.get((ref.plural, ref.namespace, ref.name))
        if found is None:
            raise NotFoundError(ref.name)
        return found

    def _stored(self, verb: str, plural: str, raw: RawObject, *, dry_run: bool) -> RawObject:
        if dry_run:
            raw["metadata"].setdefault("uid", str(uuid.uuid4()))
            raw["metadata"].setdefault("creationTimestamp", self._cluster.stamp())
            raw["metadata"].setdefault("resourceVersion", "")
            return raw
        self._cluster.writes.append((self._user, verb, plural))
        return self._cluster.put(plural, raw)

    def _stamped(self, plural: str, old: RawObject | None, raw: RawObject) -> RawObject:
        if plural != names.DEPLOYMENTS:
            before = (old or {}).get("provenance", {})
            if old is None or old["spec"] != raw["spec"]:
                made = {"updatedBy": self._user, "updatedAt": self._cluster.stamp()}
                raw["provenance"] = {**({"createdBy": self._user} if old is None else before), **made}
            return raw
        was, wanted = (old or {}).get("spec", {}).get("release"), raw["spec"].get("release")
        if was == wanted:
            return raw
        log = raw.get("changeLog", {"sequence": 0, "entries": []})
        note = raw["spec"].get("change", {})
        entry = {
            "sequence": log["sequence"] + 1,
            "action": "undeploy" if wanted is None else note.get("action", "deploy"),
            "from": was,
            "to": wanted,
            "by": self._user,
            "at": self._cluster.stamp(),
            "reason": note.get("reason"),
            "requestId": note.get("requestId"),
        }
        entries = [*log["entries"], {key: value for key, value in entry.items() if value is not None}]
        raw["changeLog"] = {"sequence": log["sequence"] + 1, "entries": entries[-16:]}
        return raw


def _merged(target: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            target[key] = _merged(target.get(key, {}), value)
        else:
            target[key] = value
    return target


class Reviews:
    """`Reviewer`: the token is the user's name; who may what is a set of (user, verb, resource)."""

    def __init__(self) -> None:
        self.rights: set[tuple[str, str, str, str]] = set()
        self.asked: list[object] = []
        self.broken: StoreError | None = None

    def grant(self, user: str, *rights: str, namespace: str = NAMESPACE) -> None:
        """Rights such as `get environments`."""
        for right in rights:
            verb, resource = right.split(" ")
            self.rights.add((user, verb, resource, namespace))

    async def authenticate(self, token: str) -> Identity | None:
        """Every token but `bad…` is good."""
        self.asked.append(token)
        if self.broken is not None:
            raise self.broken
        return None if token.startswith("bad") else Identity(token, groups=("system:authenticated",))

    async def allowed(self, identity: Identity, right: Right) -> bool:
        """Look it up; `root` may everything."""
        self.asked.append(right)
        if self.broken is not None:
            raise self.broken
        user = identity.username
        return user == "root" or bool(
            {(user, right.verb, right.resource, place) for place in (right.namespace, "*")} & self.rights
        )


@dataclass(slots=True)
class StillFeed:
    """A reflector that is synced and connected unless a test says otherwise."""

    plural: str
    synced: bool = True
    connected: bool = True
    seconds: float = 0.0

    def age(self) -> float:
        """Seconds since the last byte."""
        return self.seconds


@dataclass(slots=True)
class Reply:
    """An answer of the edge."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    value: Any = field(default=None)

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return orjson.loads(self.content)


EDIT = [
    *(f"{verb} {plural}" for verb in ("get", "list", "create", "patch", "delete") for plural in
      (names.ENVIRONMENTS, names.DEPLOYMENTS, names.LOCKS)),
    f"list {names.RECORDS}",
]  # fmt: skip


class World:
    """A facade, its cluster in memory, and two users: alice may everything in the workspace, mallory nothing."""

    def __init__(self, *, held: bool = False, **settings: Any) -> None:
        self.clock = HandClock()
        self.cluster = StampedCluster(self.clock)
        self.catalog = Catalog(GITOPS_MANAGERS)
        self.reviews = Reviews()
        self.reviews.grant("alice", *EDIT)
        self.feeds = [StillFeed(plural) for plural in self.catalog.versions()]
        self.settings = ApiSettings(_env_file=None, rate_limit=1e6, rate_burst=1_000_000, **settings)
        freshness = Freshness(self.feeds, max_staleness=300, clock=self.clock)
        freshness.sample()
        access = Access(self.reviews, self.clock)
        self.facade = Facade(self.catalog, access, self.cluster, freshness, self.clock, self.settings)
        self.readiness = Readiness()
        self.operations = operations(Presenter(self.catalog), self.readiness, Documentation(b"{}"))
        self.metrics = Metrics(self.catalog, freshness, access)
        self.edge = Edge(self.facade, Router(self.operations), self.metrics)
        self.held = held
        self._delivered = 0
        if not held:
            self.cluster.told = self.deliver
        self.namespace(NAMESPACE, ORG, WORKSPACE)
        self.deliver()

    def namespace(self, name: str, org: str, workspace: str) -> None:
        """A Namespace that is a workspace."""
        labels = {names.LABEL_ORG: org, names.LABEL_WORKSPACE: workspace}
        self.cluster.put(names.NAMESPACES, {"metadata": {"name": name, "labels": labels}})

    def environment(self, slug: str = "staging", **spec: Any) -> str:
        """An Environment made by kubectl; its uid."""
        raw = {"metadata": {"name": slug, "namespace": NAMESPACE}, "spec": spec}
        made = self.cluster.put(names.ENVIRONMENTS, raw)
        self.deliver()
        return str(made["metadata"]["uid"])

    def record(self, name: str = "staging.checkout") -> None:
        """The operator records what is due."""
        self.cluster.record(NAMESPACE, name)
        self.deliver()

    def raw(self, plural: str, name: str) -> RawObject:
        """What is stored."""
        return self.cluster.objects[plural, NAMESPACE, name]

    def deliver(self) -> None:
        """Let the watch bring everything up to now."""
        read, catalog = self.catalog.read, self.catalog
        ways: dict[str, tuple[Callable[[RawObject], Any], Any]] = {
            names.NAMESPACES: (read.namespace, catalog.namespaces),
            names.ENVIRONMENTS: (read.environment, EnvironmentSink(catalog)),
            names.DEPLOYMENTS: (read.binding, catalog.bindings),
            names.RECORDS: (read.line, catalog.history),
            names.LOCKS: (read.lock, catalog.locks),
        }
        while self._delivered < len(self.cluster.events):
            plural, kind, raw = self.cluster.events[self._delivered]
            self._delivered += 1
            way, sink = ways[plural]
            sink.apply(kind, way(raw))

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str | None = "alice",
        headers: Mapping[str, str] | None = None,
        content_type: str | None = "application/json",
    ) -> Reply:
        """One request through the whole edge. `body` is JSON values, or bytes that are sent as they are."""
        sent = {"Host": "facade", **(headers or {})}
        if user is not None:
            sent.setdefault("Authorization", f"Bearer {user}")
        content = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        if content is not None and content_type is not None:
            sent["Content-Type"] = content_type
        request = make_mocked_request(method, path, sent, payload=_payload(content))
        response = await self.edge(request)
        assert isinstance(response, web.Response)
        if not self.held:
            self.deliver()
        return Reply(response.status, response.headers, bytes(response.body or b""))

    async def deploy(self, app: str, release: str, *, environment: str = "staging", **options: Any) -> Reply:
        """Deploy by REST; it must succeed."""
        reply = await self.call(
            "POST", f"{BASE}/{environment}/deploy", {"app_id": app, "release_id": release}, **options
        )
        assert reply.status == 200, reply.content
        return reply


def _payload(content: bytes | None) -> StreamReader:
    reader = StreamReader(Mock(BaseProtocol, _reading_paused=False), 2**16)
    if content:
        reader.feed_data(content)
    reader.feed_eof()
    return reader
