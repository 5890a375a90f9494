"""`moorage preflight`: what is missing, what it cannot see, and that it asks for the rights that the chart gives."""

from typing import Any

import builders
import pytest
import yaml
from fakes import FixedClock, InMemoryStore

from moorage_crds import names
from moorage_crds.store import ForbiddenError, Right
from moorage_dev.layout import ROOT
from moorage_operator.config import Process
from moorage_operator.loops.preflight import Check, Verdict, preflight
from moorage_operator.loops.rights import needs

SYSTEM = "moorage-system"
RULES = ROOT / "charts/moorage/files/rules"


@pytest.fixture
def store() -> InMemoryStore:
    made = InMemoryStore(FixedClock())
    made.put(builders.namespace())
    _install(made)
    return made


def _install(store: InMemoryStore, *, version: str = "v1.37.2") -> None:
    established = {"conditions": [{"type": "Established", "status": "True"}]}
    meta = {"resourceVersion": "1", "uid": "u"}
    for plural in names.KINDS:
        name = f"{plural}.{names.GROUP}"
        store.objects[names.CRDS, "", name] = {"metadata": {"name": name, **meta}, "status": established}
    for kinds, policies in (
        ((names.MUTATING_ADMISSION_POLICIES, names.MUTATING_ADMISSION_POLICY_BINDINGS), names.MUTATING_POLICIES),
        ((names.VALIDATING_ADMISSION_POLICIES, names.VALIDATING_ADMISSION_POLICY_BINDINGS), names.VALIDATING_POLICIES),
    ):
        for plural in kinds:
            for name in policies:
                store.objects[plural, "", name] = {"metadata": {"name": name, **meta}}
    store.version = version


async def checks(store: InMemoryStore, process: Process = Process.OPERATOR) -> dict[str, Check]:
    return {check.subject: check async for check in preflight(store, store, process=process, namespace=SYSTEM)}


async def test_preflight_of_a_good_cluster(store: InMemoryStore) -> None:
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
async def test_preflight_knows_versions(store: InMemoryStore, version: str, verdict: Verdict) -> None:
    _install(store, version=version)
    assert next(iter((await checks(store)).values())).verdict is verdict


async def test_preflight_says_what_does_not_work_without(store: InMemoryStore) -> None:
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
        (Process.API, of_the_chart("api-cluster", "")),
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
async def test_a_right_that_the_operator_lacks_is_named(store: InMemoryStore, denied: Right, verdict: Verdict) -> None:
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
    ],
)
async def test_a_right_that_the_facade_lacks_is_named(store: InMemoryStore, denied: Right, verdict: Verdict) -> None:
    store.denied = lambda right: right == denied
    (found,) = (check for check in (await checks(store, Process.API)).values() if check.verdict is not Verdict.OK)
    assert (found.verdict, found.fails) == (verdict, verdict is Verdict.MISSING)
    assert f"{denied.verb} {denied.resource}" in found.consequence


async def test_the_account_of_the_facade_is_not_asked_for_what_it_may_not_see(store: InMemoryStore) -> None:
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
async def test_what_cannot_be_seen_is_no_success(store: InMemoryStore, plural: str, version: str, fails: bool) -> None:
    store.version = version
    store.fail("get", plural, ForbiddenError("no"))
    unknown = [check for check in (await checks(store)).values() if check.verdict is Verdict.UNKNOWN]
    assert [check.fails for check in unknown] == [fails]
    assert "; if it is not there" in unknown[0].consequence


async def test_namespaces_that_cannot_be_listed_are_told_and_no_failure(store: InMemoryStore) -> None:
    store.fail("list", names.NAMESPACES, ForbiddenError("no"))
    found = (await checks(store))["workspaces"]
    assert (found.verdict, found.fails) == (Verdict.UNKNOWN, False)
