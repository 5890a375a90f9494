"""The table of admission policies: as many entries as files, and each refusal as the REST contract knows it."""

import re
from pathlib import Path

import pytest
import yaml

from moorage_api.contract.errors import ConflictReason, UnavailableReason
from moorage_crds import names, schema
from moorage_crds.admission import Policy, PolicyRefusal
from moorage_crds.kinds.registry import POLICIES, refusal_by
from moorage_dev.layout import ROOT

KINDS = {
    "mutatingadmissionpolicies": "MutatingAdmissionPolicy",
    "mutatingadmissionpolicybindings": "MutatingAdmissionPolicyBinding",
    "validatingadmissionpolicies": "ValidatingAdmissionPolicy",
    "validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBinding",
}


def test_every_policy_that_is_shipped_has_its_entry_and_the_other_way_round() -> None:
    shipped = {
        (document["kind"], document["metadata"]["name"])
        for text in schema.policy_files().values()
        for document in yaml.safe_load_all(text)
    }
    assert shipped == {(KINDS[plural], name) for policy in POLICIES for plural, name in policy.objects}


def test_a_policy_has_one_entry() -> None:
    assert len({policy.name for policy in POLICIES}) == len(POLICIES)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_refusal_has_a_reason_that_the_rest_guide_lists(policy: Policy) -> None:
    reasons = UnavailableReason if policy.refusal.retryable else ConflictReason
    assert policy.refusal.reason in set(reasons)
    assert f"`{policy.refusal.reason}`" in Path(ROOT, "docs/rest.md").read_text(encoding="utf-8")


def test_somebody_elses_policy_refuses_like_any_other() -> None:
    assert refusal_by("images.example.com") == PolicyRefusal()


def test_the_policy_of_the_change_log_keeps_as_many_entries_as_the_crd_takes() -> None:
    policy = next(yaml.safe_load_all(schema.policy_files()["deployments-changelog.yaml"]))
    expressions = {one["name"]: one["expression"] for one in policy["spec"]["variables"]}
    numbers = {int(found) for name in ("room", "kept") for found in re.findall(r"\b\d+\b", expressions[name])}
    assert numbers == {0, 1, names.MAX_UNRECORDED}
