"""Edges of Freezes: the API server's own CEL against the oracle, at moments that are months away.

A policy takes its time from what the API server has just stamped, so a test would have to wait for an edge. Here the
policy of the chart is installed a second time under another name, with one variable changed: it reads the time from an
annotation. Everything that decides is what the chart installs.
"""

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from calendar_cases import CASES, Oracle, edges_of, near
from cluster import LiveCluster, Workspace, Workspaces
from identities import EDITOR, MEMBERS, Object
from services import Operators
from waiting import eventually

from moorage_crds import schema
from moorage_crds.moments import to_text
from moorage_dev.rest_client import Answer

POLICY = "freezes.moorage.dev"
TWIN = "freezes-at-any-time.moorage.dev"
AT = "example.com/at"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
#: Writes of the gate, and the least number of edges that they meet.
WRITES, EDGES = 1000, 200
#: Freezes at a time: each one costs every write in its Namespace.
BATCH = 10


def _twin(shop: Workspace) -> list[Object]:
    """The policy, and a binding for that workspace alone. The Freezes only warn, so the original refuses nothing."""
    wanted = {one["kind"]: one for one in schema.wanted_policies().values() if one["metadata"]["name"] == POLICY}
    policy = copy.deepcopy(wanted["ValidatingAdmissionPolicy"])
    policy["metadata"]["name"] = TWIN
    [times] = [one for one in policy["spec"]["variables"] if one["name"] == "times"]
    times["expression"] = f"[timestamp(object.metadata.annotations['{AT}'])]"
    spec: Any = {
        "policyName": TWIN,
        "validationActions": ["Deny"],
        "paramRef": {
            "selector": {"matchLabels": {"moorage.dev/enforcement": "warn"}},
            "parameterNotFoundAction": "Allow",
        },
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}}},
    }
    return [policy, {**wanted["ValidatingAdmissionPolicyBinding"], "metadata": {"name": TWIN}, "spec": spec}]


def _ask(shop: Workspace, app: str, at: str) -> Answer:
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": f"production.{app}", "annotations": {AT: at}},
        "spec": {"environment": "production", "app": app, "release": "v1"},
    }
    return shop.cluster.raw("POST", shop.path("deployments") + "?dryRun=All", user=EDITOR, body=body)


@pytest.fixture
def shop(cluster: LiveCluster, operators: Operators) -> Iterator[Workspace]:
    """With the twin, and nothing of ours running."""
    operators.stop()
    made = Workspaces(cluster)
    shop = made("production", members=MEMBERS)
    twin = dict(zip(("validatingadmissionpolicies", "validatingadmissionpolicybindings"), _twin(shop), strict=True))
    for plural, body in twin.items():
        assert cluster.raw("POST", f"{_ADMISSION}/{plural}", body=body).status == 201
    yield shop
    for plural in reversed(twin):
        cluster.raw("DELETE", f"{_ADMISSION}/{plural}/{TWIN}")
    made.clean()


def test_the_api_server_turns_where_the_wall_clock_does(shop: Workspace, figures: Any) -> None:
    edges = [(number, edge) for number, case in enumerate(CASES) for edge in edges_of(case)]
    asked = [(number, edge, moment) for number, edge in edges for moment in near(edge)]
    chosen = sorted(random.Random(20261201).sample(asked, WRITES))  # noqa: S311 — repeatable, no secret
    refused = 0
    for first in range(0, len(CASES), BATCH):
        numbers = range(first, min(first + BATCH, len(CASES)))
        _freeze(shop, numbers)
        for number, _, moment in chosen:
            if number in numbers:
                answer = _ask(shop, f"case-{number}", to_text(moment))
                assert answer.status in {201, 403}, answer.body
                refused += answer.status == 403
                assert (answer.status == 403) is Oracle(CASES[number]).is_closed(moment), (CASES[number], moment)
        assert shop.cluster.raw("DELETE", shop.path("freezes")).status == 200
    turned = {(number, edge) for number, edge, _ in chosen}
    assert len(turned) >= EDGES
    assert 0 < refused < len(chosen)
    figures(f"{len(chosen)} writes at {len(turned)} edges, {refused} refused, 0 verdicts differ from the wall clock's")


def _freeze(shop: Workspace, numbers: Sequence[int]) -> None:
    """Make the Freezes of some cases; returns when they are in force."""
    for number in numbers:
        spec = {**CASES[number].spec, "apps": [f"case-{number}"], "enforcement": "Warn"}
        body = {"apiVersion": "moorage.dev/v1", "kind": "Freeze", "metadata": {"name": f"case-{number}"}, "spec": spec}
        answer = shop.cluster.raw("POST", shop.path("freezes"), user=EDITOR, body=body)
        assert answer.status == 201, answer.body
    # Freezes reach the policy in the order in which they were made.
    last = CASES[numbers[-1]]
    closed = next(moment for moment in last.moments() if Oracle(last).is_closed(moment))
    eventually(lambda: _ask(shop, f"case-{numbers[-1]}", to_text(closed)).status == 403, 60)
