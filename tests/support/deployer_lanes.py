"""Lanes of a random deployer: each owns some bindings, and writes by kubectl, REST and GitOps as the dice say."""

import math
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from cluster import Workspace
from hostile_writes import Write, Writer
from identities import DEPLOYER, EDITOR, OWNER, Object, owner, refused_by
from ledger import Accepted, Chain, Ledger
from oracles import ANY_REQUEST_ID
from services import Facade
from waiting import eventually

from moorage_crds import names
from moorage_dev.rest_client import JSON, MERGE_PATCH, Answer

ENVIRONMENTS = ("dev", "staging", "production")


APPS = ("web", "api")


PROPAGATIONS = ("", "?propagationPolicy=Foreground", "?propagationPolicy=Orphan", "?propagationPolicy=Background")


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
