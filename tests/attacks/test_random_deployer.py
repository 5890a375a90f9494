"""A deployer writes at random, within his rights and beyond; others lock, delete, kill. In the end all of it is told.

Each Deployment has one writer at a time, so that the test itself knows what every answer changed, and when.
"""

import math
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from commands import broken, moorage
from hostile_writes import Write, Writer
from identities import DEPLOYER, EDITOR, MEMBERS, OWNER, VIEWER, Object, owner, refused_by
from oracles import ANY_REQUEST_ID, Accepted, Chain, Ledger, check_history, exactly_once, records_of, settled
from services import Facade, Operators
from waiting import eventually, eventually_passes

from moorage_crds import names
from moorage_dev import children
from moorage_dev.rest_client import JSON, MERGE_PATCH, Answer

ENVIRONMENTS = ("dev", "staging", "production")
APPS = ("web", "api")
PROPAGATIONS = ("", "?propagationPolicy=Foreground", "?propagationPolicy=Orphan", "?propagationPolicy=Background")
#: How long an operator that is ready lives, seconds.
LIFE = 8.0


@dataclass(slots=True)
class Scene:
    """What all take part in.

    Attributes:
        counts: how often what happened.
        changed: moments between which a release changed: the environment, not before, not after.
        locked: moments between which an environment was locked for sure.
        false: times that are not those of their writes: the write, its log entry, the clock before and after.
    """

    shop: Workspace
    facade: Facade
    ledger: Ledger
    over: threading.Event = field(default_factory=threading.Event)
    guard: threading.Lock = field(default_factory=threading.Lock)
    counts: Counter[str] = field(default_factory=Counter)
    changed: list[tuple[str, float, float]] = field(default_factory=list)
    locked: list[tuple[str, float, float]] = field(default_factory=list)
    false: list[tuple[str, Object, float, float]] = field(default_factory=list)

    def count(self, what: str) -> None:
        """Once more."""
        with self.guard:
            self.counts[what] += 1


