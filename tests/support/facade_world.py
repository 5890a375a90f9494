"""A facade over a cluster in memory: the real edge, flows and cache; only API server, reviews and clock are stand-ins.

The stand-in of the API server stamps the change log as the policy does, keeps versions, and checks preconditions. Its
events reach the cache at once, or when `deliver` is called (`held=True`): so a test decides how far the watch lags.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import orjson
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request
from fake_cluster import FakeCluster
from fixed_clock import FixedClock

from moorage_api.access import Access
from moorage_api.app import operations
from moorage_api.cache.catalog import Catalog
from moorage_api.cache.freshness import Freshness
from moorage_api.config import GITOPS_MANAGERS, ApiSettings
from moorage_api.edge.metrics import Metrics
from moorage_api.edge.pipeline import Edge
from moorage_api.edge.router import Router
from moorage_api.handlers.pages import PageFiles
from moorage_api.handlers.service import Documentation, Readiness
from moorage_api.operation import Facade
from moorage_api.reads.presenter import Presenter
from moorage_api.reviews.lanes import Lanes
from moorage_api.reviews.signatures import Keys
from moorage_api.session.seal import Seal
from moorage_api.session.sessions import Sessions
from moorage_crds import names
from moorage_crds.kinds.deployment import Change
from moorage_crds.kinds.record import Binding, to_object
from moorage_crds.objects import RawObject
from moorage_crds.store import Identity, Right, StoreError

ORG, WORKSPACE, NAMESPACE = "acme", "shop", "acme-shop"
BASE = f"/v1/orgs/{ORG}/workspaces/{WORKSPACE}/environments"


def record(cluster: FakeCluster, namespace: str, name: str) -> None:
    """Do what the operator does: make the records that are due, and write the status."""
    raw = copy.deepcopy(cluster.objects[names.DEPLOYMENTS, namespace, name])
    done = raw.get("status", {}).get("recordedSequence", 0)
    binding = Binding(namespace, name, raw["metadata"]["uid"], raw["spec"]["environment"], raw["spec"]["app"])
    for entry in raw["changeLog"]["entries"]:
        if entry["sequence"] > done:
            made = to_object(binding, change_of(entry, cluster.stamp()), previous_hash="0" * 64)
            cluster.put(made, names.RECORDS)
    raw["status"] = {"recordedSequence": raw["changeLog"]["sequence"], "release": raw["spec"].get("release")}
    cluster.put(raw, names.DEPLOYMENTS)


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
        override=tuple(entry.get("override") or ()),
    )


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
    unproved_seconds: float = 0.0
    left_out: set[tuple[str, str]] = field(default_factory=set)

    def age(self) -> float:
        """Seconds since the last byte."""
        return self.seconds

    def unproved(self) -> float:
        """Seconds since the cache was last known to have missed nothing."""
        return self.unproved_seconds


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
      (names.ENVIRONMENTS, names.DEPLOYMENTS, names.LOCKS, names.FREEZES)),
    f"list {names.RECORDS}",
]  # fmt: skip


class World:
    """A facade, its cluster in memory, and two users: alice may everything in the workspace, mallory nothing."""

    def __init__(self, *, held: bool = False, page: PageFiles | None = None, **settings: Any) -> None:
        self.clock = FixedClock()
        self.cluster = FakeCluster(self.clock, stamps=True)
        self.catalog = Catalog(GITOPS_MANAGERS, clock=self.clock)
        self.reviews = Reviews()
        self.reviews.grant("alice", *EDIT)
        self.feeds = [StillFeed(plural) for plural in self.catalog.versions()]
        self.settings = ApiSettings(_env_file=None, rate_limit=1e6, rate_burst=1_000_000, **settings)
        freshness = Freshness(self.feeds, max_staleness=300, clock=self.clock)
        freshness.sample()
        self.keys = Keys()
        limits = {"rate": self.settings.failed_rate_limit, "burst": self.settings.failed_rate_burst}
        access = Access(self.reviews, self.clock, Lanes(self.clock, keys=self.keys, **limits))
        self.facade = Facade(
            self.catalog, access, self.cluster, freshness, self.clock, self.settings, Sessions(Seal.fresh(), self.clock)
        )
        self.readiness = Readiness()
        self.operations = operations(
            Presenter(self.catalog), self.readiness, Documentation(b"{}"), page or PageFiles(None)
        )
        self.metrics = Metrics(self.catalog, freshness, access)
        self.edge = Edge(self.facade, Router(self.operations), self.metrics)
        self.held = held
        #: The other end of the connection that requests come from.
        self.peer: str | None = None
        #: What the watch has brought so far: plural, kind of event, object.
        self.events: list[tuple[str, str, RawObject]] = []
        self._delivered = 0
        #: Called after every event.
        self.told: Callable[[], None] = self.deliver if not held else lambda: None
        self.cluster.watchers.append(self._watched)
        self.namespace(NAMESPACE, ORG, WORKSPACE)
        self.deliver()

    def namespace(self, name: str, org: str, workspace: str) -> None:
        """A Namespace that is a workspace."""
        labels = {names.LABEL_ORG: org, names.LABEL_WORKSPACE: workspace}
        self.cluster.put({"metadata": {"name": name, "labels": labels}}, names.NAMESPACES)

    def environment(self, slug: str = "staging", **spec: Any) -> str:
        """An Environment made by kubectl; its uid."""
        raw = {"metadata": {"name": slug, "namespace": NAMESPACE}, "spec": spec}
        made = self.cluster.put(raw, names.ENVIRONMENTS)
        self.deliver()
        return str(made["metadata"]["uid"])

    def record(self, name: str = "staging.checkout") -> None:
        """The operator records what is due."""
        record(self.cluster, NAMESPACE, name)
        self.deliver()

    def raw(self, plural: str, name: str) -> RawObject:
        """What is stored."""
        return self.cluster.objects[plural, NAMESPACE, name]

    def deliver(self) -> None:
        """Let the watch bring everything up to now."""
        ways = {feed.plural: (feed.read, feed.sink) for feed in self.catalog.feeds}
        while self._delivered < len(self.events):
            plural, kind, raw = self.events[self._delivered]
            self._delivered += 1
            if plural not in ways:
                # An object of another tool, which the facade does not look at.
                continue
            way, sink = ways[plural]
            sink.apply(kind, way(raw))

    def _watched(self, plural: str, kind: str, raw: RawObject) -> None:
        self.events.append((plural, kind, raw))
        self.told()

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
        transport = Mock(get_extra_info={"peername": self.peer and (self.peer, 4711)}.get)
        request = make_mocked_request(method, path, sent, payload=_payload(content), transport=transport)
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


def envelope(status: int, error: str, message: str, details: object) -> dict[str, object]:
    """An error as every door answers it, at the moment at which the clock stands."""
    return {
        "error": error,
        "message": message,
        "details": details,
        "timestamp": "2026-01-31T12:00:00.000000",
        "status_code": status,
    }
