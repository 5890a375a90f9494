"""Promotion with no operator: what the API server refuses, by the evidence alone, and who may change the rule."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from governance import FUTURE, IDLE, MANAGER, MEMBERS_WITH_RULES, NAME, PAST, PLACES, RULE, Rules, governed, message
from identities import DEPLOYER, EDITOR, OWNER, WAYS, Object, change, garbage_collector, refused_by
from services import Facade, Operators
from waiting import eventually

from moorage_crds.moments import to_text
from moorage_dev import patience

POLICY = "promotion.moorage.dev"
APPROVALS = "approvals.moorage.dev"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
GUARD = "protection.moorage.dev"
IN_BOTH_PLACES = pytest.mark.parametrize("rules", PLACES, indirect=True)


@pytest.fixture(scope="module")
def shop(cluster: LiveCluster, _operators: Operators) -> Iterator[Workspace]:
    with governed(cluster, _operators) as made:
        yield made


@pytest.fixture
def rules(shop: Workspace, request: pytest.FixtureRequest) -> Iterator[Rules]:
    """Production takes releases only from staging; nothing is proven yet. Evidence stands where a test says."""
    made = Rules(shop, getattr(request, "param", "environment"))
    made.protect(promotion={"from": "staging"})
    made.refuses(POLICY)
    yield made
    made.clean()


@pytest.mark.parametrize("way", WAYS)
def test_without_evidence_no_way_of_writing_a_release_passes(shop: Workspace, rules: Rules, way: str) -> None:
    answer = change(shop, "deployments", NAME, way, {"spec": {"release": "v2"}}, user=DEPLOYER)

    assert refused_by(answer, POLICY), answer.body
    assert "environment production takes a release only after 0s in staging (gate promotion): web v2" in message(answer)


def test_a_new_binding_needs_evidence_too(shop: Workspace, rules: Rules) -> None:
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": "production.fresh"},
        "spec": {"environment": "production", "app": "fresh", "release": "v1"},
    }
    path = shop.path("deployments") + "?dryRun=All"
    assert refused_by(shop.cluster.raw("POST", path, user=DEPLOYER, body=body), POLICY)

    rules.proven("v1", PAST, app="fresh")

    eventually(lambda: shop.cluster.raw("POST", path, user=DEPLOYER, body=body).status == 201)


@IN_BOTH_PLACES
@pytest.mark.parametrize(
    ("release", "eligible_at", "rule", "says"),
    [
        ("v3", PAST, RULE, "has not run there"),
        ("v2", FUTURE, RULE, "may enter at 2999-01-01T00:00:00Z"),
        ("v2", PAST, {**RULE, "soak": "2h"}, "since the rule was changed"),
        ("v2", PAST, {**RULE, "from": "development"}, "since the rule was changed"),
        ("v2", PAST, {**RULE, "require": "Healthy"}, "since the rule was changed"),
    ],
)
def test_evidence_counts_for_its_release_its_time_and_its_rule(
    rules: Rules, release: str, eligible_at: str, rule: dict[str, str], says: str
) -> None:
    rules.proven("v2", PAST)
    rules.passes("v2")

    rules.proven(release, eligible_at, rule=rule)

    # The evidence of the binding is gone at once; that of the environment reaches the policy by a watch.
    eventually(lambda: says in message(rules.refuses(POLICY, "v2")))


@IN_BOTH_PLACES
def test_a_soak_written_differently_is_the_same_soak(rules: Rules) -> None:
    rules.protect(promotion={"from": "staging", "soak": "90m"})
    rules.proven("v2", PAST, rule={**RULE, "soak": "1h30m"})

    rules.passes("v2")


@IN_BOTH_PLACES
def test_a_release_enters_from_its_second_on(rules: Rules) -> None:
    """Each write lies between two looks at the clock: where both are on one side of the edge, the verdict is known."""
    edge = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=math.ceil(min(patience.scaled(3), 20)))
    rules.proven("v2", to_text(edge))
    eventually(lambda: "may enter" in message(rules.deploys()))
    verdicts: list[tuple[bool, bool]] = []

    def is_over() -> bool:
        before = datetime.now(UTC)
        answer = rules.deploys()
        after = datetime.now(UTC)
        if (before >= edge) is (after >= edge):
            verdicts.append((before >= edge, answer.status == 200))
        return before > edge + timedelta(seconds=1)

    eventually(is_over, 60, interval=0.01)

    assert {eligible for eligible, _ in verdicts} == {True, False}
    assert [pair for pair in verdicts if pair[0] is not pair[1]] == []


@IN_BOTH_PLACES
def test_a_write_without_a_time_of_its_own_is_not_let_in(shop: Workspace, rules: Rules) -> None:
    rules.proven("v2", PAST)
    rules.passes("v2")
    path = shop.path("deployments", NAME) + "?dryRun=All&fieldManager=ancient-changes"
    body = {"spec": {"release": "v2"}}

    answer = shop.cluster.raw("PATCH", path, user=DEPLOYER, body=body, content_type="application/merge-patch+json")

    assert refused_by(answer, POLICY)
    assert "comes without a time" in message(answer)


@pytest.mark.parametrize("user", [DEPLOYER, EDITOR, OWNER])
def test_nobody_in_the_workspace_writes_evidence(shop: Workspace, rules: Rules, user: str) -> None:
    gates = {"closed": False, "provenFor": dict(RULE), "proven": {"web": [{"release": "v2", "eligibleAt": PAST}]}}
    environment = shop.path("environments", "production")
    merge = "application/merge-patch+json"

    shop.cluster.raw("PATCH", environment, user=user, body={"status": {"gates": gates}}, content_type=merge)
    answer = shop.cluster.raw(
        "PATCH", f"{environment}/status", user=user, body={"status": {"gates": gates}}, content_type=merge
    )

    assert answer.status == 403
    assert refused_by(rules.deploys(), POLICY)


def test_what_was_active_here_goes_back_without_evidence(shop: Workspace, rules: Rules) -> None:
    rules.proven("v5", PAST)
    rules.passes("v5", dry=False)
    rules.evidence()
    rules.refuses(POLICY, "v3")

    assert rules.deploys("v1").status == 200
    assert refused_by(rules.deploys("v0", reason="please", action="rollback"), POLICY)

    rules.evidence(known={"web": ["v0"]})

    rules.passes("v0")


def test_an_undeploy_passes_and_a_delete_does_not(shop: Workspace, cluster: LiveCluster, rules: Rules) -> None:
    path = shop.path("deployments", IDLE) + "?dryRun=All"

    tokens = (cluster.token(EDITOR), cluster.token(OWNER), garbage_collector(cluster))
    answers = [cluster.raw("DELETE", path, token=token) for token in tokens]

    assert all(refused_by(answer, POLICY) for answer in answers)
    assert rules.deploys(None, reason="enough").status == 200


def test_the_rule_is_about_its_own_environment(shop: Workspace, rules: Rules) -> None:
    shop.create_deployment("staging", "web", "v9", user=DEPLOYER)

    assert refused_by(rules.deploys("v9"), POLICY)


def test_a_rule_that_only_warns_lets_releases_pass_with_a_warning(rules: Rules) -> None:
    rules.protect(enforcement="Warn")

    answer = rules.passes()

    assert "(gate promotion)" in answer.headers["warning"]


def test_the_label_that_chooses_the_policy_follows_the_spec(shop: Workspace, rules: Rules) -> None:
    forged = {"metadata": {"labels": {"moorage.dev/protected": None}}}

    rules.edit("environments", "production", forged, user=EDITOR)

    stored = shop.get("environments", "production")
    assert stored is not None
    assert stored["metadata"]["labels"]["moorage.dev/protected"] == "enforce"
    assert refused_by(rules.deploys(), POLICY)


def test_each_rule_is_asked_from_the_write_that_sets_it(shop: Workspace, rules: Rules) -> None:
    """A label says which policies have to ask; it follows the spec, whichever rule comes or goes first."""
    steps: list[tuple[Object, str, str]] = [
        ({"promotion": None, "approvals": {"required": 1}}, "approvals", APPROVALS),
        ({"promotion": {"from": "staging"}, "approvals": None}, "promotion", POLICY),
        ({"promotion": None, "approvals": {"required": 1}, "enforcement": "Warn"}, "approvals", ""),
        ({"enforcement": None}, "approvals", APPROVALS),
    ]
    for spec, label, policy in steps:
        rules.protect(**spec)

        assert _labels(shop, "production")["moorage.dev/rules"] == label
        answer = rules.refuses(policy) if policy else rules.passes()
        assert policy or "(gate approvals)" in answer.headers["warning"]

    # Of two that refuse either is named.
    rules.protect(promotion={"from": "staging"})
    assert _labels(shop, "production")["moorage.dev/rules"] == "all"
    rules.protect(promotion=None, approvals=None)
    rules.passes()
    assert "moorage.dev/rules" not in _labels(shop, "production")


def test_an_environment_from_before_the_label_is_asked_by_both_policies(
    shop: Workspace, rules: Rules, cluster: LiveCluster
) -> None:
    path = f"{ADMISSION}/mutatingadmissionpolicybindings"
    binding = cluster.raw("GET", f"{path}/enforcement.moorage.dev").json()
    assert cluster.raw("DELETE", f"{path}/enforcement.moorage.dev").status == 200
    try:
        eventually(lambda: not _keeps_its_label(rules))
    finally:
        kept = {
            key: binding["metadata"][key] for key in ("name", "labels", "annotations") if key in binding["metadata"]
        }
        assert cluster.raw("POST", path, body={**binding, "metadata": kept}).status == 201
    assert "moorage.dev/protected" in _labels(shop, "production")

    rules.refuses(POLICY)

    eventually(lambda: _keeps_its_label(rules))


def _keeps_its_label(rules: Rules) -> bool:
    """Whether the label is put back at once when a write takes it away."""
    rules.edit("environments", "production", {"metadata": {"labels": {"moorage.dev/rules": None}}})
    return "moorage.dev/rules" in _labels(rules.shop, "production")


def _labels(shop: Workspace, name: str) -> Object:
    stored = shop.get("environments", name)
    assert stored is not None
    return dict(stored["metadata"].get("labels") or {})


WEAKER = [
    {"promotion": None},
    {"promotion": {"from": "development"}},
    {"promotion": {"soak": "1h59m"}},
    {"promotion": {"require": "Deployed"}},
    {"approvals": None},
    {"approvals": {"required": 1}},
    {"approvals": {"validFor": "2h"}},
    {"approvals": {"validFor": None}},
    {"enforcement": "Warn"},
]
STRICT = {
    "promotion": {"from": "staging", "soak": "2h", "require": "Healthy"},
    "approvals": {"required": 2, "validFor": "1h"},
}


@pytest.mark.parametrize("spec", WEAKER, ids=str)
def test_a_rule_is_weakened_only_with_the_right_to_protect(rules: Rules, spec: dict[str, Any]) -> None:
    rules.protect(**STRICT)

    answer = rules.edit("environments", "production?dryRun=All", {"spec": spec}, user=EDITOR)

    assert refused_by(answer, GUARD), answer.body
    assert f"spec.{next(iter(spec))} protects the environment production" in message(answer)
    assert rules.edit("environments", "production?dryRun=All", {"spec": spec}, user=MANAGER).status == 200


@pytest.mark.parametrize(
    "spec",
    [
        {"promotion": {"soak": "3h"}},
        {"approvals": {"required": 3}},
        {"approvals": {"validFor": "30m"}},
        {"description": "what customers see"},
    ],
    ids=str,
)
def test_whoever_may_edit_may_make_a_rule_stricter(rules: Rules, spec: dict[str, Any]) -> None:
    rules.protect(**STRICT)

    assert rules.edit("environments", "production?dryRun=All", {"spec": spec}, user=EDITOR).status == 200


def test_a_protected_environment_is_deleted_only_with_the_right_to_protect(
    shop: Workspace, cluster: LiveCluster, rules: Rules
) -> None:
    path = shop.path("environments", "production") + "?dryRun=All"

    answers = [cluster.raw("DELETE", path, token=one) for one in (cluster.token(EDITOR), garbage_collector(cluster))]

    assert all(refused_by(answer, GUARD) for answer in answers)
    assert cluster.raw("DELETE", path, user=MANAGER).status == 200


def test_a_workspace_goes_with_its_protected_environments(cluster: LiveCluster, workspace: Workspaces) -> None:
    shop = workspace("production", members=MEMBERS_WITH_RULES)
    shop.create_deployment("production", "web", "v1")
    Rules(shop).protect(promotion={"from": "staging"})
    Rules(shop).refuses(POLICY)
    Rules(shop).protect(approvals={"required": 1})

    assert cluster.raw("DELETE", f"/api/v1/namespaces/{shop.namespace}").status == 200

    eventually(lambda: shop.get("deployments", NAME) is None and shop.get("environments", "production") is None, 180)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"promotion": {"from": "staging"}}, "spec.promotion.from"),
        ({"promotion": {"from": "production", "soak": "2 hours"}}, "spec.promotion.soak"),
        ({"promotion": {"from": "production", "soak": "2161h"}}, "spec.promotion.soak"),
        ({"promotion": {"soak": "2h"}}, "spec.promotion.from"),
        ({"promotion": {"from": "production", "require": "Perfect"}}, "spec.promotion.require"),
        ({"approvals": {"required": 0}}, "spec.approvals.required"),
        ({"approvals": {"required": 11}}, "spec.approvals.required"),
        ({"approvals": {"required": 1, "validFor": "59s"}}, "spec.approvals.validFor"),
        ({"enforcement": "Perhaps"}, "spec.enforcement"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_with_its_field(shop: Workspace, spec: dict[str, Any], field: str) -> None:
    answer = Rules(shop).edit("environments", "staging?dryRun=All", {"spec": spec}, user=EDITOR)

    assert answer.status == 422
    assert field in message(answer)


def test_promote_by_rest_takes_on_what_is_proven_and_says_what_is_not(
    shop: Workspace, rules: Rules, facade: Facade
) -> None:
    for app in ("ready", "raw"):
        shop.create_deployment("staging", app, "v7", user=DEPLOYER)
    rules.proven("v7", PAST, app="ready")
    path = f"{shop.rest}/production/promote"

    def lines(query: str) -> dict[str, Any]:
        answer = facade.call("POST", f"{path}{query}", user=DEPLOYER, body={"reason": "release day"})
        found = answer.json()["lines"] if answer.status == 200 else []
        return {line["app_id"]: line for line in found if line["app_id"] in {"ready", "raw"}}

    def foretold() -> bool:
        said = {app: line["promoted"] for app, line in lines("?dry_run=true").items()}
        return said == {"ready": True, "raw": False}

    eventually(foretold)
    # The facade and the policy hear of evidence by watches of their own.
    spec = {"environment": "production", "app": "ready", "release": "v7"}
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": "production.ready"},
        "spec": spec,
    }
    first = shop.path("deployments") + "?dryRun=All"
    eventually(lambda: shop.cluster.raw("POST", first, user=DEPLOYER, body=body).status == 201)
    assert shop.get("deployments", "production.ready") is None

    done = lines("")

    assert {app: line["status_code"] for app, line in done.items()} == {"ready": 200, "raw": 409}
    details = done["raw"]["details"]
    assert (details["reason"], [gate["gate"] for gate in details["gates"]]) == ("NotPromoted", ["promotion"])
    stored = shop.get("deployments", "production.ready")
    assert stored is not None
    entry = stored["changeLog"]["entries"][-1]
    assert (stored["spec"]["release"], entry["by"], entry["reason"]) == ("v7", DEPLOYER, "release day")
    assert shop.get("deployments", "production.raw") is None
