"""Developers without the verbs of governance try to take rules away, to weaken them, or to pass beside them.

No operator runs: what holds here, the API server holds by itself.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from cluster import LiveCluster, Workspace
from governance import APPROVER, IDLE, MANAGER, NAME, Rules, governed
from identities import DEPLOYER, EDITOR, OWNER, VIEWER, Object, refused_by
from services import Operators

from moorage_dev.rest_client import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH, Answer

APPROVALS, PROMOTION, PROTECTION = "approvals.moorage.dev", "promotion.moorage.dev", "protection.moorage.dev"
ALWAYS = {"from": "2001-01-01T00:00:00Z", "until": "2998-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def shop(cluster: LiveCluster, _operators: Operators) -> Iterator[Workspace]:
    """Production wants a promotion and two approvals, staging is frozen and locked, and v2 is rejected."""
    with governed(cluster, _operators) as made:
        rules = Rules(made)
        rules.protect(promotion={"from": "staging", "soak": "1h"}, approvals={"required": 2, "validFor": "1h"})
        assert rules.approval("Reject", user=APPROVER, comment="leaks").status == 201
        assert _create(made, "freezes", "Freeze", "quiet", {"reason": "quiet", "windows": [ALWAYS]}).status == 201
        assert _create(made, "environmentlocks", "EnvironmentLock", "staging", {"reason": "audit"}).status == 201
        rules.refuses(APPROVALS, "v3", user=MANAGER, reason="x", override=["promotion", "freeze/quiet"])
        yield made
        rules.clean()


def _create(shop: Workspace, plural: str, kind: str, name: str, spec: Object, *, user: str = EDITOR) -> Answer:
    body = {"apiVersion": "moorage.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return shop.cluster.raw("POST", shop.path(plural), user=user, body=body)


def _stored(shop: Workspace, plural: str, name: str) -> Object:
    found = shop.get(plural, name)
    assert found is not None
    return found


@pytest.mark.parametrize("user", [EDITOR])
@pytest.mark.parametrize(
    "spec",
    [
        {"promotion": None},
        {"approvals": None},
        {"promotion": None, "approvals": None, "enforcement": None},
        {"promotion": {"from": "staging", "soak": "0s", "require": "Deployed"}},
        {"promotion": {"soak": "59m60s", "from": "elsewhere"}},
        {"approvals": {"required": 1}},
        {"approvals": {"validFor": None}},
        {"approvals": {"validFor": "2160h"}},
        {"enforcement": "Warn"},
    ],
    ids=str,
)
def test_a_developer_weakens_no_protection(shop: Workspace, spec: Object, user: str) -> None:
    before = _stored(shop, "environments", "production")
    path = shop.path("environments", "production")

    merged = shop.cluster.raw("PATCH", path, user=user, body={"spec": spec}, content_type=MERGE_PATCH)
    whole = {**before, "spec": {key: value for key, value in {**before["spec"], **spec}.items() if value is not None}}
    put = shop.cluster.raw("PUT", path, user=user, body=whole, content_type=JSON)

    assert refused_by(merged, PROTECTION), merged.body
    assert put.status in {403, 422}, put.body
    assert _stored(shop, "environments", "production")["spec"] == before["spec"]


@pytest.mark.parametrize("value", [None, "observe", "", "off", "approvals"])
@pytest.mark.parametrize(
    ("plural", "name", "label"),
    [
        ("environments", "production", "moorage.dev/protected"),
        ("environments", "production", "moorage.dev/rules"),
        ("freezes", "quiet", "moorage.dev/enforcement"),
    ],
)
def test_a_label_takes_no_object_out_of_its_policy(
    shop: Workspace, plural: str, name: str, label: str, value: str | None
) -> None:
    """By every way, also in the name of another field manager, and in one that owned the label before."""
    path, key = shop.path(plural, name), label.replace("/", "~1")
    before = _stored(shop, plural, name)
    kept = {"apiVersion": before["apiVersion"], "kind": before["kind"], "metadata": {"name": name}}
    removed = {"op": "remove", "path": f"/metadata/labels/{key}"}
    replaced = {"op": "add", "path": f"/metadata/labels/{key}", "value": value}
    labels = {} if value is None else {label: value}
    force = "?fieldManager=thief&force=true"
    bodies: list[tuple[str, str, Any]] = [
        ("", MERGE_PATCH, {"metadata": {"labels": {label: value}}}),
        ("", MERGE_PATCH, {"metadata": {"labels": None}}),
        ("", JSON_PATCH, [removed if value is None else replaced]),
        (
            force,
            APPLY_PATCH,
            {**kept, "metadata": {"name": name, "labels": {label: "deny"}}},
        ),
        (force, APPLY_PATCH, {**kept, "metadata": {"name": name, "labels": labels}}),
    ]

    for query, content_type, body in bodies:
        shop.cluster.raw("PATCH", path + query, user=EDITOR, body=body, content_type=content_type)

    assert _stored(shop, plural, name)["metadata"]["labels"][label] == before["metadata"]["labels"][label]


@pytest.mark.parametrize("user", [DEPLOYER, EDITOR, OWNER, VIEWER])
@pytest.mark.parametrize(
    ("kind", "name", "forged"),
    [
        ("Environment", "production", {"gates": {"closed": False, "known": {"web": ["v3"]}, "approved": {}}}),
        ("Deployment", NAME, {"evidence": {"known": ["v3"]}}),
    ],
    ids=["environment", "binding"],
)
def test_nobody_writes_evidence(shop: Workspace, kind: str, name: str, forged: Object, user: str) -> None:
    plural = f"{kind.lower()}s"
    path = shop.path(plural, name)
    before = _stored(shop, plural, name).get("status")
    apply = {"apiVersion": "moorage.dev/v1", "kind": kind, "metadata": {"name": name}}
    for sub, content_type, query in (
        ("/status", MERGE_PATCH, ""),
        ("/status", APPLY_PATCH, "?fieldManager=moorage-operator&force=true"),
        ("", MERGE_PATCH, ""),
    ):
        body = {"status": forged} | (apply if content_type == APPLY_PATCH else {})
        shop.cluster.raw("PATCH", f"{path}{sub}{query}", user=user, body=body, content_type=content_type)

    assert _stored(shop, plural, name).get("status") == before


@pytest.mark.parametrize("query", ["", "?propagationPolicy=Foreground", "?propagationPolicy=Orphan", "?dryRun=All"])
@pytest.mark.parametrize(
    ("plural", "name"), [("environments", "production"), ("environments", ""), ("deployments", IDLE)]
)
def test_a_developer_deletes_nothing_that_is_protected(shop: Workspace, plural: str, name: str, query: str) -> None:
    selector = "&fieldSelector=metadata.name=production" if query else "?fieldSelector=metadata.name=production"
    path = shop.path(plural, name) + query if name else shop.path(plural) + query + selector

    answer = shop.cluster.raw("DELETE", path, user=EDITOR)

    assert answer.status == 403, answer.body
    assert _stored(shop, plural, name or "production")["metadata"].get("deletionTimestamp") is None


@pytest.mark.parametrize("user", [DEPLOYER, EDITOR])
@pytest.mark.parametrize(
    "override",
    [["approvals", "promotion", "freeze/quiet"], ["freeze/quiet"], ["freeze/nothing"], ["clusterfreeze/quiet"]],
    ids=str,
)
def test_who_has_no_verb_overrides_nothing(shop: Workspace, user: str, override: list[str]) -> None:
    rules = Rules(shop)

    for note in ({}, {"requestId": "1", "completeFor": "1"}):
        assert rules.deploys("v3", user=user, reason="please", override=override, **note).status == 403


@pytest.mark.parametrize("reason", ["", " ", "\u00a0", "\u200b", "…", "- - -"])
def test_an_override_says_why(shop: Workspace, reason: str) -> None:
    """Something that people can read, and not the look of it."""
    gates = ["approvals", "promotion", "freeze/quiet"]

    answer = Rules(shop).deploys("v3", user=MANAGER, reason=reason, override=gates)

    assert refused_by(answer, "overrides.moorage.dev"), answer.body


def test_an_old_override_counts_for_no_later_write(shop: Workspace) -> None:
    """The note stays in the object; the next writer does not write it again."""
    rules, gates = Rules(shop), ["approvals", "promotion", "freeze/quiet"]
    assert rules.deploys("v5", user=MANAGER, dry=False, reason="outage", override=gates).status == 200

    for note in ({}, {"override": gates}, {"override": gates, "reason": "outage"}):
        assert rules.deploys("v6", user=DEPLOYER, **note).status == 403
    answer = rules.deploys("v6", user=DEPLOYER, reason="outage", override=gates, requestId="1", completeFor="1")
    assert answer.status == 403
    assert _stored(shop, "deployments", NAME)["spec"]["release"] == "v5"


@pytest.mark.parametrize("release", ["v1", "v2", "v3"])
def test_a_release_without_a_time_enters_nothing(shop: Workspace, release: str) -> None:
    """Two writes of one field manager in one second: the second may leave no time."""
    path = shop.path("deployments", NAME) + "?fieldManager=twice&dryRun=All"
    entry = {"manager": "twice", "operation": "Update", "apiVersion": "moorage.dev/v1", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:spec": {"f:release": {}}}, "time": "2001-01-01T00:00:00Z"}  # fmt: skip
    forged = {"metadata": {"managedFields": [entry]}, "spec": {"release": release}}

    answer = shop.cluster.raw("PATCH", path, user=DEPLOYER, body=forged, content_type=MERGE_PATCH)

    assert answer.status in {403, 422}, answer.body


@pytest.mark.parametrize("user", [APPROVER, MANAGER, OWNER, EDITOR])
def test_a_rejection_cannot_be_edited_into_a_yes(shop: Workspace, user: str) -> None:
    [name] = [one["metadata"]["name"] for one in shop.list("approvals") if one["spec"]["decision"] == "Reject"]
    before = _stored(shop, "approvals", name)
    path = shop.path("approvals", name)
    spec = {**before["spec"], "decision": "Approve"}
    shop.cluster.raw("PATCH", path, user=user, body={"spec": spec}, content_type=MERGE_PATCH)
    shop.cluster.raw("PUT", path, user=user, body={**before, "spec": spec, "provenance": {}}, content_type=JSON)
    body = {"apiVersion": "moorage.dev/v1", "kind": "Approval", "metadata": {"name": name}, "spec": spec}
    shop.cluster.raw("PATCH", f"{path}?fieldManager=x&force=true", user=user, body=body, content_type=APPLY_PATCH)

    after = _stored(shop, "approvals", name)
    assert (after["spec"], after["provenance"]) == (before["spec"], before["provenance"])


@pytest.mark.parametrize(
    ("plural", "kind", "spec"),
    [
        ("environmentlocks", "EnvironmentLock", {"reason": "x", "until": "2026-12-31T23:59:60Z"}),
        ("environmentlocks", "EnvironmentLock", {"reason": "x", "until": "2026-02-30T00:00:00Z"}),
        ("environmentlocks", "EnvironmentLock", {"reason": "x", "until": "0000-01-01T00:00:00Z"}),
        ("environmentlocks", "EnvironmentLock", {"reason": "x", "until": "2026-12-31T24:00:00Z"}),
        ("environmentlocks", "EnvironmentLock", {"reason": "x", "until": "2026-12-31T00:00:00+99:99"}),
        ("environmentlocks", "EnvironmentLock", {"reason": "x", "until": "2026-12-31T00:00:00-24:00"}),
        ("environmentlocks", "EnvironmentLock", {"reason": "x\u202ey"}),
        ("environmentlocks", "EnvironmentLock", {"reason": "x\ny"}),
        ("freezes", "Freeze", {"reason": "x", "windows": [{"from": ALWAYS["until"], "until": ALWAYS["from"]}]}),
        *(
            ("freezes", "Freeze", {"reason": "x", "timeZone": zone, "yearly": [{"from": "01-01", "until": "01-02"}]})
            for zone in ("Local", "../UTC", "+01:00", "UTC+1", "Europe", "", "Mars/Base")
        ),
        ("environments", "Environment", {"promotion": {"from": "staging", "soak": "-1s"}}),
        ("environments", "Environment", {"promotion": {"from": "staging", "soak": "9999h"}}),
        ("environments", "Environment", {"promotion": {"from": "staging", "soak": "9999h99999m9999999s"}}),
        ("environments", "Environment", {"approvals": {"required": 0}}),
        ("environments", "Environment", {"approvals": {"required": 1, "validFor": "0s"}}),
    ],
    ids=str,
)
def test_no_rule_is_written_that_nobody_can_evaluate(shop: Workspace, plural: str, kind: str, spec: Object) -> None:
    answer = _create(shop, plural, kind, "odd", spec)

    assert answer.status == 422, answer.body
