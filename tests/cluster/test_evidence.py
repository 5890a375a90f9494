"""The whole way with an operator: run in staging, be approved, enter production; and what the status says of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces, account
from governance import APPROVER, MANAGER, MEMBERS_WITH_RULES, NAME, OTHER_APPROVER, Rules, eventually_answer
from identities import DEPLOYER, EDITOR, refused_by
from oracles import settled
from services import Operators
from waiting import eventually

from moorage_dev.processes import Service


@pytest.fixture
def shop(workspace: Workspaces, operator: Service) -> Iterator[Workspace]:
    made = workspace("production", "staging", members=MEMBERS_WITH_RULES)
    made.create_deployment("production", "web", "v1")
    made.create_deployment("staging", "web", "v1")
    eventually(lambda: settled(made))
    return made


def gates(shop: Workspace, environment: str = "production") -> dict[str, Any]:
    stored = shop.get("environments", environment)
    assert stored is not None
    return dict(stored["status"].get("gates") or {})


def evidence(shop: Workspace) -> dict[str, Any]:
    """What the binding of web in production holds."""
    stored = shop.get("deployments", NAME)
    assert stored is not None
    return dict(stored["status"].get("evidence") or {})


def test_a_release_goes_from_staging_to_production_with_two_approvals(
    shop: Workspace, operators: Operators, cluster: LiveCluster
) -> None:
    rules = Rules(shop)
    rules.protect(promotion={"from": "staging"}, approvals={"required": 2})
    eventually(lambda: evidence(shop).get("known") == ["v1"])
    # Of several policies that refuse one write the API server names any one.
    assert rules.deploys("v2").status == 403

    shop.set_release("staging.web", "v2", user=DEPLOYER)
    eventually(lambda: [one["release"] for one in evidence(shop).get("proven", ())] == ["v2", "v1"])
    rules.refuses("approvals.moorage.dev", "v2")
    for user in (APPROVER, OTHER_APPROVER):
        assert rules.approval("Approve", user=user).status == 201
    eventually(lambda: rules.deploys("v2").status == 200)

    # What is written is enough: from here on nobody has to run.
    operators.stop()
    assert rules.deploys("v2", dry=False).status == 200
    shop.set_release("staging.web", "v3", user=DEPLOYER)
    assert rules.deploys("v3").status == 403
    assert rules.deploys("v1").status == 200
    assert rules.deploys("v3", user=MANAGER, reason="outage", override=["promotion", "approvals"]).status == 200

    operators.ensure()
    eventually(lambda: evidence(shop).get("known") == ["v2", "v1"])
    eventually(lambda: evidence(shop)["proven"][0]["release"] == "v3")
    assert "approved" not in evidence(shop)
    # The Environment let go of what the binding holds.
    eventually(lambda: {"known", "proven", "approved"}.isdisjoint(gates(shop)))


def test_an_override_is_recorded(shop: Workspace, cluster: LiveCluster) -> None:
    rules = Rules(shop)
    rules.protect(promotion={"from": "staging"})
    rules.refuses("promotion.moorage.dev")

    override = ["promotion"]
    assert rules.deploys("v9", user=MANAGER, dry=False, reason="outage", override=override).status == 200

    eventually(lambda: settled(shop))
    record = shop.records(NAME)[-1]
    assert (record["override"], record["reason"]) == (override, "outage")
    stored = shop.get("deployments", NAME)
    assert stored is not None
    assert stored["status"]["lastChange"]["override"] == override


def test_an_environment_that_nothing_protects_costs_no_write_for_it(shop: Workspace, cluster: LiveCluster) -> None:
    assert gates(shop) == gates(shop, "staging") == {}
    mark = cluster.audit_mark()

    answer = Rules(shop).approval("Approve", user=APPROVER)
    shop.set_release("staging.web", "v2", user=DEPLOYER)
    eventually(lambda: settled(shop))

    assert answer.status == 201
    writes = cluster.audit_since(mark, user=account("moorage-operator"), resource="environments/status")
    assert {event.name for event in writes if event.namespace == shop.namespace} == {"staging"}


def test_a_locked_environment_says_so_and_when_it_opens(shop: Workspace, cluster: LiveCluster) -> None:
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "EnvironmentLock",
        "metadata": {"name": "production"},
        "spec": {"reason": "audit", "until": "2999-01-01T00:00:00Z"},
    }
    assert cluster.raw("POST", shop.path("environmentlocks"), user=EDITOR, body=body).status == 201

    wanted = {"closed": True, "lockedBy": cluster.username(EDITOR), "nextOpen": "2999-01-01T00:00:00Z"}
    eventually(lambda: {key: gates(shop).get(key) for key in wanted} == wanted)

    listed = cluster.kubectl("get", "env", "production", f"--namespace={shop.namespace}").stdout
    assert all(word in listed for word in ("LOCK", "CLOSED", "NEXT", "opens 2999-01-01T00:00:00Z"))
    stored = shop.get("environments", "production")
    assert stored is not None
    assert "takes no deployments now" in stored["status"]["conditions"][0]["message"]
    path = shop.path("environments", "production") + "?dryRun=All"
    assert cluster.raw("DELETE", path, user=EDITOR).status == 403
    assert cluster.raw("DELETE", shop.path("environmentlocks", "production")).status == 200
    eventually(lambda: gates(shop) == {})


def test_a_frozen_environment_with_deployments_is_not_deleted(shop: Workspace, cluster: LiveCluster) -> None:
    window = {"from": "2001-01-01T00:00:00Z", "until": "2998-01-01T00:00:00Z"}
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Freeze",
        "metadata": {"name": "audit"},
        "spec": {"reason": "quiet", "windows": [window]},
    }
    assert cluster.raw("POST", shop.path("freezes"), user=EDITOR, body=body).status == 201
    path = shop.path("environments", "production") + "?dryRun=All"

    def is_refused(answer: Any) -> bool:
        return refused_by(answer, "environments-gates.moorage.dev")

    answer = eventually_answer(lambda: cluster.raw("DELETE", path, user=EDITOR), is_refused)

    assert "is closed" in answer.json()["message"]
    assert "undeploy them first" in answer.json()["message"]