class Lane:
    """One Deployment, and who writes it."""

    def __init__(self, scene: Scene, environment: str, app: str, dice: random.Random) -> None:
        self._scene, self._dice = scene, dice
        self._environment, self._app = environment, app
        self._writer = Writer(dice, environment, app)
        self._chain: Chain | None = None
        self._release: str | None = None
        self._seen = 0.0
        self._may_go = False

    def step(self) -> None:
        """One act of somebody."""
        stored = self._look()
        chance = self._dice.random()
        if chance < 0.72:
            self._write(self._writer.write(stored), DEPLOYER)
        elif chance < 0.86 and not self._may_go:
            self._by_rest()
        elif stored is not None:
            self._dice.choice([self._delete, self._delete, self._delete_all, self._hold, self._own, self._strip])()

    def finish(self) -> None:
        """Nothing is held any more, what is going goes, and an honest write ends it."""
        shop, name = self._scene.shop, self._writer.name
        body = {"metadata": {"finalizers": None, "ownerReferences": None}}
        shop.cluster.raw("PATCH", shop.path("deployments", name), user=EDITOR, body=body, content_type=MERGE_PATCH)
        eventually(lambda: "deletionTimestamp" not in (shop.get("deployments", name) or {"metadata": {}})["metadata"])
        eventually(self._honest, timeout=60, interval=0.3)

    def _honest(self) -> bool:
        stored = self._look()
        name, spec = self._writer.name, {"environment": self._environment, "app": self._app, "release": "the-end"}
        made = {"apiVersion": "moorage.dev/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
        if stored is None:
            last = Write("honest create", "POST", "", made, JSON, None, False)
        else:
            body = {"spec": {"release": "the-end"}}
            last = Write("honest patch", "PATCH", f"/{name}", body, MERGE_PATCH, None, False)
        return self._write(last, DEPLOYER).status in {200, 201}

    def _look(self) -> Object | None:
        """What is there now. A Deployment goes only if somebody did what may end it."""
        started = time.time()
        stored = self._scene.shop.get("deployments", self._writer.name)
        self._follow(stored)
        if stored is not None:
            self._seen = started
        return stored

    def _follow(self, stored: Object | None) -> None:
        """Notice that the one from before is gone."""
        chain = self._chain
        if chain is not None and (stored is None or stored["metadata"]["uid"] != chain.uid):
            assert self._may_go, f"{chain.name} is gone, and nobody who may deleted it"
            if self._release is not None:
                self._scene.changed.append((self._environment, self._seen, time.time()))
            self._scene.ledger.ended(chain.uid, started=self._seen)
            self._scene.count("deleted")
            self._chain, self._release, self._may_go = None, None, False

    def _write(self, write: Write, user: str) -> Answer:
        path, started = self._scene.shop.path("deployments") + write.tail, time.time()
        answer = self._scene.shop.cluster.raw(
            write.method, path, user=user, body=write.body, content_type=write.content_type
        )
        assert answer.status < 500, (write, answer.body)
        self._scene.count(f"{answer.status // 100}xx")
        if answer.status < 300 and not write.dry:
            self._accept(answer.json(), user, started, write.title, write.reason)
        return answer

    def _accept(
        self,
        stored: Object,
        user: str,
        started: float,
        title: str,
        reason: str | None,
        request_id: str | None = None,
    ) -> None:
        """What an answer changed. Its time is true to the second, or not there."""
        ended, release = time.time(), stored["spec"].get("release") or None
        self._follow(stored)
        chain = self._chain = self._chain or self._scene.ledger.adopt(stored)
        before, self._release, self._seen = self._release, release, started
        if before == release:
            return
        entry = stored["changeLog"]["entries"][-1]
        version = int(stored["metadata"]["resourceVersion"])
        by = self._scene.shop.cluster.username(user)
        action = "deploy" if release else "undeploy"
        until = ended if "at" in entry else None
        chain.changes.append(Accepted(version, action, release, by, reason, request_id, started, until))
        self._scene.changed.append((self._environment, started, ended))
        self._scene.count("changes with a time" if "at" in entry else "changes without a time")
        if "at" in entry:
            at = datetime.fromisoformat(entry["at"]).timestamp()
            if not math.floor(started) <= at <= ended:
                self._scene.false.append((title, entry, started, ended))

    def _by_rest(self) -> None:
        shop, number = self._scene.shop, self._dice.randrange(10**9)
        path, started = f"{shop.rest}/{self._environment}/deploy", time.time()
        if self._dice.random() < 0.7:
            wanted = {"app_id": self._app, "release_id": f"rest-{number}"}
            answer = self._scene.facade.call("POST", path, user=DEPLOYER, body=wanted)
        else:
            answer = self._scene.facade.call("DELETE", f"{path}/{self._app}", user=DEPLOYER)
        assert answer.status < 500 or answer.status == 503, answer.body
        self._scene.count(f"REST {answer.status}")
        stored = self._look()
        if stored is not None:
            assert answer.status < 300 or (stored["spec"].get("release") or None) == self._release, answer.body
            self._accept(stored, DEPLOYER, started, "REST", None, ANY_REQUEST_ID)

    def _delete(self) -> None:
        """As the deployer, who may not; then as the editor."""
        shop = self._scene.shop
        path = shop.path("deployments", self._writer.name) + self._dice.choice(PROPAGATIONS)
        assert shop.cluster.raw("DELETE", path, user=DEPLOYER).status == 403
        self._wait_for_records()
        self._end(path, EDITOR)

    def _delete_all(self) -> None:
        shop, dry = self._scene.shop, self._dice.choice(["", "&dryRun=All"])
        path = shop.path("deployments") + f"?fieldSelector=metadata.name%3D{self._writer.name}{dry}"
        assert shop.cluster.raw("DELETE", path, user=DEPLOYER).status == 403
        self._wait_for_records()
        self._end(path, OWNER)

    def _end(self, path: str, user: str) -> None:
        before, self._may_go = self._may_go, True
        answer = self._scene.shop.cluster.raw("DELETE", path, user=user)
        self._may_go = before or (answer.status < 300 and "dryRun" not in path)
        assert answer.status < 500, answer.body
        self._scene.count("deletes answered" if answer.status < 300 else "deletes refused")
        self._look()

    def _hold(self) -> None:
        """A finalizer by the editor; what is deleted then is changed by nobody."""
        shop, path = self._scene.shop, self._scene.shop.path("deployments", self._writer.name)
        self._patch({"metadata": {"finalizers": ["example.com/hold"]}, "spec": {"release": None}}, EDITOR)
        self._wait_for_records()
        self._end(path, EDITOR)
        stored = shop.get("deployments", self._writer.name)
        if stored is not None and "deletionTimestamp" in stored["metadata"]:
            answer = self._patch({"metadata": {"finalizers": None}, "spec": {"release": "evil"}}, DEPLOYER)
            assert refused_by(answer, names.POLICY_LIFECYCLE), answer.body
            self._scene.count("changes of what is being deleted refused")
        self._patch({"metadata": {"finalizers": None}}, DEPLOYER)

    def _own(self) -> None:
        """An owner by the editor, who is there, and goes: the collector deletes then, as soon as it may."""
        shop, number = self._scene.shop, self._dice.randrange(10**9)
        maps = f"/api/v1/namespaces/{shop.namespace}/configmaps"
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"owner-{number}"}}
        made = shop.cluster.raw("POST", maps, body=config).json()
        real = owner(made["metadata"]["uid"]) | {"name": f"owner-{number}"}
        self._may_go = True
        self._patch({"metadata": {"ownerReferences": [real]}}, EDITOR)
        shop.cluster.raw("DELETE", f"{maps}/owner-{number}")

    def _wait_for_records(self) -> None:
        """Give a delete a chance: until all is recorded, or nobody is there to record."""

        def recorded() -> bool:
            stored = self._scene.shop.get("deployments", self._writer.name) or {}
            log, status = stored.get("changeLog", {}), stored.get("status", {})
            return self._scene.over.is_set() or log.get("sequence", 0) <= status.get("recordedSequence", 0)

        eventually(recorded, timeout=60, interval=0.2)

    def _strip(self) -> None:
        self._patch({"metadata": {"ownerReferences": None, "finalizers": None}}, DEPLOYER)

    def _patch(self, body: Object, user: str) -> Answer:
        return self._write(Write("patch", "PATCH", f"/{self._writer.name}", body, MERGE_PATCH, None, False), user)


