"""What counts as a difference between a manifest and the object in the cluster, and what does not."""

import copy
from typing import Any

import pytest

from moorage_crds import drift, schema

POLICY: dict[str, Any] = {
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "x"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{"resources": ["deployments"], "operations": ["DELETE"]}]},
        "matchConditions": [{"name": "one", "expression": "true"}],
        "variables": [{"name": "a", "expression": "1"}, {"name": "b", "expression": "variables.a"}],
        "validations": [{"expression": "variables.b == 1"}, {"expression": "true"}],
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The policy with one part of its spec replaced; a part of the value None is removed."""
    found = copy.deepcopy(POLICY)
    part = found["spec"]
    *above, last = path.split(".")
    for key in above:
        part = part[int(key)] if key.isdigit() else part[key]
    if value is None:
        del part[int(last) if last.isdigit() else last]
    else:
        part[int(last) if last.isdigit() else last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("failurePolicy", "Ignore", "spec.failurePolicy differs"),
        ("matchConditions", [*POLICY["spec"]["matchConditions"], {"name": "two", "expression": "false"}],
         "spec.matchConditions[two] should not be there"),
        ("matchConditions.0.expression", "false", "spec.matchConditions[one].expression differs"),
        ("matchConditions", None, "spec.matchConditions is missing"),
        ("matchConstraints.namespaceSelector", {"matchLabels": {"a": "b"}},
         "spec.matchConstraints.namespaceSelector should not be there"),
        ("matchConstraints.resourceRules.0.scope", "Cluster", "spec.matchConstraints.resourceRules[0].scope differs"),
        ("matchConstraints.matchPolicy", "Exact", "spec.matchConstraints.matchPolicy differs"),
        ("validations.1", None, "spec.validations differs"),
        ("validations.1.expression", "false", "spec.validations[1].expression differs"),
        ("variables.1.expression", "2", "spec.variables[b].expression differs"),
        ("variables.1", None, "spec.variables[b] is missing"),
        ("paramKind", {"kind": "ConfigMap"}, "spec.paramKind should not be there"),
    ],
)  # fmt: skip
def test_difference_is_found_and_named(path: str, value: Any, told: str) -> None:
    assert [str(one) for one in drift.differences(POLICY, changed(path, value))] == [told]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("failurePolicy", None),
        ("matchConstraints.matchPolicy", "Equivalent"),
        ("matchConstraints.namespaceSelector", {}),
        ("matchConstraints.objectSelector", {}),
        ("matchConstraints.resourceRules.0.scope", "*"),
        ("variables", list(reversed(POLICY["spec"]["variables"]))),
        ("variables", [*POLICY["spec"]["variables"], {"name": "nobody-reads-it", "expression": "3"}]),
    ],
)
def test_what_the_server_fills_in_and_what_has_no_effect_is_no_difference(path: str, value: Any) -> None:
    assert drift.differences(POLICY, changed(path, value)) == []


def test_variable_is_no_difference_where_the_manifest_has_none() -> None:
    wanted = {"spec": {"validations": [{"expression": "true"}]}}
    found = {"spec": {**wanted["spec"], "variables": [{"name": "a", "expression": "1"}]}}
    assert drift.differences(wanted, found) == []


def test_metadata_and_status_are_not_compared() -> None:
    found = {**POLICY, "metadata": {"name": "x", "labels": {"helm": "yes"}}, "status": {"observedGeneration": 1}}
    assert drift.differences(POLICY, found) == []


def test_line_names_some_differences_and_counts_the_others() -> None:
    found = [drift.Difference(f"spec.{key}", "differs") for key in "abcde"]
    assert drift.listed(found) == "spec.a differs, spec.b differs, spec.c differs, and 2 more"


def test_every_shipped_manifest_equals_itself_and_no_other() -> None:
    manifests = [*schema.wanted_crds().values(), *schema.wanted_policies().values()]
    for one in manifests:
        assert [other for other in manifests if not drift.differences(one, other)] == [one]
