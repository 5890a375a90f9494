"""A ConfigMap says what is deployed in an Environment: complete, with few writes, and beside what others keep in it."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml
from cluster import LiveCluster, Workspace, Workspaces, account
from following import keeping_config_maps
from services import Operators
from waiting import eventually, eventually_passes

from moorage_dev.rest_client import MERGE_PATCH

NAME = "releases-production"
OPERATOR = account("moorage-operator")


@pytest.fixture
def space(workspace: Workspaces, cluster: LiveCluster) -> Workspace:
    """A workspace in which the operator may keep ConfigMaps, by the rights that the chart gives for that."""
    made = workspace("production")
    keeping_config_maps(made)
    return made


def ask(space: Workspace, name: str | None = NAME) -> None:
    """The Environment asks for a ConfigMap, or no longer."""
    delivery = None if name is None else {"configMap": {"name": name}}
    body = {"spec": {"delivery": delivery, "parameters": {"domain": "shop.example.com"}}}
    path = space.path("environments", "production")
    assert space.cluster.raw("PATCH", path, body=body, content_type=MERGE_PATCH).status == 200


def stored(space: Workspace, name: str = NAME) -> dict[str, Any] | None:
    answer = space.cluster.raw("GET", f"/api/v1/namespaces/{space.namespace}/configmaps/{name}")
    return dict(answer.json()) if answer.status == 200 else None


def data(space: Workspace, name: str = NAME) -> dict[str, str]:
    return dict((stored(space, name) or {}).get("data") or {})


def apply(space: Workspace, manager: str, **keys: str) -> None:
    """Somebody's own keys, by server-side apply."""
    raw = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "namespace": space.namespace}}
    flags = ("--server-side", "--force-conflicts", f"--field-manager={manager}", "-f", "-")
    done = space.cluster.kubectl("apply", *flags, stdin=json.dumps({**raw, "data": keys}))
    assert done.returncode == 0, done.stderr


def status(space: Workspace, environment: str = "production") -> dict[str, Any]:
    return dict((space.get("environments", environment) or {}).get("status") or {})


def delivered(space: Workspace, environment: str = "production") -> tuple[str, str]:
    """Status and reason of the condition."""
    found = [one for one in status(space, environment).get("conditions") or () if one["type"] == "Delivered"]
    return (found[0]["status"], found[0]["reason"]) if found else ("", "")


def writes(space: Workspace, mark: int) -> Callable[[], int]:
    """How often the operator has written a ConfigMap of the workspace since then."""
    verbs = {"create", "patch", "update", "delete"}

    def written() -> int:
        found = space.cluster.audit_since(mark, user=OPERATOR, verbs=verbs, resource="configmaps")
        # Workspaces of earlier tests may still be going.
        return sum(event.namespace == space.namespace for event in found)

    return written


def reads(space: Workspace, mark: int, resource: str) -> int:
    """How often the operator has read or listed something of the workspace since then."""
    found = space.cluster.audit_since(mark, user=OPERATOR, verbs={"get", "list"}, resource=resource)
    return sum(event.namespace == space.namespace for event in found)


def test_it_says_what_is_deployed_beside_what_others_keep(operators: Operators, space: Workspace) -> None:
    operators.ensure()
    apply(space, "people", theirs="stays")
    ask(space)
    first = space.create_deployment("production", "web-shop", "2.4.1")
    space.create_deployment("production", "API_v2", "7", user="alice")
    eventually(lambda: data(space).get("RELEASE_API_V2") == "7", 20)

    found = data(space)
    assert set(found) == {"theirs", "RELEASE_WEB_SHOP", "RELEASE_API_V2", "RELEASES_JSON", "VALUES_YAML"}
    said = json.loads(found["RELEASES_JSON"])
    assert (said["org"], said["workspace"], said["environment"]) == (space.org, space.name, "production")
    assert said["parameters"] == {"domain": "shop.example.com"}
    assert said["releases"]["web-shop"]["deployment_id"] == f"{first['metadata']['uid']}-00000001"
    assert said["releases"]["API_v2"]["deployed_by"] == "alice"
    assert yaml.safe_load(found["VALUES_YAML"])["releases"] == {"web-shop": "2.4.1", "API_v2": "7"}
    assert ((stored(space) or {})["metadata"]["labels"])["reconcile.fluxcd.io/watch"] == "Enabled"
    eventually(lambda: delivered(space) == ("True", "Published"))

    space.set_release("production.web-shop", None)
    eventually(lambda: "RELEASE_WEB_SHOP" not in data(space), 20)
    assert "web-shop" not in json.loads(data(space)["RELEASES_JSON"])["releases"]

    ask(space, None)
    eventually(lambda: data(space) == {"theirs": "stays"}, 20)
    assert "reconcile.fluxcd.io/watch" not in ((stored(space) or {})["metadata"].get("labels") or {})
    eventually(lambda: "delivery" not in status(space) and delivered(space) == ("", ""))


