"""What became of a release, with real workloads; the test does what the deployment controller would."""

from collections.abc import Iterator

import pytest
from cluster import LiveCluster, Workspace, Workspaces, account
from following import Web, reaches, rollout
from following import following as follow
from oracles import settled
from services import Facades, Operators
from waiting import eventually, eventually_passes

from moorage_crds.kinds.target import ANNOTATION_BINDING
from moorage_dev.rest_client import MERGE_PATCH

#: The last two are not installed here: an operator waits for their CRDs.
KINDS = ("deployments.apps", "statefulsets.apps", "applications.argoproj.io", "helmreleases.helm.toolkit.fluxcd.io")


@pytest.fixture
def following(no_operator: Operators, cluster: LiveCluster) -> Iterator[Operators]:
    """An operator that follows workloads, with the rights that the chart gives for that."""
    with follow(no_operator, cluster, KINDS):
        yield no_operator


def release(space: Workspace, web: Web, name: str, sequence: int) -> None:
    """Deploy, and bring the release into the workload."""
    space.set_release("production.web", name)
    reaches(space, "Waiting", sequence)
    web.carry(name)
    reaches(space, "Progressing", sequence)


def test_a_release_arrives_a_bad_one_fails_and_the_rollback_heals(
    following: Operators, facades: Facades, workspace: Workspaces
) -> None:
    space = workspace("production")
    space.create_deployment("production", "web", "v0")
    web = Web(space, release="none")
    assert "does not carry" in reaches(space, "Waiting", 1)["message"]

    release(space, web, "v1", 2)
    web.arrive()
    reaches(space, "Healthy", 2)
    release(space, web, "v2", 3)
    web.fail()
    assert "timed out" in reaches(space, "Failed", 3)["message"]
    release(space, web, "v1", 4)
    web.arrive()
    reaches(space, "Healthy", 4)

    facade = facades.ensure()
    wanted = [(4, "healthy"), (3, "failed"), (2, "healthy"), (1, "superseded")]

    def told() -> None:
        shown = facade.call("GET", f"{space.rest}/production").json()["rollouts"]["web"]
        lines = facade.call("GET", f"{space.rest}/production/deployments").json()["deployments"]
        assert (shown["phase"], shown["message"]) == ("Healthy", None)
        assert [(line["sequence"], line["outcome"]) for line in lines] == wanted

    eventually_passes(told)


def test_kubectl_shows_the_rollout_beside_what_is_recorded(
    following: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    space = workspace("production")
    space.create_deployment("production", "web", "v1")
    Web(space, release="v1").arrive()
    reaches(space, "Healthy", 1)
    eventually(lambda: settled(space))

    found = space.get("deployments", "production.web") or {}
    table = cluster.kubectl("get", "mdep", "production.web", "-n", space.namespace).stdout.split()

    conditions = {one["type"]: (one["status"], one["reason"]) for one in found["status"]["conditions"]}
    assert conditions["RolledOut"] == ("True", "Healthy")
    assert conditions["Ready"] == ("True", "Recorded")
    assert {"ROLLOUT", "Healthy"} <= set(table)


def test_nothing_is_written_while_nothing_moves_and_a_new_operator_agrees(
    following: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    space = workspace("production")
    space.create_deployment("production", "web", "v1")
    web = Web(space, release="v1")
    web.arrive()
    before = reaches(space, "Healthy", 1)
    eventually(lambda: settled(space))
    version = (space.get("deployments", "production.web") or {})["metadata"]["resourceVersion"]

    following.stop()
    mark = cluster.audit_mark()
    following.start({"MOORAGE_DELIVERY_KINDS": ",".join(KINDS)})
    space.create_deployment("production", "other", "v1")
    eventually(lambda: ((space.get("deployments", "production.other") or {}).get("status") or {}).get("release"))

    assert rollout(space) == before
    assert (space.get("deployments", "production.web") or {})["metadata"]["resourceVersion"] == version
    written = cluster.audit_since(
        mark, user=account("moorage-operator"), verbs={"patch"}, resource="deployments/status"
    )
    # Workspaces of earlier tests may still be going.
    assert {event.name for event in written if event.namespace == space.namespace} == {"production.other"}


def test_a_rollout_costs_two_writes_beside_that_of_the_record(
    following: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    space = workspace("production")
    space.create_deployment("production", "web", "v1")
    web = Web(space, release="v1")
    web.arrive()
    reaches(space, "Healthy", 1)

    mark = cluster.audit_mark()
    for sequence in (2, 3, 4):
        release(space, web, f"v{sequence}", sequence)
        web.arrive()
        reaches(space, "Healthy", sequence)

    written = cluster.audit_since(
        mark, user=account("moorage-operator"), verbs={"patch"}, resource="deployments/status"
    )
    mine = [event for event in written if (event.namespace, event.name) == (space.namespace, "production.web")]
    assert 3 <= len(mine) <= 3 * 3


def test_an_object_of_another_namespace_counts_when_both_sides_say_so(
    following: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    space, elsewhere = workspace("production"), workspace("production")
    space.create_deployment("production", "web", "v1")
    web = Web(elsewhere, binding=f"{space.namespace}/production.web", release="v1")
    web.arrive()
    own = Web(space, "own", release="v0")
    reaches(space, "Waiting", 1)
    assert rollout(space)["targets"] == 1

    body = {"spec": {"delivery": {"namespaces": [elsewhere.namespace]}}}
    cluster.raw("PATCH", space.path("environments", "production"), body=body, content_type=MERGE_PATCH)
    eventually(lambda: rollout(space).get("targets") == 2)
    own.carry("v1")
    own.arrive()
    reaches(space, "Healthy", 1)

    annotations = {"metadata": {"annotations": {ANNOTATION_BINDING: "production.web"}}}
    cluster.raw("PATCH", web.path, body=annotations, content_type=MERGE_PATCH)
    eventually(lambda: rollout(space).get("targets") == 1)


@pytest.mark.parametrize(
    ("parameters", "refused"),
    [
        ({"cluster": "eu-1", "Domain_2": "shop.example.com"}, ""),
        ({"no-dash": "x"}, "begin with a letter"),
        ({"1st": "x"}, "begin with a letter"),
        ({"a" * 64: "x"}, "at most 63"),
        ({"a": "x" * 257}, "Too long"),
        ({"a": "two\nlines"}, "should match"),
        ({f"p{number}": "x" for number in range(33)}, "Too many"),
    ],
)
def test_parameters_have_bounds(
    cluster: LiveCluster, workspace: Workspaces, parameters: dict[str, str], refused: str
) -> None:
    space = workspace("production")
    body = {"spec": {"parameters": parameters}}

    answer = cluster.raw("PATCH", space.path("environments", "production"), body=body, content_type=MERGE_PATCH)

    assert answer.status == (422 if refused else 200), answer.body
    assert refused in answer.body.decode()
