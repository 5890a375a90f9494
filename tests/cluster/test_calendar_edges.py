"""Edges of Freezes: the API server's own CEL against the oracle, at moments that are months away, by every writer.

A policy takes its time from what the API server has just stamped, so a test would have to wait for an edge. Here the
policy of the chart is installed a second time under another name, with one variable changed: it reads the time from an
annotation. Everything that decides is what the chart installs. The writes are real ones, and no operator runs.
`test_windows_by_every_writer.py` shows that the time of the chart's policy is the true one for every way of writing.
"""

import copy
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from calendar_cases import CASES, Oracle, edges_of, near
from cluster import LiveCluster, Workspace, Workspaces
from identities import EDITOR, MEMBERS, Object
from services import Facade, Operators
from waiting import eventually
from writers_of_releases import FORGED, WRITERS, Writers

from moorage_crds import schema
from moorage_crds.moments import to_text
from moorage_dev.rest_client import Answer

POLICY = "freezes.moorage.dev"
TWIN = "freezes-at-any-time.moorage.dev"
AT = "example.com/at"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
#: Writes, and the least number of edges that they meet. Of a campaign: `MOORAGE_CALENDAR_WRITES=10000`.
WRITES, EDGES = int(os.environ.get("MOORAGE_CALENDAR_WRITES", "1000")), 200
#: A write that is not right at its edge lies within these seconds of it: past the next one, or a change of clocks.
AROUND = 3 * 3600
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


@dataclass(frozen=True, slots=True)
class _Write:
    """A write that is to come: near which edge of which case, at which time, in which way."""

    number: int
    edge: datetime
    moment: datetime
    way: str


def _chosen(chance: random.Random) -> list[_Write]:
    """Every edge and every writer equally often; most of the writes within a minute of their edge."""
    edges = [(number, edge) for number, case in enumerate(CASES) for edge in edges_of(case)]
    chance.shuffle(edges)
    writes = []
    for count in range(WRITES):
        number, edge = edges[count % len(edges)]
        is_close = chance.random() < 0.75
        moment = chance.choice(near(edge)) if is_close else edge + timedelta(seconds=chance.randint(-AROUND, AROUND))
        writes.append(_Write(number, edge, moment, WRITERS[count % len(WRITERS)]))
    return writes


def _place(number: int) -> str:
    """The environment of a case."""
    return f"case-{number}"


@pytest.fixture
def shop(cluster: LiveCluster, operators: Operators) -> Iterator[Workspace]:
    """With the twin, an environment for each case, and no operator."""
    operators.stop()
    made = Workspaces(cluster)
    shop = made(*(_place(number) for number in range(len(CASES))), members=MEMBERS)
    twin = dict(zip(("validatingadmissionpolicies", "validatingadmissionpolicybindings"), _twin(shop), strict=True))
    for plural, body in twin.items():
        assert cluster.raw("POST", f"{_ADMISSION}/{plural}", body=body).status == 201
    yield shop
    for plural in reversed(twin):
        cluster.raw("DELETE", f"{_ADMISSION}/{plural}/{TWIN}")
    made.clean()


@pytest.mark.timeout(1200 + WRITES)
def test_the_api_server_turns_where_the_wall_clock_does(shop: Workspace, facade: Facade, figures: Any) -> None:
    chance = random.Random(20261202)  # noqa: S311 — repeatable, no secret
    chosen = _chosen(chance)
    writers = Writers(shop, facade, chance)
    counts: Counter[str] = Counter()
    judged: set[tuple[int, datetime]] = set()
    for first in range(0, len(CASES), BATCH):
        numbers = range(first, min(first + BATCH, len(CASES)))
        for number in numbers:
            writers.prepare(_place(number), "web")
        _freeze(shop, numbers)
        for one in (one for one in chosen if one.number in numbers):
            is_refused = _is_refused(writers, one)
            if is_refused is None:
                counts["forged fields refused as such"] += 1
                continue
            assert is_refused is Oracle(CASES[one.number]).is_closed(one.moment), (CASES[one.number], one)
            judged.add((one.number, one.edge))
            counts[f"{one.way}, {'refused' if is_refused else 'taken'}"] += 1
        assert shop.cluster.raw("DELETE", shop.path("freezes")).status == 200
    assert len(judged) >= EDGES
    assert min(counts[f"{way}, {end}"] for way in WRITERS for end in ("refused", "taken")) > 0, counts
    told = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
    figures(f"{len(chosen)} writes at {len(judged)} edges, 0 verdicts differ from the wall clock's: {told}")


def _is_refused(writers: Writers, one: _Write) -> bool | None:
    """Whether the twin refused a write; None: it was refused for the fields that were forged."""
    writers.annotations = {AT: to_text(one.moment)}
    answer = writers.write(one.way, _place(one.number), "web")
    if answer.status in {200, 201}:
        return False
    if f"frozen by freeze/{_place(one.number)}" in answer.body.decode():
        return True
    assert one.way == FORGED, (one, answer.body)
    return None


def _freeze(shop: Workspace, numbers: Sequence[int]) -> None:
    """Make the Freezes of some cases; returns when they are in force."""
    for number in numbers:
        name = _place(number)
        spec = {**CASES[number].spec, "environments": [name], "enforcement": "Warn"}
        body = {"apiVersion": "moorage.dev/v1", "kind": "Freeze", "metadata": {"name": name}, "spec": spec}
        answer = shop.cluster.raw("POST", shop.path("freezes"), user=EDITOR, body=body)
        assert answer.status == 201, answer.body
    # Freezes reach the policy in the order in which they were made.
    last = CASES[numbers[-1]]
    closed = next(moment for moment in last.moments() if Oracle(last).is_closed(moment))
    eventually(lambda: _probe(shop, numbers[-1], to_text(closed)).status == 403, 60)


def _probe(shop: Workspace, number: int, at: str) -> Answer:
    """A dry run of a first release."""
    place = _place(number)
    body = {
        "apiVersion": "moorage.dev/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{place}.probe", "annotations": {AT: at}},
        "spec": {"environment": place, "app": "probe", "release": "v1"},
    }
    return shop.cluster.raw("POST", shop.path("deployments") + "?dryRun=All", user=EDITOR, body=body)
