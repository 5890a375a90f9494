"""`moorage preflight`: what is missing, what it cannot see, and that it asks for the rights that the chart gives."""

import copy
from typing import Any

import builders
import pytest
import yaml
from fake_cluster import FakeCluster
from fixed_clock import FixedClock

from moorage_cli.preflight import Check, Verdict, preflight
from moorage_crds import names, schema
from moorage_crds.rights import LEASE_NAME, Process, needs
from moorage_crds.store import ForbiddenError, Right
from moorage_dev.layout import ROOT

SYSTEM = "moorage-system"
RULES = ROOT / "charts/moorage/files/rules"


@pytest.fixture
def store() -> FakeCluster:
    made = FakeCluster(FixedClock())
    made.put(builders.namespace())
    _install(made)
    return made


def _install(store: FakeCluster, *, version: str = "v1.37.2") -> None:
    established = {"conditions": [{"type": "Established", "status": "True"}]}
    meta = {"resourceVersion": "1", "uid": "u"}
    for name, crd in schema.wanted_crds().items():
        store.objects[names.CRDS, "", name] = {**crd, "metadata": {"name": name, **meta}, "status": established}
    for (plural, name), policy in schema.wanted_policies().items():
        store.objects[plural, "", name] = {**policy, "metadata": {"name": name, **meta}}
    store.version = version


async def checks(store: FakeCluster, process: Process = Process.OPERATOR) -> dict[str, Check]:
    return {check.subject: check async for check in preflight(store, store, process=process, namespace=SYSTEM)}


async def test_preflight_of_a_good_cluster(store: FakeCluster) -> None:
    assert {check.verdict for check in (await checks(store)).values()} == {Verdict.OK}


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("v1.37.2", Verdict.OK),
        ("v1.36.0-eks-1", Verdict.OK),
        ("v1.33.1", Verdict.DEGRADED),
        ("v1.29.0", Verdict.MISSING),
    ],
)
async def test_preflight_knows_versions(store: FakeCluster, version: str, verdict: Verdict) -> None:
    _install(store, version=version)
    assert next(iter((await checks(store)).values())).verdict is verdict


async def test_preflight_says_what_does_not_work_without(store: FakeCluster) -> None:
    del store.objects[names.VALIDATING_ADMISSION_POLICY_BINDINGS, "", names.POLICY_RECORDS]
    del store.objects[names.CRDS, "", "environments.moorage.dev"]
    store.put(builders.namespace("twin", **{names.LABEL_WORKSPACE: "shop"}))
    half = builders.namespace("half")
    del half["metadata"]["labels"][names.LABEL_ORG]
    store.put(half)
    found = await checks(store)
    wrong = {subject: check.verdict for subject, check in found.items() if check.verdict is not Verdict.OK}
    assert wrong == {
        "CRD environments.moorage.dev": Verdict.MISSING,
        f"policy {names.POLICY_RECORDS}": Verdict.MISSING,
        "Namespace half": Verdict.DEGRADED,
        "workspace acme/shop": Verdict.DEGRADED,
    }
    assert all(check.consequence for check in found.values() if check.verdict is not Verdict.OK)


@pytest.mark.parametrize(
    ("key", "change", "path"),
    [
        (
            (names.VALIDATING_ADMISSION_POLICIES, "", names.POLICY_RECORDS),
            {"matchConditions": [{"name": "not-by-mallory", "expression": "request.userInfo.username != 'mallory'"}]},
            "spec.matchConditions should not be there",
        ),
        (
            (names.MUTATING_ADMISSION_POLICIES, "", names.POLICY_CHANGE_LOG),
            {"failurePolicy": "Ignore"},
            "spec.failurePolicy differs",
        ),
        (
            (names.VALIDATING_ADMISSION_POLICY_BINDINGS, "", "statuses.moorage.dev"),
            {"validationActions": ["Audit"]},
            "spec.validationActions[0] differs",
        ),
        ((names.CRDS, "", "environments.moorage.dev"), {"versions": []}, "spec.versions is missing"),
    ],
)
async def test_preflight_names_what_says_something_else_than_this_version(
    store: FakeCluster, key: tuple[str, str, str], change: dict[str, Any], path: str
) -> None:
    store.objects[key] = copy.deepcopy(store.objects[key])
    store.objects[key]["spec"].update(change)
    (found,) = (check for check in (await checks(store)).values() if check.verdict is not Verdict.OK)
    assert (found.verdict, found.fails) == (Verdict.DIFFERENT, True)
    assert path in found.consequence
    assert "docs/upgrade.md" in found.consequence