def _lock_and_unlock(scene: Scene, dice: random.Random) -> None:
    shop = scene.shop
    while not scene.over.wait(dice.uniform(0.5, 2)):
        name, by_rest = dice.choice(ENVIRONMENTS), dice.random() < 0.5
        path, rest = shop.path("environmentlocks", name), f"{shop.rest}/{name}/lock"
        lock = {"apiVersion": "moorage.dev/v1", "kind": "EnvironmentLock"}
        if by_rest:
            done = scene.facade.call("PUT", rest, user=EDITOR, body={"reason": "audit"})
        else:
            body = {**lock, "metadata": {"name": name}, "spec": {"reason": "audit"}}
            done = shop.cluster.raw("POST", shop.path("environmentlocks"), user=EDITOR, body=body)
            eventually(partial(_is_refused, shop, name))
        since = time.time()
        assert done.status in {200, 201}, done.body
        assert shop.cluster.raw("DELETE", path, user=DEPLOYER).status == 403
        scene.over.wait(dice.uniform(0.3, 2))
        scene.locked.append((name, since, time.time()))
        gone = (
            scene.facade.call("DELETE", rest, user=EDITOR) if by_rest else shop.cluster.raw("DELETE", path, user=EDITOR)
        )
        assert gone.status == 200, gone.body


def _is_refused(shop: Workspace, environment: str) -> bool:
    spec = {"environment": environment, "app": "probe", "release": "v1"}
    made = {"apiVersion": "moorage.dev/v1", "kind": "Deployment", "metadata": {"name": f"{environment}.probe"}}
    answer = shop.cluster.raw("POST", shop.path("deployments") + "?dryRun=All", body={**made, "spec": spec})
    return refused_by(answer, names.POLICY_DEPLOYMENT_LOCKS)


def _kill_and_start(scene: Scene, operators: Operators) -> None:
    """One operator at a time, killed and followed by the next one."""
    while not scene.over.is_set():
        running = operators.start()
        if not scene.over.wait(LIFE):
            children.kill(running.child)
            scene.count("kills")


def _read(scene: Scene) -> None:
    """The facade answers, whatever happens."""
    while not scene.over.wait(0.3):
        for tail in ("", "/dev", "/dev/deployments?limit=200", "/production"):
            answer = scene.facade.call("GET", scene.shop.rest + tail, user=VIEWER)
            assert answer.status == 200, answer.body
            scene.count("reads")


def _write_in_turn(scene: Scene, lanes: list[Lane], dice: random.Random) -> None:
    while not scene.over.is_set():
        dice.choice(lanes).step()


@contextmanager
def _everybody(scene: Scene, operators: Operators, lanes: list[Lane], dice: list[random.Random]) -> Iterator[None]:
    """All at work inside the block; the first failure of anybody is raised after it."""

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            scene.over.set()

    works: list[Callable[[], None]] = [
        *(partial(_write_in_turn, scene, lanes[n::3], dice[n]) for n in range(3)),
        lambda: _lock_and_unlock(scene, dice[3]),
        lambda: _kill_and_start(scene, operators),
        lambda: _read(scene),
    ]
    with ThreadPoolExecutor(len(works)) as pool:
        tasks = [pool.submit(guarded, work) for work in works]
        yield
        scene.over.set()
    for task in tasks:
        task.result()


