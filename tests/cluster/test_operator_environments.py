"""What the operator does when Environments and workspaces come and go."""

from cluster import LiveCluster, Workspace, Workspaces, account
from services import Operators
from waiting import eventually, eventually_passes

from moorage_dev.processes import Service

DEFAULTS = {"development", "staging", "production"}


def _recorded(workspace: Workspace, name: str) -> int:
    return int(((workspace.get("deployments", name) or {}).get("status") or {}).get("recordedSequence", 0))


def _delete(cluster: LiveCluster, workspace: Workspace, plural: str, name: str) -> None:
    assert cluster.raw("DELETE", workspace.path(plural, name)).status == 200


def test_bindings_of_a_deleted_environment_are_undeployed_recorded_and_deleted(
    operator: Service, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace("preview", "production")
    for app in ("web", "api"):
        shop.create_deployment("preview", app, "v1", user="alice")
    shop.create_deployment("production", "web", "v1", user="alice")
    eventually(lambda: _recorded(shop, "preview.web") == _recorded(shop, "preview.api") == 1)
    _delete(cluster, shop, "environments", "preview")
    eventually(lambda: len(shop.list("deployments")) == 1)
    for name in ("preview.web", "preview.api"):
        last = shop.records(name)[-1]
        assert (last["action"], last["by"], last["reason"]) == (
            "undeploy",
            account("moorage-operator"),
            "environment deleted",
        )
        assert [spec["sequence"] for spec in shop.records(name)] == [1, 2]


def test_an_environment_that_was_deleted_while_the_operator_was_down(
    operators: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    operators.ensure()
    shop = workspace("preview", "kept")
    for environment in ("preview", "kept"):
        shop.create_deployment(environment, "web", "v1", user="alice")
        eventually(lambda name=f"{environment}.web": _recorded(shop, name) == 1)
    operators.stop()
    for environment in ("preview", "kept"):
        _delete(cluster, shop, "environments", environment)
    successor = shop.create_environment("kept")["metadata"]["uid"]
    operators.ensure()
    eventually(lambda: shop.get("deployments", "preview.web") is None)

    def belongs_to_the_successor() -> None:
        status = (shop.get("deployments", "kept.web") or {})["status"]
        assert status["environmentUid"] == successor

    eventually_passes(belongs_to_the_successor)
    assert [spec["action"] for spec in shop.records("kept.web")] == ["deploy"]


def test_a_lock_that_came_after_the_environment_went_holds_its_bindings(
    operators: Operators, workspace: Workspaces, cluster: LiveCluster
) -> None:
    operators.ensure()
    shop = workspace("preview")
    shop.create_deployment("preview", "web", "v1", user="alice")
    eventually(lambda: _recorded(shop, "preview.web") == 1)
    operators.stop()
    _delete(cluster, shop, "environments", "preview")
    lock = {
        "apiVersion": "moorage.dev/v1",
        "kind": "EnvironmentLock",
        "metadata": {"name": "preview", "namespace": shop.namespace},
        "spec": {"reason": "nobody touches this"},
    }
    assert cluster.raw("POST", shop.path("environmentlocks"), body=lock).status == 201
    mark = cluster.audit_mark()
    operators.ensure()

    def codes() -> list[int]:
        # Workspaces of earlier tests may still be going.
        found = cluster.audit_since(mark, user=account("moorage-operator"), verbs={"patch"}, resource="deployments")
        return [event.code for event in found if event.namespace == shop.namespace]

    eventually(lambda: codes()[:1] == [403])
    assert (shop.get("deployments", "preview.web") or {})["spec"]["release"] == "v1"
    _delete(cluster, shop, "environmentlocks", "preview")
    eventually(lambda: shop.get("deployments", "preview.web") is None, timeout=20)


def test_a_seeded_workspace_has_its_default_environments(
    operator: Service, workspace: Workspaces, cluster: LiveCluster
) -> None:
    shop = workspace(labels={"moorage.dev/seed-environments": "true"})

    def names() -> set[str]:
        return {item["metadata"]["name"] for item in shop.list("environments")}

    eventually(lambda: names() == DEFAULTS)
    assert all(item["spec"]["isDefault"] for item in shop.list("environments"))
    patch = {"spec": {"isDefault": False}}
    path = shop.path("environments", "staging")
    assert cluster.raw("PATCH", path, body=patch, content_type="application/merge-patch+json").status == 200
    _delete(cluster, shop, "environments", "staging")
    eventually(lambda: names() == DEFAULTS)


def test_an_environment_that_comes_after_its_binding(operator: Service, workspace: Workspaces) -> None:
    shop = workspace()
    shop.create_deployment("production", "web", "v1", user="alice")

    def ready() -> tuple[str, str]:
        status = (shop.get("deployments", "production.web") or {}).get("status") or {"conditions": []}
        found = [one for one in status["conditions"] if one["type"] == "Ready"]
        return (found[0]["status"], found[0]["reason"]) if found else ("", "")

    eventually(lambda: ready() == ("False", "EnvironmentNotFound"))
    shop.create_environment("production")
    eventually(lambda: ready() == ("True", "Recorded"))


def test_a_namespace_goes_with_everything_in_it(operator: Service, workspace: Workspaces, cluster: LiveCluster) -> None:
    shop = workspace(labels={"moorage.dev/seed-environments": "true"})
    eventually(lambda: len(shop.list("environments")) == len(DEFAULTS))
    for app in ("web", "api"):
        shop.create_deployment("production", app, "v1", user="alice")
    path = f"/api/v1/namespaces/{shop.namespace}"
    assert cluster.raw("DELETE", path).status == 200
    eventually(lambda: cluster.raw("GET", path).status == 404, timeout=30)