def test_one_change_costs_one_write_and_two_reads(no_operator: Operators, space: Workspace) -> None:
    no_operator.start()
    ask(space)
    space.create_deployment("production", "web", "1")
    eventually(lambda: data(space).get("RELEASE_WEB") == "1" and delivered(space) == ("True", "Published"), 20)
    mark = space.cluster.audit_mark()

    space.set_release("production.web", "2")
    eventually(lambda: data(space).get("RELEASE_WEB") == "2", 20)
    written = writes(space, mark)
    eventually(written)

    assert written() == 1
    assert [reads(space, mark, name) for name in ("configmaps", "environments", "deployments")] == [1, 1, 0]


def test_it_goes_when_nobody_asks_any_more_also_if_no_operator_saw_that(
    no_operator: Operators, space: Workspace
) -> None:
    no_operator.start()
    ask(space)
    space.create_deployment("production", "web", "1")
    eventually(lambda: data(space).get("RELEASE_WEB") == "1" and status(space).get("delivery"), 20)
    no_operator.stop()
    ask(space, "another-name")
    no_operator.start()
    eventually(lambda: data(space, "another-name").get("RELEASE_WEB") == "1", 20)
    eventually(lambda: stored(space) is None, 20)
    eventually(lambda: status(space).get("delivery") == {"configMap": "another-name"}, 20)

    path = space.path("environments", "production")
    space.set_release("production.web", None)
    eventually(lambda: "RELEASE_WEB" not in data(space, "another-name"), 20)
    eventually(lambda: space.cluster.raw("DELETE", path).status == 200, 20)
    eventually(lambda: stored(space, "another-name") is None, 20)


def test_a_key_of_somebody_else_is_never_overruled(operators: Operators, space: Workspace) -> None:
    operators.ensure()
    apply(space, "people", RELEASE_WEB="mine")
    ask(space)
    space.create_deployment("production", "web", "1")
    eventually(lambda: delivered(space) == ("False", "ConfigMapConflict"), 20)
    assert data(space) == {"RELEASE_WEB": "mine"}
    message = next(one["message"] for one in status(space)["conditions"] if one["type"] == "Delivered")
    assert "people" in message
    assert "RELEASE_WEB" in message

    apply(space, "people", theirs="stays")
    eventually(lambda: data(space).get("RELEASE_WEB") == "1", 30)
    eventually(lambda: delivered(space) == ("True", "Published"))


def test_a_second_environment_does_not_speak_for_the_first(operators: Operators, space: Workspace) -> None:
    """It has no rules, and its ConfigMap would be what production runs."""
    operators.ensure()
    ask(space)
    space.create_deployment("production", "web", "1")
    eventually(lambda: delivered(space) == ("True", "Published"), 20)
    before = data(space)

    space.create_environment("evil", delivery={"configMap": {"name": NAME}})
    space.create_deployment("evil", "web", "9.9")
    eventually(lambda: delivered(space, "evil") == ("False", "ConfigMapConflict"), 20)
    assert data(space) == before
    path, nothing = space.path("environments", "evil"), {"spec": {"delivery": None}}
    assert space.cluster.raw("PATCH", path, body=nothing, content_type=MERGE_PATCH).status == 200
    eventually(lambda: "delivery" not in status(space, "evil"), 20)
    assert data(space) == before


def test_without_the_right_the_environment_says_who_can_give_it(operators: Operators, workspace: Workspaces) -> None:
    operators.ensure()
    space = workspace("production")
    ask(space)
    eventually(lambda: delivered(space) == ("False", "ConfigMapRefused"), 20)
    message = next(one["message"] for one in status(space)["conditions"] if one["type"] == "Delivered")
    assert "delivery.configMaps" in message
    keeping_config_maps(space)
    eventually(lambda: delivered(space) == ("True", "Published"), 40)


def test_five_hundred_apps_are_few_writes_and_a_restart_is_none(
    no_operator: Operators, cluster: LiveCluster, space: Workspace, figures: Callable[[str], None]
) -> None:
    no_operator.start()
    ask(space)
    eventually(lambda: data(space), 20)
    mark, began = cluster.audit_mark(), time.monotonic()
    written = writes(space, mark)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: space.create_deployment("production", f"app-{number:03}", "1.0.0"), range(500)))
    eventually(lambda: len(data(space)) == 502, 60)
    seconds = time.monotonic() - began
    # One for all that has changed within a second, however long the changes take.
    assert 1 <= written() <= seconds + 2
    asked = {name: reads(space, mark, name) for name in ("configmaps", "environments", "deployments")}
    figures(
        f"500 apps in {seconds:.0f} s, {written()} writes of the ConfigMap, {len(json.dumps(data(space)))} bytes; "
        f"before them {asked} reads and lists"
    )
    assert set(json.loads(data(space)["RELEASES_JSON"])["releases"]) == {f"app-{number:03}" for number in range(500)}

    no_operator.stop()
    before = stored(space)
    again = writes(space, cluster.audit_mark())
    no_operator.start()
    space.set_release("production.app-007", "1.0.1")
    eventually_passes(lambda: _says(space, "RELEASE_APP_007", "1.0.1"), 40)
    assert again() <= 2
    assert (stored(space) or {})["metadata"]["uid"] == (before or {})["metadata"]["uid"]


def _says(space: Workspace, key: str, value: str) -> None:
    assert data(space)[key] == value
