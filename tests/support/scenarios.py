"""Twelve things that people do, each in a workspace of its own; they insist until the cluster takes every step.

`before` runs while no operator is there, `during` while one is; what was accepted is in the ledger.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cluster import LiveCluster, Workspace, Workspaces, account
from etcd import Etcd
from ledger import Ledger
from oracles import ANY_REQUEST_ID, settled
from waiting import eventually

from moorage_dev.rest_client import MERGE_PATCH

#: Seconds that a step may take while operators die.
PATIENCE = 240.0
WEB = "production.web"


@dataclass(slots=True)
class Scenario:
    """One of them, at work."""

    title: str
    cluster: LiveCluster
    shop: Workspace
    ledger: Ledger
    steps: "tuple[Callable[[Scenario], None], Callable[[Scenario], None]]"
    uids: dict[str, str] = field(default_factory=dict)

    def before(self) -> None:
        """The part without an operator."""
        self.steps[0](self)

    def during(self) -> None:
        """The part with one."""
        self.steps[1](self)

    def create(self, release: str | None, *, app: str = "web") -> None:
        self.uids[app] = self.ledger.create(self.shop, "production", app, release)

    def change(self, release: str | None, *, app: str = "web", user: str = "bob", reason: str | None = None) -> None:
        self.ledger.insist(self.shop, f"production.{app}", release, user=user, reason=reason)

    def recorded(self) -> None:
        """Wait until everything so far is recorded."""
        eventually(lambda: settled(self.shop), timeout=PATIENCE)

    def done(self) -> bool:
        """Everything that was accepted is recorded, and nothing is left to do."""
        return len(self.shop.list("deploymentrecords")) >= self.ledger.count and settled(self.shop)


def _nothing(_: Scenario) -> None:
    return


def _create(one: Scenario) -> None:
    one.create("v1")


def _deploy(one: Scenario) -> None:
    one.create(None)
    one.change("v1")


def _same_again(one: Scenario) -> None:
    one.create("v1")
    path = one.shop.path("deployments", WEB)
    for body in ({"spec": {"release": "v1"}}, {"metadata": {"labels": {"tier": "front"}}}):
        assert one.cluster.raw("PATCH", path, user="alice", body=body, content_type=MERGE_PATCH).status == 200


def _new_release(one: Scenario) -> None:
    one.create("v1")
    one.change("v2", reason="better")


def _undeploy(one: Scenario) -> None:
    one.create("v1")
    one.change(None, reason="no more")


def _rollback(one: Scenario) -> None:
    one.create("v1")
    one.change("v2")
    started = time.time()
    body = {"spec": {"release": "v1"}}
    answer = one.cluster.raw(
        "PATCH", one.shop.path("deployments", WEB), user="alice", body=body, content_type=MERGE_PATCH
    )
    one.ledger.accept(answer.json(), user="alice", started=started, action="rollback")


def _delete(one: Scenario) -> None:
    one.create("v1")
    _wait_and_delete(one)


def _wait_and_delete(one: Scenario) -> None:
    one.recorded()
    one.ledger.delete(one.shop, WEB)


def _delete_environment(one: Scenario) -> None:
    one.create("v1")
    one.recorded()
    started = time.time()
    assert one.cluster.raw("DELETE", one.shop.path("environments", "production")).status == 200
    eventually(lambda: one.shop.get("deployments", WEB) is None, timeout=PATIENCE)
    one.ledger.ended(
        one.uids["web"],
        started=started,
        by=account("moorage-operator"),
        reason="environment deleted",
        request_id=ANY_REQUEST_ID,
    )


def _delete_and_create(one: Scenario) -> None:
    one.create("v1")
    _wait_and_delete(one)
    one.create("v2")


def _two_apps(one: Scenario) -> None:
    one.create("v1")
    one.create("v1", app="api")
    one.change("v2")
    one.change("v2", app="api")


def _upgrade(one: Scenario) -> None:
    """The status is that of a version that kept less in it."""
    one.create("v1")
    one.recorded()
    etcd = Etcd(one.cluster.control_plane)

    def forget(stored: dict[str, dict[str, object]]) -> None:
        stored["status"].pop("history", None)
        stored["status"].pop("lastChange", None)

    etcd.edit("deployments", one.shop.namespace, WEB, forget)
    one.change("v2")


def _before_resume(one: Scenario) -> None:
    one.create("v1")
    for number in range(2, 5):
        one.change(f"v{number}", reason=f"while nobody looked {number}")


def _resume(one: Scenario) -> None:
    one.change("v5")


STEPS: "dict[str, tuple[Callable[[Scenario], None], Callable[[Scenario], None]]]" = {
    "create": (_nothing, _create),
    "deploy": (_nothing, _deploy),
    "same again": (_nothing, _same_again),
    "new release": (_nothing, _new_release),
    "undeploy": (_nothing, _undeploy),
    "rollback": (_nothing, _rollback),
    "delete a deployment": (_nothing, _delete),
    "delete an environment": (_nothing, _delete_environment),
    "delete and create again": (_nothing, _delete_and_create),
    "two apps": (_nothing, _two_apps),
    "upgrade": (_nothing, _upgrade),
    "resume": (_before_resume, _resume),
}


def new(title: str, cluster: LiveCluster, workspace: Workspaces) -> Scenario:
    """A scenario in a workspace of its own."""
    return Scenario(title, cluster, workspace("production"), Ledger(cluster), STEPS[title])