def _by_rest(facade: Facade, shop: Workspace) -> dict[str, tuple[str, str, str, str, int]]:
    """All lines of history by their ids."""
    found = {}
    for environment in ENVIRONMENTS:
        cursor = ""
        while True:
            query = f"?limit=200{cursor and f'&cursor={cursor}'}"
            page = facade.call("GET", f"{shop.rest}/{environment}/deployments{query}", user=VIEWER).json()
            for line in page["deployments"]:
                key = ("app_id", "action", "release_id", "deployed_by", "sequence")
                found[line["deployment_id"]] = tuple(line[name] for name in key)
            cursor = page["next_cursor"] or ""
            if not cursor:
                break
    return found


def _by_kubectl(shop: Workspace) -> dict[str, tuple[str, str, str, str, int]]:
    specs = {item["metadata"]["name"]: item["spec"] for item in shop.list("deploymentrecords")}
    return {
        name: (
            spec["app"],
            spec["action"],
            spec.get("release") or spec.get("previousRelease"),
            spec.get("by", "unknown"),
            spec["sequence"],
        )
        for name, spec in specs.items()
    }


def _crossings(scene: Scene) -> list[tuple[str, float, float]]:
    """Changes that began and ended while their environment was locked."""
    return [
        change
        for change in scene.changed
        for name, since, until in scene.locked
        if change[0] == name and since <= change[1] and change[2] <= until
    ]


def _run(cluster: LiveCluster, facade: Facade, operators: Operators, shop: Workspace, seconds: float) -> str:
    seed = int(os.environ.get("MOORAGE_DEPLOYER_SEED", str(time.time_ns() % 10**6)))
    print(f"MOORAGE_DEPLOYER_SEED={seed}")
    scene = Scene(shop, facade, Ledger(cluster))
    dice = [random.Random(f"{seed}/{number}") for number in range(12)]  # noqa: S311 — repeatable, not secret
    lanes = [Lane(scene, place, app, dice.pop()) for place in ENVIRONMENTS for app in APPS]
    with _everybody(scene, operators, lanes, dice):
        scene.over.wait(seconds)
    operators.ensure()
    for lane in lanes:
        lane.finish()
    eventually(lambda: settled(shop), timeout=60, interval=0.3)
    # What is deleted without a word is told a moment later, by whichever operator notices.
    eventually_passes(lambda: exactly_once(scene.ledger, records_of([shop])), timeout=60)

    records = records_of([shop])
    assert scene.false == []
    check_history(scene.ledger, records)
    assert _crossings(scene) == []
    eventually(lambda: _by_rest(facade, shop) == _by_kubectl(shop), timeout=15)
    assert broken(moorage(cluster, "verify"), shop.namespace) == []
    counts = ", ".join(f"{number} {what}" for what, number in sorted(scene.counts.items()))
    return f"seed {seed}: {scene.ledger.count} changes = {len(records)} records, {len(scene.locked)} locks; {counts}"


@pytest.fixture
def shop(workspace: Workspaces, facade: Facade) -> Workspace:
    """A workspace that the facade knows."""
    made = workspace(*ENVIRONMENTS, members=MEMBERS)
    eventually(lambda: facade.call("GET", f"{made.rest}/production", user=VIEWER).status == 200)
    return made


def _goes(shop: Workspace) -> str:
    """The Namespace, deleted as it is."""
    path, began = f"/api/v1/namespaces/{shop.namespace}", time.monotonic()
    assert shop.cluster.raw("DELETE", path).status == 200
    eventually(lambda: shop.cluster.raw("GET", path).status == 404, timeout=30)
    return f"Namespace gone in {time.monotonic() - began:.1f} s"


@pytest.mark.timeout(600)
def test_whatever_a_deployer_writes_is_told_as_it_was(
    cluster: LiveCluster, facade: Facade, no_operator: Operators, shop: Workspace, figures: Callable[[str], None]
) -> None:
    told = _run(cluster, facade, no_operator, shop, 45)
    figures(f"{told}; {_goes(shop)}")


@pytest.mark.campaign
@pytest.mark.timeout(7_200)
def test_campaign_of_a_deployer(
    cluster: LiveCluster, facade: Facade, no_operator: Operators, shop: Workspace, figures: Callable[[str], None]
) -> None:
    told = _run(cluster, facade, no_operator, shop, float(os.environ.get("MOORAGE_DEPLOYER_SECONDS", "300")))
    figures(f"{told}; {_goes(shop)}")
