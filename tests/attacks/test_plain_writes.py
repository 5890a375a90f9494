"""A plain write is let through by one condition; here the same policy without that condition looks at it too."""

import copy
from collections import Counter
from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

import pytest
from cluster import LiveCluster, Workspace, Workspaces
from dice import DICE
from forged_fields import Forger
from identities import EDITOR, MEMBERS, WAYS, Object, change, lock
from services import Operators
from waiting import eventually

from moorage_crds import names, schema
from moorage_dev.rest_client import Answer

TWIN = "metadata-asks-always.moorage.dev"
#: Writes, and the Deployments that share them: none may have more than a few changes that are unrecorded.
WRITES, APPS = 240, 12
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_OBJECTS = {
    "deployments": [f"production.web-{number}" for number in range(APPS)],
    "environments": ["production"],
    "environmentlocks": ["staging"],
}
_numbers = count()


@pytest.fixture
def shop(cluster: LiveCluster, operators: Operators) -> Iterator[Workspace]:
    """One object of each of three kinds, and the twin, which warns."""
    operators.stop()
    made = Workspaces(cluster)
    shop = made("production", "staging", members=MEMBERS)
    for number in range(APPS):
        shop.create_deployment("production", f"web-{number}", "v1")
    lock(shop, "staging")
    twin = dict(zip(("validatingadmissionpolicies", "validatingadmissionpolicybindings"), _twin(shop), strict=True))
    for plural, body in twin.items():
        assert cluster.raw("POST", f"{_ADMISSION}/{plural}", body=body).status == 201
    too_many: Object = {"metadata": {"labels": {f"k{number}": "v" for number in range(65)}}}
    eventually(
        lambda: _warned(change(shop, "deployments", "production.web-0", "merge patch", too_many, user=EDITOR)), 60
    )
    yield shop
    for plural in reversed(twin):
        cluster.raw("DELETE", f"{_ADMISSION}/{plural}/{TWIN}")
    made.clean()


def _twin(shop: Workspace) -> list[Object]:
    """The policy without its condition, and a binding that warns in that workspace alone."""
    policies = schema.wanted_policies().values()
    wanted = {one["kind"]: one for one in policies if one["metadata"]["name"] == names.POLICY_METADATA}
    policy: Any = copy.deepcopy(wanted["ValidatingAdmissionPolicy"])
    policy["metadata"]["name"] = TWIN
    del policy["spec"]["matchConditions"]
    namespace = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}}}
    spec = {"policyName": TWIN, "validationActions": ["Warn"], "matchResources": namespace}
    return [policy, {**wanted["ValidatingAdmissionPolicyBinding"], "metadata": {"name": TWIN}, "spec": spec}]


def _warned(answer: Answer) -> bool:
    return TWIN in answer.headers.get("warning", "")


def test_what_passes_as_plain_would_pass_every_question(shop: Workspace, figures: Any) -> None:
    forger = Forger(Random(DICE))  # noqa: S311 — nothing secret, and to be repeated
    counts: Counter[str] = Counter()
    for _ in range(WRITES):
        plural = forger.random.choice(["deployments", "deployments", "environments", "environmentlocks"])
        way, name = forger.random.choice(WAYS), forger.random.choice(_OBJECTS[plural])
        wanted = _wanted(shop, plural, name, forger)
        answer = change(shop, plural, name, way, wanted, user=EDITOR)
        taken = answer.status == 200
        assert not (taken and _warned(answer)), (DICE, name, way, wanted, answer.headers)
        counts["taken" if taken else "refused, and the twin warned" if _warned(answer) else "refused otherwise"] += 1
    assert counts["taken"] > WRITES / 4, counts
    assert counts["refused, and the twin warned"] > 0, counts
    told = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
    figures(f"{WRITES} writes, 0 taken that the policy without its condition would refuse: {told}")


def _wanted(shop: Workspace, plural: str, name: str, forger: Forger) -> Object:
    """A change of the spec, of the metadata or of both, half of the time with forged fields."""
    chance, new = forger.random, str(next(_numbers))
    field = {"deployments": "release", "environments": "description", "environmentlocks": "reason"}[plural]
    wanted: Object = {"metadata": {}, "spec": chance.choice([{field: new}, {field: new}, {}])}
    for part in chance.choice([[], [], [], ["labels"], ["annotations"], ["labels", "annotations"]]):
        wanted["metadata"][part] = {"example.com/new": new}
    if chance.random() < 0.5:
        stored = shop.get(plural, name) or {}
        wanted["metadata"]["managedFields"] = forger.payload(stored["metadata"]["managedFields"])
    return wanted
