"""Governance through REST on the real API server: approve, reject, override, lock, and when a closed door opens."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from governance import APPROVER, MANAGER, MEMBERS_WITH_RULES, OTHER_APPROVER, Rules, eventually_answer
from identities import DEPLOYER, EDITOR
from oracles import settled
from services import Facade, Operators
from waiting import eventually, eventually_passes

from moorage_crds.gates.calendar import DAYS
from moorage_crds.moments import parse, to_text
from moorage_dev import patience
from moorage_dev.processes import Service
from moorage_dev.rest_client import Answer

ALWAYS = [{"days": list(DAYS), "from": "00:00", "until": "24:00"}]


@pytest.fixture
def shop(workspace: Workspaces, operator: Service) -> Iterator[Workspace]:
    made = workspace("production", "staging", members=MEMBERS_WITH_RULES)
    made.create_deployment("production", "web", "v1")
    made.create_deployment("staging", "web", "v2")
    eventually(lambda: settled(made))
    return made


@pytest.fixture
def door(shop: Workspace, facade: Facade) -> "Door":
    return Door(shop, facade)


class Door:
    """Calls about web in production."""

    def __init__(self, shop: Workspace, facade: Facade) -> None:
        self.shop = shop
        self.rules = Rules(shop)
        self._facade = facade

    def call(self, method: str, path: str, body: object = None, *, user: str = DEPLOYER) -> Answer:
        return self._facade.call(method, f"{self.shop.rest}/production{path}", user=user, body=body)

    def deploy(
        self, release: str = "v2", *, user: str = DEPLOYER, dry: bool = True, more: str = "", **body: str
    ) -> Answer:
        path = f"/deploy?dry_run={str(dry).lower()}{more}"
        return self.call("POST", path, {"app_id": "web", "release_id": release, **body}, user=user)

    def freeze(self, name: str, **rule: Any) -> None:
        root = self.shop.rest.removesuffix("/environments")
        body = {"reason": name, "environments": ["production"], **rule}
        answer = self._facade.call("PUT", f"{root}/freezes/{name}", user=EDITOR, body=body)
        assert answer.status == 200, answer.body

    def approve(self, user: str, release: str = "v2", **more: str) -> Answer:
        return self.call("POST", "/approvals", {"app_id": "web", "release_id": release, **more}, user=user)

    def refused(self, *gates: str, **options: Any) -> dict[str, Any]:
        """Waits until exactly these gates refuse; the details of the answer."""

        def named(answer: Answer) -> list[str]:
            return [one["gate"] for one in answer.json()["details"].get("gates", [])] if answer.status == 409 else []

        answer = eventually_answer(lambda: self.deploy(**options), lambda one: named(one) == list(gates))
        return dict(answer.json()["details"])


def test_two_people_let_a_release_in(door: Door) -> None:
    door.rules.protect(promotion={"from": "staging"}, approvals={"required": 2})
    details = door.refused("approvals")
    assert (details["reason"], details["opens_at"]) == ("ApprovalRequired", None)
    assert details["gates"][0]["details"] == {"required": 2, "approved_by": [], "missing": 2}

    assert door.approve(DEPLOYER).status == 403
    given = [door.approve(user, comment="tested") for user in (APPROVER, OTHER_APPROVER, APPROVER)]
    assert [one.status for one in given] == [201, 201, 201]
    assert given[0].json() == given[2].json()
    eventually(lambda: door.deploy().status == 200)

    def agreed() -> None:
        # Policy and facade hear of evidence by watches of their own.
        [candidate] = door.call("GET", "/approvals", user=MANAGER).json()["candidates"]
        assert (candidate["release_id"], candidate["allowed"], candidate["missing"]) == ("v2", True, 0)
        assert len(candidate["approved_by"]) == 2

    eventually_passes(agreed)

    assert door.deploy(dry=False).status == 200
    assert door.deploy("v1", dry=False).status == 200
    listed = door.call("GET", "/approvals", user=MANAGER).json()
    assert {one["counts"] for one in listed["approvals"]} <= {False}
    again = door.approve(APPROVER, "v3")
    assert (again.status, again.json()["approval"]["counts"]) == (201, True)


def test_a_no_holds_until_its_author_takes_it_back(door: Door) -> None:
    name = door.approve(APPROVER, decision="Reject", comment="leaks").json()["approval"]["name"]

    details = door.refused("approvals")

    assert (details["reason"], details["gates"][0]["details"]["comment"]) == ("ApprovalRejected", "leaks")
    other = door.call("DELETE", f"/approvals/{name}", user=OTHER_APPROVER)
    assert (other.status, other.json()["details"]["reason"]) == (409, "PolicyRefused")
    assert "takes this rejection back" in other.json()["message"]
    assert door.call("DELETE", f"/approvals/{name}", user=DEPLOYER).status == 403
    assert door.call("DELETE", f"/approvals/{name}", user=APPROVER).status == 200
    eventually(lambda: door.deploy().status == 200)


def test_every_gate_in_the_way_is_named_and_has_to_be_overridden(door: Door) -> None:
    door.freeze("audit", weekly=ALWAYS)
    door.rules.protect(promotion={"from": "staging", "soak": "2h"}, approvals={"required": 1})
    assert door.approve(APPROVER, decision="Reject").status == 201
    details = door.refused("freeze/audit", "promotion", "approvals", "approvals")
    assert {one["code"] for one in details["gates"]} == {
        "EnvironmentFrozen", "NotPromoted", "ApprovalRequired", "ApprovalRejected"
    }  # fmt: skip

    some, every = (
        "&override=freeze/audit&override=promotion",
        "&override=freeze/audit&override=promotion&override=approvals",
    )
    assert door.deploy(user=MANAGER, more=every).status == 422
    without_right = door.deploy(more=every, reason="outage")
    assert (without_right.status, without_right.json()["details"]["required_permission"]) == (
        403,
        "deployments:override",
    )
    door.refused("approvals", "approvals", user=MANAGER, more=some, reason="outage")
    assert door.deploy(user=MANAGER, more=every, dry=False, reason="outage").status == 200

    newest = door.call("GET", "/deployments?limit=1").json()["deployments"][0]
    assert (newest["override"], newest["reason"]) == (["approvals", "freeze/audit", "promotion"], "outage")


def test_a_lock_is_taken_over_only_on_purpose(door: Door) -> None:
    body = {"reason": "audit", "until": "2999-01-01T00:00:00Z"}
    assert door.call("PUT", "/lock", body, user=EDITOR).status == 200

    refused = door.call("PUT", "/lock", {"reason": "mine"}, user=MANAGER)
    taken = door.call("PUT", "/lock?take_over=true", {"reason": "mine"}, user=MANAGER)

    assert (refused.status, refused.json()["details"]["reason"]) == (409, "EnvironmentLocked")
    lock = taken.json()["environment"]["lock"]
    people = [door.shop.cluster.username(user) for user in (MANAGER, EDITOR)]
    assert [lock["locked_by"], lock["first_locked_by"], lock["until"]] == [*people, None]


def test_a_closed_door_opens_at_the_moment_that_was_said(door: Door, cluster: LiveCluster) -> None:
    """Each call lies between two looks at the clock: where both are on one side of `opens_at`, the verdict is known."""
    now = datetime.now(UTC).replace(microsecond=0)
    soon = math.ceil(min(patience.scaled(7), 25))
    lock, first, last = (to_text(now + timedelta(seconds=seconds)) for seconds in (soon, soon + 1, soon + 2))
    begins = to_text(now - timedelta(days=1))
    door.freeze("first", windows=[{"from": begins, "until": first}])
    door.freeze("last", windows=[{"from": begins, "until": last}])
    assert door.call("PUT", "/lock", {"reason": "audit", "until": lock}, user=EDITOR).status == 200
    verdicts: list[tuple[bool, bool]] = []
    said: set[str] = set()
    opens_at = parse(last)

    def is_over() -> bool:
        before = datetime.now(UTC)
        answer = door.deploy()
        after = datetime.now(UTC)
        if answer.status == 409:
            said.add(answer.json()["details"]["opens_at"])
        if (before >= opens_at) is (after >= opens_at):
            verdicts.append((before >= opens_at, answer.status == 200))
        return before > opens_at + timedelta(seconds=1)

    eventually(is_over, 60, interval=0.01)

    assert said == {last}
    assert {opened for opened, _ in verdicts} == {True, False}
    assert [pair for pair in verdicts if pair[0] is not pair[1]] == []


def test_used_up_approvals_are_removed(door: Door, operators: Operators) -> None:
    operators.stop()
    operators.start({"MOORAGE_SWEEP_INTERVAL_SECONDS": "10", "MOORAGE_APPROVALS_KEPT_HOURS": "0"})
    for user, release in ((APPROVER, "v2"), (OTHER_APPROVER, "v9")):
        assert door.approve(user, release).status == 201
    assert door.approve(APPROVER, "v8", decision="Reject").status == 201
    # A change in the second of an approval may have come before it.
    given = max(one["metadata"]["creationTimestamp"] for one in door.shop.list("approvals"))
    eventually(lambda: to_text(datetime.now(UTC)) > given)
    assert door.deploy(dry=False).status == 200

    eventually(lambda: [one["spec"]["release"] for one in door.shop.list("approvals")] == ["v8"], 40)

    eventually(lambda: door.call("GET", "/approvals", user=MANAGER).json()["total"] == 1)