@pytest.mark.parametrize("process", Process)
async def test_preflight_names_some_of_the_objects_that_have_owners_or_finalizers(
    store: FakeCluster, process: Process
) -> None:
    for number in range(12):
        held = builders.deployment(app=f"app{number:02}")
        held["metadata"]["finalizers"] = ["example.com/hold"]
        store.put(held)
    owned = builders.environment("production")
    owned["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "nope", "uid": "u"}]
    store.put(owned)
    found = await checks(store, process)
    wrong = {subject: check for subject, check in found.items() if check.verdict is not Verdict.OK}
    assert wrong.keys() == {"owners and finalizers of deployments", "owners and finalizers of environments"}
    assert not any(check.fails for check in wrong.values())
    deployments = wrong["owners and finalizers of deployments"].consequence
    assert deployments.count("finalizer example.com/hold") == 10
    assert "and 2 more" in deployments
    assert "shop/production (owner ConfigMap nope)" in wrong["owners and finalizers of environments"].consequence


async def test_objects_that_cannot_be_listed_are_told_and_no_failure(store: FakeCluster) -> None:
    store.fail("list", names.LOCKS, ForbiddenError("no"))
    found = (await checks(store))["owners and finalizers of environmentlocks"]
    assert (found.verdict, found.fails) == (Verdict.UNKNOWN, False)


def of_the_chart(file: str, namespace: str) -> set[Right]:
    """The rights that a file of rules gives."""
    rules: list[dict[str, Any]] = yaml.safe_load((RULES / f"{file}.yaml").read_text(encoding="utf-8"))
    return {
        Right(verb, resource, namespace=namespace, group=group, name=name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


@pytest.mark.parametrize(
    ("process", "given"),
    [
        (Process.OPERATOR, of_the_chart("operator-cluster", "") | of_the_chart("operator-namespace", SYSTEM)),
        (Process.API, of_the_chart("api-cluster", "") | of_the_chart("api-namespace", SYSTEM)),
    ],
)
def test_preflight_asks_for_what_the_chart_gives(process: Process, given: set[Right]) -> None:
    asked = [right for need in needs(process, SYSTEM) for right in need.rights]
    assert len(asked) == len(set(asked))
    assert set(asked) == given


@pytest.mark.parametrize(
    ("denied", "verdict"),
    [
        (Right("create", names.RECORDS), Verdict.MISSING),
        (Right("get", names.CRDS, group="apiextensions.k8s.io", name="environments.moorage.dev"), Verdict.MISSING),
        (
            Right(
                "get",
                names.VALIDATING_ADMISSION_POLICY_BINDINGS,
                group="admissionregistration.k8s.io",
                name=names.POLICY_RECORDS,
            ),
            Verdict.DEGRADED,
        ),
        (Right("create", names.LEASES, SYSTEM, "coordination.k8s.io"), Verdict.DEGRADED),
    ],
)
async def test_a_right_that_the_operator_lacks_is_named(store: FakeCluster, denied: Right, verdict: Verdict) -> None:
    store.denied = lambda right: right == denied
    (found,) = (check for check in (await checks(store)).values() if check.verdict is not Verdict.OK)
    assert (found.verdict, found.fails) == (verdict, verdict is Verdict.MISSING)
    assert f"{denied.verb} {denied.resource}" in found.consequence


@pytest.mark.parametrize(
    ("denied", "verdict"),
    [
        (Right("create", "tokenreviews", group="authentication.k8s.io"), Verdict.MISSING),
        (Right("watch", names.RECORDS), Verdict.MISSING),
        (Right("get", names.DEPLOYMENTS), Verdict.DEGRADED),
        (Right("get", names.LEASES, SYSTEM, "coordination.k8s.io", LEASE_NAME), Verdict.DEGRADED),
    ],
)
async def test_a_right_that_the_facade_lacks_is_named(store: FakeCluster, denied: Right, verdict: Verdict) -> None:
    store.denied = lambda right: right == denied
    (found,) = (check for check in (await checks(store, Process.API)).values() if check.verdict is not Verdict.OK)
    assert (found.verdict, found.fails) == (verdict, verdict is Verdict.MISSING)
    assert f"{denied.verb} {denied.resource}" in found.consequence


async def test_the_account_of_the_facade_is_not_asked_for_what_it_may_not_see(store: FakeCluster) -> None:
    subjects = await checks(store, Process.API)
    assert not any(subject.startswith(("CRD", "policy")) for subject in subjects)
    assert {check.verdict for check in subjects.values()} == {Verdict.OK}


@pytest.mark.parametrize(
    ("plural", "version", "fails"),
    [
        (names.CRDS, "v1.37.2", True),
        (names.MUTATING_ADMISSION_POLICIES, "v1.37.2", True),
        (names.VALIDATING_ADMISSION_POLICY_BINDINGS, "v1.37.2", True),
        # Where the kind cannot be there, nothing that is needed is hidden.
        (names.MUTATING_ADMISSION_POLICIES, "v1.35.0", False),
    ],
)
async def test_what_cannot_be_seen_is_no_success(store: FakeCluster, plural: str, version: str, fails: bool) -> None:
    store.version = version
    store.fail("get", plural, ForbiddenError("no"))
    unknown = [check for check in (await checks(store)).values() if check.verdict is Verdict.UNKNOWN]
    assert [check.fails for check in unknown] == [fails]
    assert "; if it is not there" in unknown[0].consequence


async def test_namespaces_that_cannot_be_listed_are_told_and_no_failure(store: FakeCluster) -> None:
    store.fail("list", names.NAMESPACES, ForbiddenError("no"))
    found = (await checks(store))["workspaces"]
    assert (found.verdict, found.fails) == (Verdict.UNKNOWN, False)


@pytest.mark.parametrize(
    ("plural", "spec", "label", "value"),
    [
        (names.FREEZES, {"reason": "quiet"}, names.LABEL_ENFORCEMENT, "deny"),
        (names.FREEZES, {"reason": "quiet", "enforcement": "Warn"}, names.LABEL_ENFORCEMENT, "warn"),
        (names.CLUSTER_FREEZES, {"reason": "quiet"}, names.LABEL_ENFORCEMENT, "deny"),
        (names.ENVIRONMENTS, {"promotion": {"from": "staging"}}, names.LABEL_PROTECTED, "enforce"),
        (names.ENVIRONMENTS, {"approvals": {}, "promotion": {"from": "x"}}, names.LABEL_PROTECTED, "enforce"),
        (
            names.ENVIRONMENTS,
            {"approvals": {"required": 1}, "enforcement": "Warn"},
            names.LABEL_PROTECTED,
            "observe",
        ),
        (names.ENVIRONMENTS, {}, names.LABEL_PROTECTED, None),
        (names.ENVIRONMENTS, {}, names.LABEL_RULES, None),
        (names.APPROVALS, {"decision": "Reject"}, names.LABEL_DECISION, "reject"),
        (names.APPROVALS, {"decision": "Approve"}, names.LABEL_DECISION, "approve"),
    ],
)
async def test_preflight_names_what_no_policy_looks_at(
    store: FakeCluster, plural: str, spec: dict[str, Any], label: str, value: str | None
) -> None:
    for wanted, verdict in ((value, Verdict.OK), ("something-else", Verdict.DIFFERENT)):
        labels = {label: wanted} if wanted is not None else {}
        metadata = {"name": "audit", "namespace": "shop", "resourceVersion": "1", "uid": "u", "labels": labels}
        store.objects[plural, "shop", "audit"] = {"metadata": metadata, "spec": spec}

        found = (await checks(store))[f"labels of {plural}"]

        assert found.verdict is verdict
        assert ("shop/audit" in found.consequence) is (verdict is Verdict.DIFFERENT)


@pytest.mark.parametrize(
    ("spec", "true", "untrue"),
    [
        ({"promotion": {"from": "staging"}}, "promotion", ("approvals", "all")),
        ({"approvals": {"required": 1}}, "approvals", ("promotion", "all")),
        ({"promotion": {"from": "x"}, "approvals": {"required": 1}}, "all", ("promotion", "approvals")),
    ],
)
async def test_preflight_names_an_environment_that_says_untruly_which_rules_it_has(
    store: FakeCluster, spec: dict[str, Any], true: str, untrue: tuple[str, ...]
) -> None:
    """One that does not say it is asked by all policies, so nothing is wrong with it."""
    for value, verdict in ((None, Verdict.OK), (true, Verdict.OK), *((one, Verdict.DIFFERENT) for one in untrue)):
        labels = {names.LABEL_PROTECTED: "enforce"} | ({names.LABEL_RULES: value} if value is not None else {})
        metadata = {"name": "audit", "namespace": "shop", "resourceVersion": "1", "uid": "u", "labels": labels}
        store.objects[names.ENVIRONMENTS, "shop", "audit"] = {"metadata": metadata, "spec": spec}

        assert (await checks(store))["labels of environments"].verdict is verdict
