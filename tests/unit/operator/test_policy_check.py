"""Which policies the operator counts as in force: there, bound, and with the content of its own version."""

import copy
import logging
from typing import Any

import pytest
from fake_cluster import FakeCluster
from fakes import CountedMeasures
from fixed_clock import FixedClock

from moorage_crds import names, schema
from moorage_crds.kinds.registry import POLICIES
from moorage_operator.facts import Finding
from moorage_operator.sweep.policy_check import Policies

RULES, BINDINGS = names.VALIDATING_ADMISSION_POLICIES, names.VALIDATING_ADMISSION_POLICY_BINDINGS
EXEMPTION = {"name": "not-by-mallory", "expression": "request.userInfo.username != 'mallory'"}


@pytest.fixture
def store() -> FakeCluster:
    made = FakeCluster(FixedClock())
    for (plural, name), policy in schema.wanted_policies().items():
        made.objects[plural, "", name] = copy.deepcopy(policy)
    return made


@pytest.fixture
def measures() -> CountedMeasures:
    return CountedMeasures()


@pytest.fixture
def policies(store: FakeCluster, measures: CountedMeasures) -> Policies:
    return Policies(store, schema.wanted_policies(), measures=measures)


def not_in_force(measures: CountedMeasures) -> set[str]:
    return {name for name, in_force in measures.policies.items() if not in_force}


async def test_all_policies_of_this_version_are_in_force(policies: Policies, measures: CountedMeasures) -> None:
    await policies.look()
    assert measures.policies.keys() == {policy.name for policy in POLICIES}
    assert not_in_force(measures) == set()


@pytest.mark.parametrize(
    "case",
    [
        (RULES, {"matchConditions": [EXEMPTION]}, "spec.matchConditions should not be there"),
        (RULES, {"failurePolicy": "Ignore"}, "spec.failurePolicy differs"),
        (BINDINGS, {"validationActions": ["Audit"]}, "spec.validationActions[0] differs"),
        (BINDINGS, {"matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}, "spec.matchResources"),
    ],
)
async def test_policy_that_says_something_else_is_not_in_force(
    case: tuple[str, dict[str, Any], str],
    store: FakeCluster,
    policies: Policies,
    measures: CountedMeasures,
    caplog: pytest.LogCaptureFixture,
) -> None:
    plural, change, told = case
    store.objects[plural, "", names.POLICY_RECORDS]["spec"].update(change)
    with caplog.at_level(logging.ERROR):
        await policies.look()
    assert not_in_force(measures) == {names.POLICY_RECORDS}
    assert measures.findings[Finding.WITHOUT_POLICY] == 1
    [line] = caplog.records
    assert told in getattr(line, "fields")["wrong"]  # noqa: B009 — an extra of ours, which the type does not know


async def test_policy_is_in_force_again_when_it_is_put_right(
    store: FakeCluster, policies: Policies, measures: CountedMeasures
) -> None:
    key = (RULES, "", names.POLICY_RECORDS)
    right = store.objects.pop(key)
    await policies.look()
    assert not_in_force(measures) == {names.POLICY_RECORDS}
    store.objects[key] = right
    await policies.look()
    assert not_in_force(measures) == set()
