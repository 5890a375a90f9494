"""Approvals with no operator: who may give them, what they let in by the evidence, and how a rejection holds."""

from collections.abc import Iterator
from typing import Any

import pytest
from cluster import LiveCluster, Workspace
from governance import (
    APPROVER,
    FUTURE,
    IDLE,
    MANAGER,
    NAME,
    OTHER_APPROVER,
    PAST,
    PLACES,
    Rules,
    eventually_answer,
    governed,
    message,
)
from identities import DEPLOYER, EDITOR, OWNER, garbage_collector, refused_by
from services import Operators
from waiting import eventually

from moorage_dev.rest_client import Answer

POLICY = "approvals.moorage.dev"
REJECTIONS = "rejections.moorage.dev"
RIGHTS = "approval-rights.moorage.dev"
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def shop(cluster: LiveCluster, _operators: Operators) -> Iterator[Workspace]:
    with governed(cluster, _operators) as made:
        yield made


@pytest.fixture
def rules(shop: Workspace) -> Iterator[Rules]:
    made = Rules(shop)
    yield made
    made.clean()


@pytest.fixture(params=PLACES)
def wanted(shop: Workspace, request: pytest.FixtureRequest) -> Iterator[Rules]:
    """Production wants two approvals; there is none. What is known of them stands in one place or the other."""
    made = Rules(shop, request.param)
    made.protect(approvals={"required": 2})
    made.refuses(POLICY)
    yield made
    made.clean()


def sequence(shop: Workspace) -> int:
    stored = shop.get("deployments", NAME)
    assert stored is not None
    return int(stored["changeLog"]["sequence"])


def approve(rules: Rules, *users: str, release: str = "v2", ago: int = 0, **more: str) -> None:
    """Evidence that these people approved, a number of changes ago."""
    by = [{"user": rules.shop.cluster.username(user), **more} for user in users]
    rules.evidence(approved={"web": [{"release": release, "sequence": sequence(rules.shop) - ago, "by": by}]})


@pytest.mark.parametrize(
    ("users", "count"), [((), 0), ((APPROVER,), 1), ((APPROVER, DEPLOYER), 1)], ids=["nobody", "one", "the deployer"]
)
def test_too_few_approvals_of_others_refuse(wanted: Rules, users: tuple[str, ...], count: int) -> None:
    approve(wanted, *users)

    eventually(lambda: f"web v2 has {count}" in message(wanted.refuses(POLICY)))


def test_two_approvals_of_others_let_a_release_in(wanted: Rules) -> None:
    approve(wanted, APPROVER, OTHER_APPROVER)

    wanted.passes()

    assert refused_by(wanted.deploys("v3"), POLICY)


def test_the_write_that_uses_an_approval_consumes_it(shop: Workspace, wanted: Rules) -> None:
    number, used = sequence(shop), f"used-{wanted.place}"
    by = [{"user": shop.cluster.username(user)} for user in (APPROVER, OTHER_APPROVER)]
    approved = [{"release": release, "sequence": number, "by": by} for release in (used, "left")]
    wanted.evidence(approved={"web": approved})
    wanted.passes("left")

    assert wanted.deploys(used, dry=False).status == 200

    assert refused_by(wanted.deploys("left"), POLICY)


@pytest.mark.parametrize("until", [PAST, FUTURE])
def test_an_approval_counts_until_its_end(wanted: Rules, until: str) -> None:
    approve(wanted, APPROVER, OTHER_APPROVER)
    wanted.passes()

    approve(wanted, APPROVER, OTHER_APPROVER, until=until)

    wanted.passes() if until == FUTURE else wanted.refuses(POLICY)


def test_an_approval_of_an_earlier_state_counts_no_more(wanted: Rules) -> None:
    approve(wanted, APPROVER, OTHER_APPROVER, ago=1)

    eventually(lambda: "web v2 has 0" in message(wanted.refuses(POLICY)))


