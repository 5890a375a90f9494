"""Random schedules of approving, rejecting, deploying and expiring while the operator dies: nothing enters unapproved.

One thread writes about each app, so the test itself knows which Approvals stood at every write. What it judges by is
what it was answered, never the evidence in the status, which the operator makes.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from dice import DICE
from governance import APPROVER, MANAGER, MEMBERS_WITH_RULES, OTHER_APPROVER, Rules
from identities import DEPLOYER, OWNER
from ledger import BACK_PRESSURE
from services import Operators
from waiting import eventually

from moorage_crds.moments import to_text
from moorage_crds.names import binding_name
from moorage_dev import children, patience
from moorage_dev.rest_client import MERGE_PATCH

APPS = tuple(f"app-{number}" for number in range(8))
#: Releases that have to enter with approvals before it ends.
SCHEDULES = int(os.environ.get("MOORAGE_APPROVAL_SCHEDULES", "16"))
APPROVERS = (APPROVER, OTHER_APPROVER, MANAGER, OWNER)
DEPLOYERS = (DEPLOYER, MANAGER, OWNER)
REQUIRED = 2
#: The shortest that an Environment can say.
VALID_FOR = 60.0
#: A rejection reaches the policy a moment after its answer, as a lock does (docs/reliability.md).
POLICY_SECONDS = 1.0
#: How long an operator lives, and how long one schedule may take on an idle machine, all apps together.
LIFE, EACH = 6.0, 10.0


@dataclass(slots=True)
class Approved:
    """An Approval that was answered 201."""

    user: str
    release: str
    ended: float
    name: str
    created: str


@dataclass(slots=True)
class Lane:
    """Everything about one app, in order."""

    shop: Workspace
    app: str
    dice: random.Random
    counts: Counter[str]
    wrong: list[str]
    number: int = 0
    candidate: str = "r0"
    entered: set[str] = field(default_factory=set)
    approvals: list[Approved] = field(default_factory=list)
    rejections: dict[str, Approved] = field(default_factory=dict)

    def step(self) -> None:
        """One act of somebody, more often one that leads on."""
        acts = (self._approve, self._approve, self._deploy, self._deploy, self._reject, self._forgive, self._elsewhere)
        self.dice.choice(acts)()

    def _approve(self, release: str | None = None) -> None:
        user, release = self.dice.choice(APPROVERS), release or self._release()
        self.approvals.append(self._give("Approve", user, release, "production"))

    def _reject(self) -> None:
        if self.dice.random() < 0.7:
            return
        user, release = self.dice.choice(APPROVERS), self._release()
        given = self._give("Reject", user, release, "production")
        self.rejections[given.name] = given
        self.counts["rejections"] += 1

    def _forgive(self) -> None:
        """The author takes a no back; from the answer on it counts for neither side."""
        for name, one in list(self.rejections.items()):
            del self.rejections[name]
            path = self.shop.path("approvals", name)
            assert self.shop.cluster.raw("DELETE", path, user=one.user).status == 200

    def _elsewhere(self) -> None:
        """Approvals that are about something else."""
        user = self.dice.choice(APPROVERS)
        if self.dice.random() < 0.5:
            self._give("Approve", user, self.candidate, "staging")
        else:
            self._give("Approve", user, self.candidate, "production", app=f"{self.app}-other")

    def _give(self, decision: str, user: str, release: str, environment: str, *, app: str = "") -> Approved:
        spec = {"environment": environment, "app": app or self.app, "release": release, "decision": decision}
        metadata = {"generateName": f"{self.app}-"}
        body = {"apiVersion": "moorage.dev/v1", "kind": "Approval", "metadata": metadata, "spec": spec}
        answer = self.shop.cluster.raw("POST", self.shop.path("approvals"), user=user, body=body)
        assert answer.status == 201, answer.body
        self.counts["approvals"] += decision == "Approve"
        made = answer.json()["metadata"]
        return Approved(user, release, time.time(), made["name"], made["creationTimestamp"])

    def _deploy(self) -> None:
        user, release, started = self.dice.choice(DEPLOYERS), self._release(), time.time()
        path, body = self.shop.path("deployments", self._name), {"spec": {"release": release}}
        answer = self.shop.cluster.raw("PATCH", path, user=user, body=body, content_type=MERGE_PATCH)
        assert answer.status in {200, 403} or BACK_PRESSURE in answer.json()["message"], answer.body
        if answer.status != 200:
            # By the rules, or because the operators that died have left too much unrecorded.
            self.counts["deploys refused"] += 1
            return
        if answer.json()["changeLog"]["sequence"] == self.number:
            return
        self._judge(user, release, started)
        self.number = answer.json()["changeLog"]["sequence"]
        self.entered.add(release)
        # Approvals are used up by the next change, whatever it is; the next candidate begins with none. Of the second
        # of a change it cannot be told what came first: those of other releases stay.
        change = answer.json()["changeLog"]["entries"][-1]
        around = {change.get("release"), change.get("from")}
        # A second change within a second has no time: then it is one of the seconds of its request.
        seconds = {to_text(datetime.fromtimestamp(one, UTC)) for one in range(int(started), int(time.time()) + 1)}
        when = {change["at"]} if "at" in change else seconds
        self.approvals = [one for one in self.approvals if one.created in when and one.release not in around]
        if release == self.candidate:
            self.candidate = f"r{self.number}"

    @property
    def _name(self) -> str:
        return binding_name("production", self.app)

    def _release(self) -> str:
        if self.entered and self.dice.random() < 0.15:
            return self.dice.choice(sorted(self.entered))
        return self.candidate if self.dice.random() < 0.8 else f"other-{self.dice.randrange(3)}"

    def _judge(self, user: str, release: str, started: float) -> None:
        """Whether a write that was accepted may have been."""
        rejected = [
            one.user
            for one in self.rejections.values()
            if one.release == release and one.ended + patience.scaled(POLICY_SECONDS) < started
        ]
        if rejected:
            self.wrong.append(f"{self.app} {release} by {user}: rejected by {rejected}")
        if release in self.entered:
            self.counts["came back"] += 1
            return
        of = {
            one.user
            for one in self.approvals
            if one.release == release and one.user != user and started < one.ended + VALID_FOR
        }
        self.counts["deployed with approvals"] += 1
        if len(of) < REQUIRED:
            self.wrong.append(f"{self.app} {release} by {user} after change {self.number}: approved by {sorted(of)}")


@pytest.fixture
def shop(cluster: LiveCluster) -> Iterator[Workspace]:
    """Whose production takes a release only with approvals."""
    made = Workspaces(cluster)
    shop = made("staging", "production", members=MEMBERS_WITH_RULES)
    for app in APPS:
        shop.create_deployment("production", app)
    Rules(shop).protect(approvals={"required": REQUIRED, "validFor": f"{VALID_FOR:.0f}s"})
    path = shop.path("deployments", binding_name("production", APPS[0])) + "?dryRun=All"
    body = {"spec": {"release": "r0"}}
    eventually(
        lambda: shop.cluster.raw("PATCH", path, user=DEPLOYER, body=body, content_type=MERGE_PATCH).status == 403
    )
    yield shop
    made.clean()


@pytest.mark.timeout(1200 + 10 * SCHEDULES)
def test_nothing_enters_without_approvals_that_count(shop: Workspace, operators: Operators, figures: Any) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    dice = [random.Random(DICE + number) for number in range(len(APPS))]  # noqa: S311 — repeatable, no secret

    _play([Lane(shop, app, one, counts, wrong) for app, one in zip(APPS, dice, strict=True)], operators)

    figures(f"MOORAGE_DICE={DICE}: {dict(sorted(counts.items()))}")
    assert wrong == [], DICE
    assert counts["deploys refused"] > counts["deployed with approvals"]


def _play(lanes: Sequence[Lane], operators: Operators) -> None:
    """Until enough schedules have come to their end; one operator after the other is killed meanwhile."""
    over, began, counts = threading.Event(), time.monotonic(), lanes[0].counts

    def live(lane: Lane) -> None:
        try:
            while not over.is_set() and counts["deployed with approvals"] < SCHEDULES:
                assert not patience.is_over(began, SCHEDULES * EACH), counts
                lane.step()
        finally:
            over.set()

    with ThreadPoolExecutor(len(lanes)) as pool:
        lives = [pool.submit(live, lane) for lane in lanes]
        while not over.is_set():
            operator = operators.start()
            counts["operators"] += 1
            over.wait(LIFE)
            children.kill(operator.child)
        for one in lives:
            one.result()