def test_an_undeploy_and_the_way_back_need_no_approval(shop: Workspace, wanted: Rules) -> None:
    approve(wanted, APPROVER, OTHER_APPROVER, release="v7")
    wanted.passes("v7")
    assert wanted.deploys("v7", dry=False).status == 200

    assert wanted.deploys(None, reason="enough").status == 200
    assert wanted.deploys("v1").status == 200
    assert refused_by(shop.cluster.raw("DELETE", shop.path("deployments", IDLE), user=EDITOR), POLICY)


def test_a_binding_goes_only_when_no_older_approval_can_count_for_its_successor(shop: Workspace, wanted: Rules) -> None:
    """Its numbers restart, so a used approval would count again until the operator has looked."""
    path = shop.path("deployments", IDLE)
    undeployed = {"spec": {"release": None, "change": {"reason": "enough"}}}
    assert wanted.edit("deployments", IDLE, undeployed, user=EDITOR).status == 200
    assert wanted.edit("deployments", f"{IDLE}/status", {"status": {"recordedSequence": 2}}).status == 200
    by = [{"user": shop.cluster.username(APPROVER)}]

    for sequence, allowed in ((0, False), (1, False), (2, True)):
        wanted.evidence(approved={"idle": [{"release": "v9", "sequence": sequence, "by": by}]})
        refused = eventually_answer(
            lambda: shop.cluster.raw("DELETE", f"{path}?dryRun=All", user=EDITOR),
            lambda one, allowed=allowed: one.status == 200 if allowed else refused_by(one, POLICY),
        )
        assert allowed or "older than its last change" in message(refused)


def test_a_binding_goes_only_when_the_environment_knows_of_its_last_change(shop: Workspace, rules: Rules) -> None:
    """The evidence from before the first change stands there until the operator has told the binding and then it."""
    rules.protect(approvals={"required": 1})
    rules.refuses(POLICY)
    path = shop.path("deployments", IDLE)
    undeployed = {"spec": {"release": None, "change": {"reason": "enough for now"}}}
    assert rules.edit("deployments", IDLE, undeployed, user=EDITOR).status == 200
    stored = shop.get("deployments", IDLE)
    assert stored is not None
    number = stored["changeLog"]["sequence"]
    told = {"recordedSequence": number, "evidence": {"known": ["v1"]}}
    assert rules.edit("deployments", f"{IDLE}/status", {"status": told}).status == 200
    by = [{"user": shop.cluster.username(APPROVER)}]

    rules.evidence(approved={"idle": [{"release": "v1", "sequence": 0, "by": by}]})
    refused = eventually_answer(
        lambda: shop.cluster.raw("DELETE", f"{path}?dryRun=All", user=EDITOR), lambda one: refused_by(one, POLICY)
    )
    assert "older than its last change" in message(refused)

    rules.evidence()
    eventually(lambda: shop.cluster.raw("DELETE", f"{path}?dryRun=All", user=EDITOR).status == 200)


def test_people_who_stand_in_both_places_count_once(shop: Workspace, rules: Rules) -> None:
    rules.protect(approvals={"required": 2})
    rules.refuses(POLICY)
    by = [{"user": shop.cluster.username(APPROVER)}]
    approved = [{"release": "v2", "sequence": sequence(shop), "by": by}]
    told = {"status": {"evidence": {"approved": approved}}}
    assert rules.edit("deployments", f"{NAME}/status", told).status == 200
    rules.evidence(approved={"web": approved})

    eventually(lambda: "web v2 has 1" in message(rules.refuses(POLICY)))

    assert rules.edit("deployments", f"{NAME}/status", {"status": {"evidence": None}}).status == 200


def test_approvals_that_are_only_observed_warn(wanted: Rules) -> None:
    wanted.protect(enforcement="Warn")

    assert "(gate approvals)" in wanted.passes().headers["warning"]


def test_an_approval_is_stamped_with_its_author(shop: Workspace, rules: Rules) -> None:
    answer = rules.approval("Approve", user=APPROVER)

    assert answer.status == 201, answer.body
    stored = answer.json()
    assert stored["provenance"]["createdBy"] == shop.cluster.username(APPROVER)
    assert stored["metadata"]["labels"]["moorage.dev/decision"] == "approve"


def test_a_rejection_holds_for_every_spelling_of_an_app(shop: Workspace, rules: Rules) -> None:
    """The binding has the same name, and workloads follow that."""
    assert rules.approval("Reject", user=APPROVER, app="new_app").status == 201

    def first(app: str, release: str = "v2") -> Answer:
        body = {
            "apiVersion": "moorage.dev/v1",
            "kind": "Deployment",
            "metadata": {"name": "production.new-app"},
            "spec": {"environment": "production", "app": app, "release": release},
        }
        return shop.cluster.raw("POST", shop.path("deployments") + "?dryRun=All", user=DEPLOYER, body=body)

    eventually(lambda: refused_by(first("new_app"), REJECTIONS))
    assert all(refused_by(first(app), REJECTIONS) for app in ("new-app", "New_App", "NEW-APP"))
    assert first("New-App", "v3").status == 201


@pytest.mark.parametrize("user", [DEPLOYER, EDITOR])
def test_who_may_not_approve_creates_no_approval(rules: Rules, user: str) -> None:
    assert rules.approval("Approve", user=user).status == 403


def test_the_right_to_approve_is_one_for_each_environment(shop: Workspace, rules: Rules, cluster: LiveCluster) -> None:
    """A user who may create Approvals and approve for staging approves nothing for production."""
    user, metadata = "user-02", {"name": "staging-approver", "namespace": shop.namespace}
    ours = {"apiGroups": ["moorage.dev"]}
    cluster.apply(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [
                {**ours, "resources": ["approvals"], "verbs": ["create"]},
                {**ours, "resources": ["environments"], "verbs": ["approve"], "resourceNames": ["staging"]},
            ],
        },
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": metadata["name"]},
            "subjects": [cluster.underlying.subject(user)],
        },
    )
    eventually(lambda: cluster.may(user, "approve", "environments", shop.namespace, "staging"))
    eventually(lambda: rules.approval("Approve", user=user, environment="staging").status == 201)

    refused = rules.approval("Approve", user=user)

    assert refused_by(refused, RIGHTS), refused.body
    assert "verb `approve`" in message(refused)


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": {"decision": "Approve"}},
        {"spec": {"release": "v3"}},
        {"metadata": {"labels": {"moorage.dev/decision": "approve"}}},
        {"provenance": {"createdBy": "mallory"}},
    ],
    ids=str,
)
def test_nobody_turns_a_rejection_into_something_else(shop: Workspace, rules: Rules, patch: dict[str, Any]) -> None:
    name = rules.approval("Reject", user=APPROVER).json()["metadata"]["name"]
    before = shop.get("approvals", name)

    rules.edit("approvals", name, patch, user=OWNER)

    after = shop.get("approvals", name)
    assert before is not None
    assert after is not None
    assert (after["spec"], after["provenance"]) == (before["spec"], before["provenance"])
    assert after["metadata"]["labels"]["moorage.dev/decision"] == "reject"


def test_a_rejection_holds_until_its_author_takes_it_back(shop: Workspace, rules: Rules, cluster: LiveCluster) -> None:
    name = rules.approval("Reject", user=APPROVER, comment="slow").json()["metadata"]["name"]
    path = shop.path("approvals", name)

    answer = rules.refuses(REJECTIONS)

    assert f"rejected by {cluster.username(APPROVER)}: slow" in message(answer)
    assert rules.deploys("v3").status == 200
    tokens = (cluster.token(OTHER_APPROVER), garbage_collector(cluster))
    assert all(refused_by(cluster.raw("DELETE", path, token=token), RIGHTS) for token in tokens)
    assert cluster.raw("DELETE", f"{path}?dryRun=All", user=MANAGER).status == 200
    assert cluster.raw("DELETE", path, user=APPROVER).status == 200
    rules.passes()
